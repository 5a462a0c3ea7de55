// A ready task in the hands of a worker: one at a time, with an order that the gateway writes from its specification and from what became of earlier attempts.

import { fault } from '../../domain/fault-codes.ts';
import { isRole, type RolePolicies } from '../../domain/role.ts';
import { isTerminal, type Money, type Work } from '../../domain/run.ts';
import { type Blocked, TASK_ATTEMPTS } from '../../domain/task.ts';
import { type OpSteps, readOp, type Tx, txOp } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { beginAbove } from '../planning/flow.ts';
import { itemById, wake } from '../planning/rows.ts';
import { plannerOf } from '../planning/who.ts';
import { runById } from '../runs/rows.ts';
import { requestSpawn, type SpawnRequest } from '../spawns/ops.ts';
import { workLimits } from '../usage/work-budget.ts';
import { type Asker, type NamedTask, type Refusal, refusalsOf, specOf } from '../validation/rows.ts';
import type { TaskSpec } from '../validation/spec.ts';
import { openDependencies, tellReady } from './dependencies.ts';
import { findTask, type TaskView, updateTask, viewTask } from './rows.ts';

/** What the order of a worker is written from. */
export interface WorkOrder {
  readonly task: TaskView;
  readonly spec: TaskSpec | null;
  /** Where its cost counts. */
  readonly work: Work;
  /** Why earlier work was sent back, oldest first. */
  readonly refusals: readonly Refusal[];
}

/** The first budget, of the task or of its plan, of which nothing is left. */
function* usedUp(tx: Tx, work: Work): OpSteps<string | undefined> {
  const limits = yield* workLimits(tx, work);
  const empty = limits.find(
    ({ limit, used }) => (limit.micros !== null && used.micros >= limit.micros) || (limit.tokens !== null && used.tokens >= limit.tokens),
  );
  return empty?.limit.scope;
}

function* workOn(tx: Tx, task: TaskTable): OpSteps<Work> {
  const story = task.story_id === null ? undefined : yield* tx.one(itemById, { id: task.story_id });
  return { taskId: task.id, planId: story?.plan_id ?? null };
}

/** @throws Fault `task.not_found`, `task.ambiguous` */
export const workOrder = readOp(
  'tasks.workOrder',
  function* (tx, named: NamedTask): OpSteps<WorkOrder> {
    const task = yield* findTask(tx, named);
    return { task: viewTask(task), spec: specOf(task), work: yield* workOn(tx, task), refusals: yield* refusalsOf(tx, task) };
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
    const empty = yield* usedUp(tx, yield* workOn(tx, task));
    if (empty !== undefined) {
      const action = `raise the budget of ${empty.startsWith('task') ? task.name : 'its plan'}: it is used up`;
      const blocked = { owner: 'person-manager', action, recheckAt: tx.now + DAY_MS, cause: BY_BUDGET } satisfies Blocked;
      const stopped = yield* updateTask(tx, task, { state: 'blocked', blocked: JSON.stringify(blocked) }, actor, 'its budget is used up');
      yield* wake(tx, stopped, {
        box: 'person-manager',
        subject: `Budget used up: ${task.name}`,
        content: { task: task.name, action },
        key: `budget:${task.id}`,
      });
      return { task: viewTask(stopped), childSessionKey: null, rule: `its budget is used up: the person manager is asked to ${action}` };
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
