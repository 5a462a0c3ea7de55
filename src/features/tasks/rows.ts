// Tasks as rows of the store: found by name, written with an event in their own stream.

import { fault } from '../../domain/fault-codes.ts';
import type { Blocked, TaskState } from '../../domain/task.ts';
import type { WrittenTask } from '../../domain/work-file.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { appendEvent } from '../events/ops.ts';

export interface TaskView {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly title: string;
  readonly owner: string | null;
  readonly state: TaskState;
  readonly said: string | null;
  readonly original: string;
  readonly source: string;
  readonly attempts: number;
  readonly runId: string | null;
  readonly blocked: Blocked | null;
  readonly storyId: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface OfWorkspace {
  readonly workspaceId: string;
}

export const insertTask = statement<TaskTable>()((db, p) =>
  db
    .insertInto('task')
    .values(
      pick(
        p,
        ...([
          'id',
          'workspace_id',
          'project',
          'name',
          'title',
          'owner',
          'state',
          'said',
          'original',
          'source',
          'attempts',
          'run_id',
          'blocked',
          'spec',
          'request_id',
          'story_id',
          'budget',
          'created_at',
          'updated_at',
        ] as const),
      ),
    ),
);
export const byName = statement<OfWorkspace & { project: string; name: string }>()((db, p) =>
  db.selectFrom('task').selectAll().where('workspace_id', '=', p.workspaceId).where('project', '=', p.project).where('name', '=', p.name),
);
const named = statement<OfWorkspace & { name: string }>()((db, p) =>
  db
    .selectFrom('task')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('id', '=', p.name), row('name', '=', p.name)]))
    .orderBy('updated_at', 'desc')
    .limit(10),
);
export const allTasks = statement<OfWorkspace & { limit: number }>()((db, p) =>
  db.selectFrom('task').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('project').orderBy('name').limit(p.limit),
);
const underWay = statement<OfWorkspace>()((db, p) =>
  db.selectFrom('task').selectAll().where('workspace_id', '=', p.workspaceId).where('state', 'in', ['leased', 'working']).orderBy('id').limit(1000),
);
const changeTask = statement<
  Pick<
    TaskTable,
    'id' | 'title' | 'owner' | 'state' | 'said' | 'original' | 'attempts' | 'run_id' | 'blocked' | 'spec' | 'request_id' | 'budget' | 'updated_at'
  >
>()((db, p) =>
  db
    .updateTable('task')
    .set(pick(p, 'title', 'owner', 'state', 'said', 'original', 'attempts', 'run_id', 'blocked', 'spec', 'request_id', 'budget', 'updated_at'))
    .where('id', '=', p.id),
);

export function viewTask(row: TaskTable): TaskView {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    title: row.title,
    owner: row.owner,
    state: row.state,
    said: row.said,
    original: row.original,
    source: row.source,
    attempts: row.attempts,
    runId: row.run_id,
    blocked: row.blocked === null ? null : (JSON.parse(row.blocked) as Blocked), // written below
    storyId: row.story_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Writes what changed, and says so in the task's own stream. */
export function* updateTask(tx: Tx, row: TaskTable, change: Partial<TaskTable>, actor: string, note?: string): OpSteps<TaskTable> {
  const next = { ...row, ...change, updated_at: tx.now };
  yield* tx.run(changeTask, next);
  yield* tellTask(tx, next, actor, row.state, note);
  return next;
}

export function* tellTask(tx: Tx, row: TaskTable, actor: string, from: TaskState | null, note?: string): OpSteps<void> {
  const { project, name, state, attempts } = row;
  const body = { kind: 'task', id: row.id, project, name, from, state, attempts, ...(note !== undefined && { note }) } as const;
  yield* appendEvent(tx, { workspaceId: row.workspace_id, stream: `task:${row.id}`, actor, body });
}

export function* tasksUnderWay(tx: Tx, of: OfWorkspace): OpSteps<TaskTable[]> {
  return yield* tx.all(underWay, of);
}

/** @throws Fault `task.not_found`, `task.ambiguous` */
export function* findTask(tx: Tx, of: OfWorkspace & { readonly name: string; readonly project?: string }): OpSteps<TaskTable> {
  const rows = (yield* tx.all(named, of)).filter(({ project }) => of.project === undefined || project === of.project);
  const [row] = rows;
  if (!row) throw fault('task.not_found', { name: of.name });
  if (rows.length > 1 && !rows.some(({ id }) => id === of.name))
    throw fault('task.ambiguous', { name: of.name, projects: rows.map(({ project }) => project).join(', ') });
  return row;
}

export function newTask(tx: Tx, workspaceId: string, written: WrittenTask, state: TaskState, source: string): TaskTable {
  const { project, name, title, owner, said, original } = written;
  const times = { created_at: tx.now, updated_at: tx.now };
  return {
    id: tx.newId('task'),
    workspace_id: workspaceId,
    project,
    name,
    title,
    owner,
    state,
    said,
    original,
    source,
    attempts: 0,
    run_id: null,
    blocked: null,
    spec: null,
    request_id: null,
    story_id: null,
    budget: null,
    ...times,
  };
}
