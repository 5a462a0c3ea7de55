// A story becomes tasks: each with its criteria as its specification, and with what it waits for.

import { fault } from '../../domain/fault-codes.ts';
import { isItemApproved } from '../../domain/plan.ts';
import { RISKS } from '../../domain/proof.ts';
import { isRole, type RolePolicies } from '../../domain/role.ts';
import type { Money } from '../../domain/run.ts';
import { criterionText, isCoveredBy, type Story } from '../../domain/story.ts';
import { isClosed } from '../../domain/task.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import type { PlanItemTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { openDependencies, readyWhenFree, waitFor } from '../tasks/dependencies.ts';
import { byName, findTask, insertTask, newTask, type TaskView, tellTask, updateTask, viewTask } from '../tasks/rows.ts';
import { type Asker, specOf } from '../validation/rows.ts';
import { specFrom, TaskSpecInput } from '../validation/spec.ts';
import { findItem, itemById, storyOf, tasksOfStory } from './rows.ts';
import { plannerOf } from './who.ts';

export interface Part {
  readonly name: string;
  readonly title: string;
  readonly text?: string | undefined;
  /** Criteria of the story by their ids. */
  readonly criteria: readonly string[];
  readonly paths?: readonly string[] | undefined;
  /** Tasks that must be done first, by name: of this story, or of its project. */
  readonly dependsOn?: readonly string[] | undefined;
  readonly budget?: Money | undefined;
  /** RED may add stubs, so that tests of what is not there yet fail by what they assert. */
  readonly stubs?: boolean | undefined;
}

interface Split {
  readonly workspaceId: string;
  readonly name: string;
  readonly tasks: readonly Part[];
  readonly by: Asker;
  readonly policies: RolePolicies;
}

/** @throws Fault `plan.refused` where somebody has no right to split */
function* allowSplit(tx: Tx, { workspaceId, name, by, policies }: Omit<Split, 'tasks'>): OpSteps<string> {
  const { actor, who } = yield* plannerOf(tx, workspaceId, by);
  if (who !== 'human' && !(isRole(who) && policies[who].may['task.split'] !== undefined))
    throw fault('plan.refused', {
      name,
      action: 'split',
      rule: isRole(who) ? `roles.${who}.may does not list task.split` : 'only the owner and the coordinator split work',
    });
  return actor;
}

/** Splits a story, or splits it anew: what has begun stays. @throws Fault `plan.not_found`, `plan.refused`, `plan.cycle`, `task.not_found` */
export const splitStory = txOp(
  'plans.split',
  function* (tx, { workspaceId, name, tasks, by, policies }: Split): OpSteps<TaskView[]> {
    const story = yield* findItem(tx, { workspaceId, name });
    const refuse = (rule: string) => fault('plan.refused', { name: story.name, action: 'split', rule });
    const actor = yield* allowSplit(tx, { workspaceId, name: story.name, by, policies });
    if (story.kind !== 'story') throw refuse('only a story is split into tasks');
    if (!isItemApproved(story.state)) throw refuse(`it is ${story.state}: a story is split when it is approved`);
    const plan = yield* tx.one(itemById, { id: story.plan_id });
    if (!plan || !isItemApproved(plan.state)) throw refuse(`its plan ${plan?.name ?? ''} is ${plan?.state ?? 'gone'}: it must be approved first`);
    const body = storyOf(story);
    const before = yield* tx.all(tasksOfStory, { id: story.id });
    const asked = new Set(tasks.flatMap(({ criteria }) => criteria));
    const known = new Set(body.criteria.map(({ id }) => id));
    const unknown = [...asked].filter((id) => !known.has(id));
    if (unknown.length > 0) throw refuse(`it has no criterion ${unknown.join(', ')}; it has ${[...known].join(', ')}`);
    const proven = before.filter(({ state }) => state === 'done').flatMap((task) => specOf(task)?.criteria ?? []);
    const open = body.criteria
      .filter((one) => !asked.has(one.id) && !isCoveredBy(one, proven) && one.checks.some(({ kind }) => kind !== 'human'))
      .map(({ id }) => id);
    if (open.length > 0) throw refuse(`no task covers ${open.join(', ')}`);
    const project = plan.name.toLowerCase();
    const made: TaskTable[] = [];
    for (const part of tasks) made.push(yield* putTask(tx, { story, body, part, project, actor }));
    for (const [i, part] of tasks.entries()) {
      const task = made[i];
      if (!task) continue;
      const ons: TaskTable[] = [];
      for (const on of part.dependsOn ?? []) ons.push(made.find((one) => one.name === on) ?? (yield* findTask(tx, { workspaceId, name: on, project })));
      yield* waitFor(tx, task, ons);
    }
    const names = new Set(tasks.map((part) => part.name));
    for (const old of before)
      if (!names.has(old.name) && old.state === 'draft') yield* updateTask(tx, old, { state: 'cancelled' }, actor, `${story.name} was split anew`);
    const views: TaskView[] = [];
    for (const task of made) views.push(viewTask(yield* readyWhenFree(tx, task, actor)));
    return views;
  },
  { worker: true },
);

interface Putting {
  readonly story: PlanItemTable;
  readonly body: Story;
  readonly part: Part;
  readonly project: string;
  readonly actor: string;
}

function* putTask(tx: Tx, { story, body, part, project, actor }: Putting): OpSteps<TaskTable> {
  const refuse = (rule: string) => fault('plan.refused', { name: story.name, action: 'split', rule });
  if (!part.name.startsWith(`${story.name}-`)) throw refuse(`tasks are named after their story, as ${story.name}-a: ${part.name} is not`);
  if (part.criteria.length === 0) throw refuse(`${part.name} has no criterion: nothing could prove it`);
  const criteria = body.criteria.filter(({ id }) => part.criteria.includes(id));
  const risk = RISKS[Math.max(...criteria.map((one) => RISKS.indexOf(one.risk)))];
  const texts = criteria.map((criterion) => ({ id: criterion.id, text: criterionText(criterion), checks: criterion.checks }));
  const { repo, target, command, paths } = body;
  const parsed = TaskSpecInput.safeParse({ repo, target, risk, command, paths: part.paths ?? paths, stubs: part.stubs, criteria: texts });
  if (!parsed.success) throw refuse(`${part.name}: ${parsed.error.issues.map(({ message }) => message).join('; ')}`);
  const spec = JSON.stringify(specFrom(parsed.data));
  const budget = part.budget === undefined ? null : JSON.stringify(part.budget);
  const old = yield* tx.one(byName, { workspaceId: story.workspace_id, project, name: part.name });
  if (old && (isClosed(old.state) || old.state !== 'draft' || old.story_id !== story.id))
    throw refuse(
      old.story_id === story.id
        ? `${part.name} is ${old.state} and stays as it is: leave it out, or give the new task another name`
        : `the project ${project} has a task ${part.name} already`,
    );
  if (old) return yield* updateTask(tx, old, { title: part.title, original: part.text ?? part.title, spec, budget }, actor, 'split anew');
  const written = { project, name: part.name, title: part.title, owner: null, said: null, state: 'draft' as const, original: part.text ?? part.title };
  const row = { ...newTask(tx, story.workspace_id, written, 'draft', 'call'), story_id: story.id, spec, budget };
  yield* tx.run(insertTask, row);
  yield* tellTask(tx, row, actor, null);
  return row;
}

interface Depend {
  readonly workspaceId: string;
  readonly name: string;
  readonly project?: string;
  /** In place of what it waited for. */
  readonly on: readonly string[];
  readonly by: Asker;
  readonly policies: RolePolicies;
}

/** What a task waits for. @throws Fault `task.not_found`, `plan.refused`, `plan.cycle` */
export const dependTask = txOp(
  'tasks.depend',
  function* (tx, { on, by, policies, ...named }: Depend): OpSteps<TaskView> {
    const task = yield* findTask(tx, named);
    const actor = yield* allowSplit(tx, { workspaceId: named.workspaceId, name: task.name, by, policies });
    if (task.state !== 'draft' && task.state !== 'ready' && task.state !== 'blocked' && task.state !== 'parked')
      throw fault('plan.refused', { name: task.name, action: 'depend', rule: `it is ${task.state}: dependencies are set before work begins` });
    const ons: TaskTable[] = [];
    for (const other of on) ons.push(yield* findTask(tx, { workspaceId: named.workspaceId, name: other, project: task.project }));
    yield* waitFor(tx, task, ons);
    const isWaiting = task.state === 'ready' && (yield* openDependencies(tx, task)).length > 0;
    const next = isWaiting ? yield* updateTask(tx, task, { state: 'draft' }, actor, 'it waits for others now') : task;
    return viewTask(yield* readyWhenFree(tx, next, actor));
  },
  { worker: true },
);
