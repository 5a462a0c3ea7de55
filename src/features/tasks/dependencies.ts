// Which task waits for which: never in a circle, and ready at the moment in which the last one it waits for is done.

import { fault } from '../../domain/fault-codes.ts';
import { waitedStories } from '../../domain/story.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { DependencyTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { noticeOf, takeMessage } from '../inbox/ops.ts';
import { findItem, itemById, storyOf } from '../planning/rows.ts';
import { updateTask } from './rows.ts';

const insertDependency = statement<DependencyTable>()((db, p) =>
  db
    .insertInto('dependency')
    .values(pick(p, 'task_id', 'on_id'))
    .onConflict((clash) => clash.columns(['task_id', 'on_id']).doNothing()),
);
const dropDependencies = statement<{ taskId: string }>()((db, p) => db.deleteFrom('dependency').where('task_id', '=', p.taskId));
const waitedFor = statement<{ taskId: string }>()((db, p) =>
  db
    .selectFrom('dependency')
    .innerJoin('task', 'task.id', 'dependency.on_id')
    .selectAll('task')
    .where('dependency.task_id', '=', p.taskId)
    .orderBy('task.name'),
);
const waiters = statement<{ taskId: string }>()((db, p) =>
  db
    .selectFrom('dependency')
    .innerJoin('task', 'task.id', 'dependency.task_id')
    .selectAll('task')
    .where('dependency.on_id', '=', p.taskId)
    .orderBy('task.name'),
);

export function* dependenciesOf(tx: Tx, task: Pick<TaskTable, 'id'>): OpSteps<TaskTable[]> {
  return yield* tx.all(waitedFor, { taskId: task.id });
}

/** An imported task that was closed without proof counts for those of its own file alone. */
const isSettledFor = (waiter: TaskTable, on: TaskTable) => on.state === 'done' || (on.state === 'closed_unproven' && on.source === waiter.source);

/** The tasks that one still waits for. */
export function* openDependencies(tx: Tx, task: TaskTable): OpSteps<TaskTable[]> {
  return (yield* dependenciesOf(tx, task)).filter((on) => !isSettledFor(task, on));
}

/** Stories that must be done before any task of its own story. */
function* openStories(tx: Tx, { story_id }: TaskTable): OpSteps<string[]> {
  const story = story_id === null ? undefined : yield* tx.one(itemById, { id: story_id });
  const names = story ? waitedStories(storyOf(story)) : [];
  const open: string[] = [];
  for (const name of names) if (story && (yield* findItem(tx, { workspaceId: story.workspace_id, name })).state !== 'done') open.push(name);
  return open;
}

/** What a task waits for, in place of what it waited for before. @throws Fault `plan.cycle` with the whole way round */
export function* waitFor(tx: Tx, task: TaskTable, ons: readonly TaskTable[]): OpSteps<void> {
  yield* tx.run(dropDependencies, { taskId: task.id });
  for (const on of ons) {
    const path = yield* wayBack(tx, task, on);
    if (path) throw fault('plan.cycle', { path: [task.name, ...path].join(' → ') });
    yield* tx.run(insertDependency, { task_id: task.id, on_id: on.id });
  }
}

/** From `on` over what it waits for back to `task`, by name; undefined when it never gets there. A new task has no waiters: then it costs one look. */
function* wayBack(tx: Tx, task: TaskTable, on: TaskTable): OpSteps<string[] | undefined> {
  const names = new Map([[task.id, task.name]]);
  const cameFrom = new Map<string, string>();
  const open = [task.id];
  for (let id = open.shift(); id !== undefined; id = open.shift()) {
    if (id === on.id) {
      const path: string[] = [];
      for (let at: string | undefined = on.id; at !== undefined; at = cameFrom.get(at)) path.push(names.get(at) ?? at);
      return path;
    }
    for (const waiter of yield* tx.all(waiters, { taskId: id })) {
      if (names.has(waiter.id)) continue;
      names.set(waiter.id, waiter.name);
      cameFrom.set(waiter.id, id);
      open.push(waiter.id);
    }
  }
  return undefined;
}

/** Makes a draft ready that waits for nothing any more, and tells the task manager. */
export function* readyWhenFree(tx: Tx, task: TaskTable, actor: string): OpSteps<TaskTable> {
  if (task.state !== 'draft' || (task.story_id !== null && task.spec === null)) return task;
  if ((yield* openDependencies(tx, task)).length > 0 || (yield* openStories(tx, task)).length > 0) return task;
  const ready = yield* updateTask(tx, task, { state: 'ready' }, actor, 'nothing is in its way');
  yield* tellReady(tx, ready);
  return ready;
}

/** A task is done: those that waited for it alone are ready. */
export function* wakeWaiters(tx: Tx, task: TaskTable, actor: string): OpSteps<void> {
  for (const waiter of yield* tx.all(waiters, { taskId: task.id })) yield* readyWhenFree(tx, waiter, actor);
}

export function* tellReady(tx: Tx, task: TaskTable): OpSteps<void> {
  const { name, project, title, attempts } = task;
  yield* takeMessage(
    tx,
    task.workspace_id,
    noticeOf({
      type: 'request',
      subject: `Ready: ${name}`,
      content: {
        task: name,
        project,
        title,
        attempts,
        how: `Hand it to a worker: task tool, action lease, name ${name}. The gateway writes the order from its specification.`,
      },
      box: 'task-managers',
      actor: 'gateway',
      key: `ready:${task.id}:${attempts}:${task.updated_at}`,
    }),
  );
}
