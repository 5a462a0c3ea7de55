// Looking after tasks under way: whose worker is gone, silent or finished. No model is asked; what is found becomes an attempt, a park, a word to somebody.

import { STALE_AFTER_MS, saysItIsOver } from '../../domain/heartbeat-file.ts';
import { URGENT } from '../../domain/inbox.ts';
import { isTerminal } from '../../domain/run.ts';
import type { SpawnOrder } from '../../domain/spawn.ts';
import { type Blocked, TASK_ATTEMPTS } from '../../domain/task.ts';
import { slugOf } from '../../domain/team.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { HeartbeatTable, TaskTable } from '../../ports/tables-team.ts';
import { noticeOf, takeMessage } from '../inbox/ops.ts';
import { wake } from '../planning/rows.ts';
import { stopRuns } from '../runs/end.ts';
import { runById } from '../runs/rows.ts';
import { requestSpawn, type SpawnRequest } from '../spawns/ops.ts';
import { tellReady } from './dependencies.ts';
import { type TaskView, tasksUnderWay, updateTask, viewTask } from './rows.ts';

interface OfWorkspace {
  readonly workspaceId: string;
}

const runByLabel = statement<OfWorkspace & { label: string }>()((db, p) =>
  db
    .selectFrom('spawn')
    .innerJoin('run', 'run.id', 'spawn.child_run_id')
    .selectAll('run')
    .where('spawn.workspace_id', '=', p.workspaceId)
    .where('spawn.label', '=', p.label)
    .orderBy('run.queued_at', 'desc')
    .limit(1),
);
const orderByLabel = statement<OfWorkspace & { label: string }>()((db, p) =>
  db.selectFrom('spawn').select('request').where('workspace_id', '=', p.workspaceId).where('label', '=', p.label).orderBy('requested_at').limit(1),
);
const readyAgain = statement<OfWorkspace>()((db, p) =>
  db
    .selectFrom('task')
    .innerJoin('run', 'run.id', 'task.run_id')
    .selectAll('task')
    .where('task.workspace_id', '=', p.workspaceId)
    .where('task.state', '=', 'ready')
    .whereRef('run.ended_at', '>', 'task.updated_at')
    .limit(1000),
);
const blockedNow = statement<OfWorkspace>()((db, p) =>
  db.selectFrom('task').selectAll().where('workspace_id', '=', p.workspaceId).where('state', '=', 'blocked').limit(1000),
);
const sessionSeen = statement<{ id: string }>()((db, p) => db.selectFrom('session').select('updated_at').where('id', '=', p.id));
const beatOf = statement<OfWorkspace & { task: string }>()((db, p) =>
  db.selectFrom('heartbeat').selectAll().where('workspace_id', '=', p.workspaceId).where('task', '=', p.task),
);
const settleBeat = statement<OfWorkspace & { task: string; settled: string }>()((db, p) =>
  db.updateTable('heartbeat').set({ settled: p.settled }).where('workspace_id', '=', p.workspaceId).where('task', '=', p.task),
);
const upsertBeat = statement<Omit<HeartbeatTable, 'stale_at' | 'settled'>>()((db, p) =>
  db
    .insertInto('heartbeat')
    .values({
      workspace_id: p.workspace_id,
      task: p.task,
      session_key: p.session_key,
      status: p.status,
      progress: p.progress,
      seen_at: p.seen_at,
      stale_at: null,
      settled: null,
    })
    .onConflict((clash) =>
      clash
        .columns(['workspace_id', 'task'])
        .doUpdateSet({ session_key: p.session_key, status: p.status, progress: p.progress, seen_at: p.seen_at, settled: null }),
    ),
);
const messageByKey = statement<OfWorkspace & { box: string; digest: string }>()((db, p) =>
  db.selectFrom('message').select('arrived_at').where('workspace_id', '=', p.workspaceId).where('box', '=', p.box).where('digest', '=', p.digest),
);
const beats = statement<OfWorkspace>()((db, p) => db.selectFrom('heartbeat').selectAll().where('workspace_id', '=', p.workspaceId).limit(5000));
const liveLabelled = statement<OfWorkspace>()((db, p) =>
  db
    .selectFrom('run')
    .innerJoin('spawn', 'spawn.child_run_id', 'run.id')
    .leftJoin('session', 'session.id', 'run.session_id')
    .select(['spawn.label as label', 'run.session_key as sessionKey', 'run.state as state', 'session.updated_at as seenAt', 'run.started_at as startedAt'])
    .where('run.workspace_id', '=', p.workspaceId)
    .where('run.state', 'in', ['running', 'waiting'])
    .where('spawn.label', 'is not', null)
    .limit(1000),
);

/** After this long without a sign of life it is asked what blocks it, and after this much more it is stopped. */
const NUDGE_WAIT_MS = 180_000;
/** A heartbeat that is older than this tells nothing any more: nobody has waited for the task. */
const HISTORY_MS = 86_400_000;
const SETTLE_MS = 25_000;
const STALE = 'stale';

export interface Due {
  readonly task: TaskView;
  readonly attempt: number;
  /** What the first one to do it was told, where the gateway knows. */
  readonly order: string | null;
}

export interface Tended {
  /** Tasks for which another attempt is to be started. */
  readonly due: readonly Due[];
  readonly submitted: number;
  readonly parked: number;
  /** In progress by their state, and nobody works on them. */
  readonly orphans: readonly string[];
}

export const tendTasks = txOp('tasks.tend', function* (tx, { workspaceId }: OfWorkspace): OpSteps<Tended> {
  const due: Due[] = [];
  const orphans: TaskTable[] = [];
  let [submitted, parked] = [0, 0];
  for (const task of yield* tasksUnderWay(tx, { workspaceId })) {
    const run = yield* runOf(tx, task);
    const written = yield* tx.one(beatOf, { workspaceId, task: task.name });
    const beat = written?.settled === null ? written : undefined;
    if (run && !isTerminal(run.state)) {
      if (task.run_id !== run.id || task.state === 'leased') yield* updateTask(tx, task, { run_id: run.id, state: 'working' }, 'scheduler');
      yield* watch(tx, task, run);
    } else if (
      task.spec === null &&
      (run ? run.state === 'succeeded' : beat !== undefined && saysItIsOver(beat.status) && !/^(fail|error|dead)/i.test(beat.status ?? ''))
    ) {
      yield* updateTask(tx, task, { state: 'submitted' }, 'scheduler', 'its worker says that it is done: a claim');
      yield* retire(tx, task, 'submitted');
      submitted += 1;
    } else if (run?.state === 'cancelled' && run.abort_reason !== STALE) {
      yield* updateTask(tx, task, { state: 'ready', run_id: null }, 'scheduler', 'its run was stopped');
      yield* retire(tx, task, 'stopped');
    } else if (!run && beat && tx.now - beat.seen_at < STALE_AFTER_MS && !saysItIsOver(beat.status)) {
      // somebody works on it whom the gateway does not drive
    } else if (run || (beat && tx.now - beat.seen_at < HISTORY_MS)) {
      const attempt = task.attempts + 1;
      yield* retire(tx, task, 'failed');
      if (attempt >= TASK_ATTEMPTS) {
        yield* park(tx, task, attempt, run, beat);
        parked += 1;
      } else {
        const next = yield* updateTask(tx, task, { attempts: attempt, run_id: null, state: 'leased' }, 'scheduler', 'its worker is gone: another attempt');
        due.push({ task: viewTask(next), attempt: attempt + 1, order: yield* orderOf(tx, task) });
      }
    } else if (task.attempts > 0) due.push({ task: viewTask(task), attempt: task.attempts + 1, order: yield* orderOf(tx, task) });
    else if (tx.now - task.updated_at >= SETTLE_MS) orphans.push(task);
  }
  for (const task of yield* tx.all(blockedNow, { workspaceId })) yield* recheck(tx, task);
  for (const task of yield* tx.all(readyAgain, { workspaceId })) yield* tellReady(tx, task); // its worker was still at it when the work came back
  for (const task of orphans) yield* updateTask(tx, task, { state: 'ready' }, 'scheduler', 'in progress, but nobody works on it');
  if (orphans.length > 0) yield* tellOrphans(tx, workspaceId, orphans);
  return { due, submitted, parked, orphans: orphans.map(({ name }) => name) };
});

/** It is time to look again at what is blocked: its owner is asked, and asked again as long as it stays so. */
function* recheck(tx: Tx, task: TaskTable): OpSteps<void> {
  const blocked = task.blocked === null ? undefined : (JSON.parse(task.blocked) as Blocked); // written by tasks/ops
  if (!blocked || blocked.recheckAt > tx.now) return;
  const { owner, action } = blocked;
  const next = yield* updateTask(tx, task, { blocked: JSON.stringify({ ...blocked, recheckAt: tx.now + RECHECK_MS }) }, 'scheduler', 'looked at again');
  const content = { task: task.name, project: task.project, action, how: `Do it, then: task move ${task.name} ready. Or say what is missing.` };
  yield* wake(tx, next, { box: owner === 'human' ? 'owner' : owner, subject: `Still blocked: ${task.name}`, content, key: `recheck:${task.id}` });
}
const RECHECK_MS = 14_400_000;

function* runOf(tx: Tx, task: TaskTable): OpSteps<RunTable | undefined> {
  const latest = yield* tx.one(runByLabel, { workspaceId: task.workspace_id, label: task.name });
  const isItsOwn = latest !== undefined && (!isTerminal(latest.state) || latest.id === task.run_id || (latest.ended_at ?? 0) >= task.updated_at);
  if (isItsOwn) return latest; // an older one under this name was an earlier attempt
  return task.run_id === null ? undefined : yield* tx.one(runById, { id: task.run_id });
}

function* orderOf(tx: Tx, task: TaskTable): OpSteps<string | null> {
  const spawn = yield* tx.one(orderByLabel, { workspaceId: task.workspace_id, label: task.name });
  return spawn ? (JSON.parse(spawn.request) as SpawnOrder).task : null; // written by requestSpawn
}

function* retire(tx: Tx, { workspace_id: workspaceId, name }: TaskTable, settled: string): OpSteps<void> {
  yield* tx.run(settleBeat, { workspaceId, task: name, settled });
}

/** A run that shows no sign of life is asked first, and stopped when it does not answer. */
function* watch(tx: Tx, task: TaskTable, run: RunTable): OpSteps<void> {
  if (run.state !== 'running' || run.session_id === null) return;
  const seen = (yield* tx.one(sessionSeen, { id: run.session_id }))?.updated_at ?? run.started_at ?? tx.now;
  if (tx.now - seen < STALE_AFTER_MS) return;
  const box = slugOf(task.name);
  const key = `nudge:${run.id}:${seen}`;
  const asked = yield* tx.one(messageByKey, { workspaceId: run.workspace_id, box, digest: `key:${key}` });
  if (!asked) {
    yield* takeMessage(
      tx,
      run.workspace_id,
      noticeOf({
        type: 'request',
        subject: `What blocks you? ${task.name}`,
        content: 'You have shown no progress for 20 minutes. Say what blocks you, or go on.',
        priority: URGENT,
        actor: 'scheduler',
        box,
        key,
        onlyRun: run.id,
        expiresInMs: NUDGE_WAIT_MS,
      }),
    );
  } else if (tx.now - asked.arrived_at > NUDGE_WAIT_MS) yield* stopRuns(tx, [run], 'scheduler', STALE);
}

function* park(tx: Tx, task: TaskTable, attempts: number, run: RunTable | undefined, beat: HeartbeatTable | undefined): OpSteps<void> {
  yield* updateTask(tx, task, { state: 'parked', attempts }, 'scheduler', `parked after ${attempts} attempts`);
  const outcome = run?.outcome == null ? undefined : (JSON.parse(run.outcome) as { text: string; error?: { message: string } }); // written by endRun
  yield* takeMessage(
    tx,
    task.workspace_id,
    noticeOf({
      type: 'escalation',
      subject: `Parked after ${attempts} attempts: ${task.name}`,
      content: {
        task: task.id,
        title: task.title,
        project: task.project,
        lastError: outcome?.error?.message ?? null,
        lastProgress: beat?.progress ?? outcome?.text.slice(0, 2000) ?? null,
      },
      priority: URGENT,
      actor: 'scheduler',
      box: 'coordinator',
      key: `parked:${task.id}:${task.updated_at}`,
      ackByMs: 1_800_000,
    }),
  );
}

function* tellOrphans(tx: Tx, workspaceId: string, orphans: readonly TaskTable[]): OpSteps<void> {
  const names = orphans.map(({ name, project, title }) => ({ name, project, title }));
  yield* takeMessage(
    tx,
    workspaceId,
    noticeOf({
      type: 'notification',
      subject: `${orphans.length} in progress without anybody at work: ready again`,
      content: { tasks: names },
      actor: 'scheduler',
      box: 'task-managers',
      key: `orphans:${tx.now}`,
    }),
  );
}

interface Restart extends OfWorkspace {
  readonly taskId: string;
  readonly attempt: number;
  readonly request: SpawnRequest;
}

const taskById = statement<{ id: string }>()((db, p) => db.selectFrom('task').selectAll().where('id', '=', p.id));

/** Starts another attempt, once, unless somebody has gone on with the task meanwhile. Answers the rule that denied it, or null. */
export const restartTask = txOp('tasks.restart', function* (tx, { taskId, attempt, request }: Restart): OpSteps<string | null> {
  const task = yield* tx.one(taskById, { id: taskId });
  if (task?.state !== 'leased' || task.attempts !== attempt - 1) return null;
  const spawn = yield* requestSpawn.body(tx, request);
  const change = spawn.rule === null ? ({ state: 'working', run_id: spawn.childRunId } as const) : ({ state: 'ready', run_id: null } as const);
  yield* updateTask(tx, task, change, 'scheduler', spawn.rule === null ? `attempt ${attempt}` : `attempt ${attempt} was denied: ${spawn.rule}`);
  return spawn.rule;
});

export interface SeenBeat {
  readonly task: string;
  readonly sessionKey: string | null;
  readonly status: string | null;
  readonly progress: string | null;
  /** When the file changed, epoch ms. */
  readonly seenAt: number;
}

/** What heartbeat files say. A time in the future is now. */
export const noteBeats = txOp('tasks.noteBeats', function* (tx, { workspaceId, seen }: OfWorkspace & { readonly seen: readonly SeenBeat[] }): OpSteps<void> {
  for (const { task, sessionKey, status, progress, seenAt } of seen)
    yield* tx.run(upsertBeat, { workspace_id: workspaceId, task, session_key: sessionKey, status, progress, seen_at: Math.min(seenAt, tx.now) });
});

export interface LiveWork {
  readonly label: string;
  readonly sessionKey: string;
  readonly status: string;
  readonly seenAt: number;
}

/** Sub-agents at work under a name, and the heartbeats whose work is over. */
export const beatsToShow = readOp('tasks.beats', function* (tx, of: OfWorkspace): OpSteps<{ live: LiveWork[]; settled: string[] }> {
  const live = (yield* tx.all(liveLabelled, of)).map(({ label, sessionKey, state, seenAt, startedAt }) => ({
    label: label ?? '',
    sessionKey: sessionKey ?? '',
    status: state === 'waiting' ? 'waiting' : 'running',
    seenAt: Number(seenAt ?? startedAt ?? tx.now),
  }));
  return { live, settled: (yield* tx.all(beats, of)).flatMap(({ task, settled }) => (settled === null ? [] : [task])) };
});
