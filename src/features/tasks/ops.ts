// Tasks in the store: who may move them, what files say of them, and the history of both.

import { fault } from '../../domain/fault-codes.ts';
import type { RolePolicies } from '../../domain/role.ts';
import { type Blocked, decideTaskMove, isClosed, type TaskMove, type TaskState } from '../../domain/task.ts';
import type { WrittenTask } from '../../domain/work-file.ts';
import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';
import { type Kept, keepVersion } from '../workspace/versions.ts';
import { openDependencies, tellReady } from './dependencies.ts';
import { allTasks, byName, findTask, insertTask, newTask, type OfWorkspace, type TaskView, tellTask, updateTask, viewTask } from './rows.ts';

export interface FromFile extends OfWorkspace {
  readonly path: string;
  /** Of the whole file: this version is kept. */
  readonly text: string;
  readonly actor: string;
  readonly tasks: readonly WrittenTask[];
  /** The role whose file it is: it has its rights and no more. The first version of a file is taken over as it stands, and every one of an import (null). */
  readonly writer: string | null;
  readonly policies: RolePolicies;
}

export interface TakenFile {
  readonly version: Kept;
  readonly added: number;
  readonly moved: number;
  /** What the writer may not do, with the rule. */
  readonly refused: readonly { readonly name: string; readonly to: string; readonly rule: string }[];
  /** Tasks of this file that it no longer mentions: they stay as they are. */
  readonly missing: readonly string[];
}

/** A task that waits for others cannot come into one of these. */
const AT_WORK: ReadonlySet<TaskState> = new Set(['ready', 'leased', 'working', 'submitted']);

const ofSource = statement<OfWorkspace & { source: string }>()((db, p) =>
  db.selectFrom('task').select(['project', 'name', 'state']).where('workspace_id', '=', p.workspaceId).where('source', '=', p.source),
);

/** Keeps the version and takes what it says of tasks, as far as its writer may say it, in one step. What it does not mention stays. */
export const takeWorkFile = txOp('tasks.takeFile', function* (tx, { workspaceId, path, text, actor, tasks, policies, ...file }: FromFile): OpSteps<TakenFile> {
  const version = yield* keepVersion.body(tx, { workspaceId, path, text, actor });
  if (!version.isNew) return { version, added: 0, moved: 0, refused: [], missing: [] };
  const writer = version.before === null ? null : file.writer;
  const refused: { name: string; to: string; rule: string }[] = [];
  let [added, moved] = [0, 0];
  for (const written of tasks) {
    const row = yield* tx.one(byName, { workspaceId, ...written });
    const wanted = written.state;
    if (!row) {
      const may = writer === null ? ({ ok: true } as const) : decideTaskMove(policies, writer, 'draft', wanted ?? 'draft');
      if (!may.ok) refused.push({ name: written.name, to: written.said ?? '', rule: may.rule });
      const fresh = newTask(tx, workspaceId, written, may.ok ? (wanted ?? 'draft') : 'draft', path);
      yield* tx.run(insertTask, fresh);
      yield* tellTask(tx, fresh, `file:${path}`, null);
      added += 1;
      continue;
    }
    if (written.said === row.said && written.title === row.title && written.owner === row.owner) continue;
    const isNews = wanted !== null && written.said !== row.said && wanted !== row.state;
    const waits = isNews && AT_WORK.has(wanted) ? yield* openDependencies(tx, row) : [];
    const rule = `it waits for ${waits.map(({ name }) => name).join(', ')}`;
    const may: TaskMove =
      waits.length > 0 ? { ok: false, rule } : !isNews || writer === null ? { ok: true } : decideTaskMove(policies, writer, row.state, wanted);
    if (!may.ok) {
      refused.push({ name: written.name, to: written.said ?? '', rule: may.rule });
      yield* updateTask(tx, row, { said: written.said }, `file:${path}`, `refused: ${may.rule}`);
      continue;
    }
    const blocked =
      isNews && wanted === 'blocked'
        ? JSON.stringify({ owner: written.owner ?? 'coordinator', action: written.said ?? 'look at it', recheckAt: tx.now + RECHECK_MS } satisfies Blocked)
        : row.blocked;
    const { title, owner, said, original } = written;
    yield* updateTask(tx, row, { title, owner, said, original, blocked, state: isNews ? wanted : row.state }, `file:${path}`);
    if (isNews) moved += 1;
  }
  const mentioned = new Set(tasks.map(({ project, name }) => `${project}\n${name}`));
  const before = yield* tx.all(ofSource, { workspaceId, source: path });
  const missing = before.filter(({ project, name, state }) => !isClosed(state) && !mentioned.has(`${project}\n${name}`)).map(({ name }) => name);
  return { version, added, moved, refused, missing };
});
const RECHECK_MS = 14_400_000;

interface NewTask extends OfWorkspace {
  readonly actor: string;
  readonly task: WrittenTask;
}

/** @throws Fault `task.exists` */
export const addTask = txOp('tasks.add', function* (tx, { workspaceId, actor, task }: NewTask): OpSteps<TaskView> {
  if (yield* tx.one(byName, { workspaceId, ...task })) throw fault('task.exists', { name: task.name, project: task.project });
  const row = newTask(tx, workspaceId, task, task.state ?? 'ready', 'call');
  yield* tx.run(insertTask, row);
  yield* tellTask(tx, row, actor, null);
  return viewTask(row);
});

interface Move extends OfWorkspace {
  readonly name: string;
  readonly project?: string;
  readonly to: TaskState;
  readonly who: string;
  readonly actor: string;
  readonly policies: RolePolicies;
  readonly blocked?: Blocked;
}

/** @throws Fault `task.not_found`, `task.ambiguous`, `task.refused` */
export const moveTask = txOp(
  'tasks.move',
  function* (tx, { to, who, actor, policies, blocked, ...of }: Move): OpSteps<TaskView> {
    const row = yield* findTask(tx, of);
    const may = decideTaskMove(policies, who, row.state, to);
    if (!may.ok) throw fault('task.refused', { name: row.name, to, rule: may.rule });
    if (AT_WORK.has(to) && row.story_id !== null && row.spec === null)
      throw fault('task.refused', { name: row.name, to, rule: 'its story was changed: it must be approved and split again first' });
    if (to === 'blocked' && !blocked) throw fault('task.refused', { name: row.name, to, rule: 'blocked names an owner, an action and when to look again' });
    const waits = AT_WORK.has(to) ? yield* openDependencies(tx, row) : [];
    if (waits.length > 0) throw fault('task.refused', { name: row.name, to, rule: `it waits for ${waits.map(({ name }) => name).join(', ')}` });
    const next = yield* updateTask(
      tx,
      row,
      { state: to, blocked: blocked ? JSON.stringify(blocked) : null, attempts: to === 'ready' ? 0 : row.attempts },
      actor,
    );
    if (to === 'ready' && next.spec !== null) yield* tellReady(tx, next);
    return viewTask(next);
  },
  { worker: true },
);

export const listTasks = readOp('tasks.list', function* (tx, { open, ...of }: OfWorkspace & { readonly limit: number; readonly open: boolean }): OpSteps<
  TaskView[]
> {
  return (yield* tx.all(allTasks, of)).filter(({ state }) => !open || !isClosed(state)).map(viewTask);
});

export const getTask = readOp('tasks.get', function* (tx, of: OfWorkspace & { name: string; project?: string }): OpSteps<TaskView> {
  return viewTask(yield* findTask(tx, of));
});
