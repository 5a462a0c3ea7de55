// A ready task in the hands of a worker: one at a time, with an order that the gateway writes from its specification and from what became of earlier attempts.

import { fault } from '../../domain/fault-codes.ts';
import { isRole, type RolePolicies } from '../../domain/role.ts';
import { isTerminal, type Money } from '../../domain/run.ts';
import { type Blocked, TASK_ATTEMPTS } from '../../domain/task.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { beginAbove } from '../planning/flow.ts';
import { itemById, planOf } from '../planning/rows.ts';
import { plannerOf } from '../planning/who.ts';
import { runById } from '../runs/rows.ts';
import { requestSpawn, type SpawnRequest } from '../spawns/ops.ts';
import { type Asker, type NamedTask, type Refusal, refusalsOf, specOf } from '../validation/rows.ts';
import type { TaskSpec } from '../validation/spec.ts';
import { openDependencies, tellReady } from './dependencies.ts';
import { findTask, type TaskView, updateTask, viewTask } from './rows.ts';

/** What the order of a worker is written from. */
export interface WorkOrder {
  readonly task: TaskView;
  readonly spec: TaskSpec | null;
  readonly budget: Money | null;
  /** Why earlier work was sent back, oldest first. */
  readonly refusals: readonly Refusal[];
}

const spentOnTask = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db
    .selectFrom('run')
    .innerJoin('spawn', 'spawn.child_run_id', 'run.id')
    .select(({ fn }) => [fn.sum<number>('run.spent_micros').as('micros'), fn.sum<number>('run.spent_tokens').as('tokens')])
    .where('spawn.workspace_id', '=', p.workspaceId)
    .where('spawn.label', '=', p.name),
);
const spentOnPlan = statement<{ planId: string }>()((db, p) =>
  db
    .selectFrom('plan_item')
    .innerJoin('task', 'task.story_id', 'plan_item.id')
    .innerJoin('spawn', (join) => join.onRef('spawn.label', '=', 'task.name').onRef('spawn.workspace_id', '=', 'task.workspace_id'))
    .innerJoin('run', 'run.id', 'spawn.child_run_id')
    .select(({ fn }) => [fn.sum<number>('run.spent_micros').as('micros'), fn.sum<number>('run.spent_tokens').as('tokens')])
    .where('plan_item.plan_id', '=', p.planId),
);

interface Spent {
  readonly micros: number | null;
  readonly tokens: number | null;
}

/** What is left of a budget: null without one. */
function leftOf({ usd, tokens }: Money, spent: Spent | undefined): Money {
  return {
    ...(usd !== undefined && { usd: Math.max(0, usd - Number(spent?.micros ?? 0) / 1e6) }),
    ...(tokens !== undefined && { tokens: Math.max(0, tokens - Number(spent?.tokens ?? 0)) }),
  };
}

const least = (a: number | undefined, b: number | undefined) => (a === undefined ? b : b === undefined ? a : Math.min(a, b));

/** What a worker may spend: what the task and its plan have left. */
function* budgetLeft(tx: Tx, task: TaskTable): OpSteps<Money | null> {
  const own = task.budget === null ? undefined : (JSON.parse(task.budget) as Money); // written by splitStory
  const story = task.story_id === null ? undefined : yield* tx.one(itemById, { id: task.story_id });
  const plan = story && (yield* tx.one(itemById, { id: story.plan_id }));
  const wide = plan && planOf(plan).budget;
  const lefts = [
    ...(own ? [leftOf(own, yield* tx.one(spentOnTask, { workspaceId: task.workspace_id, name: task.name }))] : []),
    ...(plan && wide && (wide.usd !== undefined || wide.tokens !== undefined) ? [leftOf(wide as Money, yield* tx.one(spentOnPlan, { planId: plan.id }))] : []),
  ];
  if (lefts.length === 0) return null;
  const usd = lefts.reduce<number | undefined>((most, one) => least(most, one.usd), undefined);
  const tokens = lefts.reduce<number | undefined>((most, one) => least(most, one.tokens), undefined);
  return { ...(usd !== undefined && { usd }), ...(tokens !== undefined && { tokens }) };
}

/** @throws Fault `task.not_found`, `task.ambiguous` */
export const workOrder = readOp(
  'tasks.workOrder',
  function* (tx, named: NamedTask): OpSteps<WorkOrder> {
    const task = yield* findTask(tx, named);
    return { task: viewTask(task), spec: specOf(task), budget: yield* budgetLeft(tx, task), refusals: yield* refusalsOf(tx, task) };
  },
  { worker: true },
);

interface Lease extends NamedTask {
  readonly by: Asker;
  readonly policies: RolePolicies;
  /** For the attempt that the order was written for. */
  readonly attempts: number;
  readonly request: Omit<SpawnRequest, 'requestKey'>;
}

export interface Leased {
  readonly task: TaskView;
  /** Null where no worker was started. */
  readonly childSessionKey: string | null;
  /** Why not. */
  readonly rule: string | null;
}

/** @throws Fault `task.not_found`, `task.refused` */
export const leaseTask = txOp(
  'tasks.lease',
  function* (tx, { by, policies, attempts, request, ...named }: Lease): OpSteps<Leased> {
    const task = yield* findTask(tx, named);
    const refuse = (rule: string) => fault('task.refused', { name: task.name, to: 'leased', rule });
    const { actor, who } = yield* plannerOf(tx, named.workspaceId, by);
    if (who !== 'human' && !(isRole(who) && policies[who].may['task.lease'] !== undefined))
      throw refuse(isRole(who) ? `roles.${who}.may does not list task.lease` : 'only the owner and the task manager hand out work');
    if (task.state !== 'ready') throw refuse(`it is ${task.state}, and one worker at a time takes a ready task`);
    if (task.attempts !== attempts || task.attempts >= TASK_ATTEMPTS) throw refuse('it has changed in this moment: look at it again');
    const before = task.run_id === null ? undefined : yield* tx.one(runById, { id: task.run_id });
    if (before && !isTerminal(before.state)) throw refuse('its worker is still at it, and has the report: you are told when it ends');
    const open = yield* openDependencies(tx, task);
    if (open.length > 0) throw refuse(`it waits for ${open.map(({ name }) => name).join(', ')}`);
    const left = yield* budgetLeft(tx, task);
    if (left && (left.usd === 0 || left.tokens === 0)) {
      const blocked = {
        owner: 'person-manager',
        action: `raise the budget of ${task.name} or of its plan: it is used up`,
        recheckAt: tx.now + DAY_MS,
        cause: BY_BUDGET,
      } satisfies Blocked;
      const stopped = yield* updateTask(tx, task, { state: 'blocked', blocked: JSON.stringify(blocked) }, actor, 'its budget is used up');
      return { task: viewTask(stopped), childSessionKey: null, rule: `its budget is used up: ${blocked.action}` };
    }
    const leased = yield* updateTask(tx, task, { state: 'leased' }, actor);
    const spawn = yield* requestSpawn.body(tx, { ...request, requestKey: `lease:${task.id}:${leased.updated_at}:${task.attempts}` });
    if (spawn.rule !== null) throw refuse(`its worker was denied: ${spawn.rule}`);
    yield* beginAbove(tx, task, actor);
    const next = yield* updateTask(tx, leased, { state: 'working', run_id: spawn.childRunId }, actor, `attempt ${task.attempts + 1}`);
    return { task: viewTask(next), childSessionKey: spawn.childSessionKey, rule: null };
  },
  { worker: true },
);
const DAY_MS = 86_400_000;
const BY_BUDGET = 'budget';

interface Raise extends NamedTask {
  readonly by: Asker;
  readonly policies: RolePolicies;
  readonly budget: Money;
}

/** Another budget for a task; one that stood still for its budget is ready again. @throws Fault `task.not_found`, `task.refused` */
export const budgetTask = txOp(
  'tasks.budget',
  function* (tx, { by, policies, budget, ...named }: Raise): OpSteps<TaskView> {
    const task = yield* findTask(tx, named);
    const { actor, who } = yield* plannerOf(tx, named.workspaceId, by);
    if (who !== 'human' && !(isRole(who) && policies[who].may['budget.raise'] !== undefined))
      throw fault('task.refused', {
        name: task.name,
        to: 'a task with another budget',
        rule: 'budgets are raised by the owner, and by the person manager within that of the plan',
      });
    const next = yield* updateTask(tx, task, { budget: JSON.stringify(budget) }, actor, 'another budget');
    return viewTask(yield* resumeFrom(tx, next, BY_BUDGET, actor));
  },
  { worker: true },
);

/** A task that stood still for a cause that is over is ready again. */
export function* resumeFrom(tx: Tx, task: TaskTable, cause: string, actor: string): OpSteps<TaskTable> {
  const blocked = task.state === 'blocked' && task.blocked !== null ? (JSON.parse(task.blocked) as Blocked) : undefined; // written by tasks/ops
  if (blocked?.cause !== cause) return task;
  const ready = yield* updateTask(tx, task, { state: 'ready', blocked: null }, actor, `${cause} is settled`);
  yield* tellReady(tx, ready);
  return ready;
}
