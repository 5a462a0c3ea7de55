// Asking for runs, looking at them, stopping them.

import { fault } from '../../domain/fault-codes.ts';
import type { LaneName } from '../../domain/lane.ts';
import { isTerminal, type RunInput, type RunKind, type RunView } from '../../domain/run.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { ensureSession } from '../sessions/ops.ts';
import { appendRunEvent, endRun, outcomeWithoutAnswer, queued, running, viewRun, waiting } from './rows.ts';

export interface RunRequest {
  readonly workspaceId: string;
  readonly actor: string;
  /** The client's key. The same key twice is the same run. */
  readonly runKey: string;
  readonly kind?: RunKind;
  /** Null for work that belongs to no conversation. */
  readonly sessionKey: string | null;
  readonly agentId: string;
  readonly lane: LaneName;
  readonly priority: number;
  readonly timeoutMs: number;
  readonly input: RunInput;
}

const runByKey = statement<{ workspaceId: string; runKey: string }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('client_key', '=', p.runKey), row('id', '=', p.runKey)])),
);
const insertRun = statement<Omit<RunRequest, 'input'> & { id: string; kind: RunKind; sessionId: string | null; input: string; now: number }>()((db, p) =>
  db
    .insertInto('run')
    .values({
      id: p.id,
      workspace_id: p.workspaceId,
      client_key: p.runKey,
      kind: p.kind,
      session_id: p.sessionId,
      session_key: p.sessionKey,
      agent_id: p.agentId,
      lane: p.lane,
      priority: p.priority,
      state: queued,
      actor: p.actor,
      input: p.input,
      outcome: null,
      timeout_ms: p.timeoutMs,
      deadline_at: null,
      not_before: p.now,
      queued_at: p.now,
      started_at: null,
      ended_at: null,
      fence: 0,
      worker_id: null,
      lease_until: null,
      deaths: 0,
      abort_reason: null,
      user_seq: null,
    })
    .onConflict((clash) => clash.columns(['workspace_id', 'client_key']).doNothing())
    .returningAll(),
);
export const openRunsOfSession = statement<{ workspaceId: string; sessionKey: string }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('session_key', '=', p.sessionKey)
    .where('state', 'in', [queued, running, waiting])
    .orderBy('queued_at')
    .orderBy('id'),
);
const requestAbort = statement<{ id: string; reason: string }>()((db, p) =>
  db.updateTable('run').set({ abort_reason: p.reason }).where('id', '=', p.id).where('abort_reason', 'is', null),
);
const recentRuns = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db.selectFrom('run').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('queued_at', 'desc').limit(p.limit),
);
const laneCounts = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('lane')
    .select((row) => [
      'lane.name as name',
      'lane.slots as slots',
      row
        .selectFrom('run')
        .select((inner) => inner.fn.countAll<number>().as('n'))
        .whereRef('run.workspace_id', '=', 'lane.workspace_id')
        .whereRef('run.lane', '=', 'lane.name')
        .where('run.state', '=', queued)
        .as('queued'),
      row
        .selectFrom('run')
        .select((inner) => inner.fn.countAll<number>().as('n'))
        .whereRef('run.workspace_id', '=', 'lane.workspace_id')
        .whereRef('run.lane', '=', 'lane.name')
        .where('run.state', '=', running)
        .as('active'),
    ])
    .where('lane.workspace_id', '=', p.workspaceId),
);
const setLane = statement<{ workspaceId: string; name: string; slots: number }>()((db, p) =>
  db
    .insertInto('lane')
    .values({ name: p.name, workspace_id: p.workspaceId, slots: p.slots })
    .onConflict((clash) => clash.columns(['workspace_id', 'name']).doUpdateSet({ slots: p.slots })),
);

/** Queues a run and its session in one step. Asked again with the same key it answers the run there is. */
export const submitRun = txOp('runs.submit', function* (tx, request: RunRequest): OpSteps<Submitted> {
  return yield* enqueueRun(tx, request);
});

export interface Submitted {
  readonly run: RunView;
  readonly created: boolean;
}

/** The same, as a part of another op. */
export function* enqueueRun(tx: Tx, request: RunRequest): OpSteps<Submitted> {
  const { workspaceId, runKey, sessionKey, agentId, kind = 'turn', input } = request;
  const existing = yield* tx.one(runByKey, { workspaceId, runKey });
  if (existing) return { run: viewRun(existing), created: false };
  const session = sessionKey === null ? undefined : yield* ensureSession(tx, { workspaceId, key: sessionKey, agentId });
  if (kind === 'turn' && session && (JSON.parse(session.settings) as SessionSettings).sendPolicy === 'deny') throw fault('session.send_blocked'); // written by chat/ops
  const row = { ...request, kind, id: tx.newId('run'), sessionId: session?.id ?? null, input: JSON.stringify(input), now: tx.now };
  const run = yield* tx.one(insertRun, row);
  if (!run) {
    const other = yield* tx.one(runByKey, { workspaceId, runKey });
    if (!other) throw new Error(`run ${runKey} was not stored`);
    return { run: viewRun(other), created: false };
  }
  yield* appendRunEvent(tx, run, request.actor, { kind: 'run.queued', lane: request.lane });
  return { run: viewRun(run), created: true };
}

export interface AbortRequest {
  readonly workspaceId: string;
  readonly actor: string;
  readonly sessionKey?: string;
  /** A run's key or id; without it all open runs of the session. */
  readonly runKey?: string;
  readonly reason: string;
}

export interface AbortResult {
  /** Keys of the runs that were open. */
  readonly runKeys: readonly string[];
  /** Ids of those a worker must be told about. */
  readonly live: readonly string[];
  /** The named run exists, but in another session. */
  readonly elsewhere: boolean;
}

/** Cancels what is queued at once; asks the worker to stop what runs. Ended runs stay as they are. */
export const abortRuns = txOp('runs.abort', function* (tx, { workspaceId, actor, sessionKey, runKey, reason }: AbortRequest): OpSteps<AbortResult> {
  let open: RunTable[];
  if (runKey === undefined) {
    open = sessionKey === undefined ? [] : yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  } else {
    const run = yield* tx.one(runByKey, { workspaceId, runKey });
    if (run && sessionKey !== undefined && run.session_key !== sessionKey) return { runKeys: [], live: [], elsewhere: true };
    open = run && !isTerminal(run.state) ? [run] : [];
  }
  const live = yield* stopRuns(tx, open, actor, reason);
  return { runKeys: open.map((run) => run.client_key), live, elsewhere: false };
});

/** Ends what is queued or waits, and asks for the end of what runs. Answers the ids of those a worker must be told about. */
export function* stopRuns(tx: Tx, open: readonly RunTable[], actor: string, reason: string): OpSteps<string[]> {
  const live: string[] = [];
  for (const run of open) {
    if (run.state === 'running') {
      yield* tx.run(requestAbort, { id: run.id, reason });
      yield* appendRunEvent(tx, run, actor, { kind: 'run.abort_requested', reason });
      live.push(run.id);
    } else {
      const outcome = outcomeWithoutAnswer('cancelled', { ...run, abort_reason: reason });
      yield* endRun(tx, run, { state: 'cancelled', attempt: 'operator', outcome, actor });
    }
  }
  return live;
}

/** By the client's key or by id. */
export const getRun = readOp('runs.get', function* (tx, args: { workspaceId: string; runKey: string }): OpSteps<RunView | null> {
  const run = yield* tx.one(runByKey, args);
  return run ? viewRun(run) : null;
});

export const listRuns = readOp('runs.list', function* (tx, args: { workspaceId: string; limit: number }): OpSteps<RunView[]> {
  return (yield* tx.all(recentRuns, args)).map(viewRun);
});

export interface LaneLoad {
  readonly name: string;
  readonly slots: number;
  readonly queued: number;
  readonly active: number;
}

export const laneLoads = readOp('runs.lanes', function* (tx, args: { workspaceId: string }): OpSteps<LaneLoad[]> {
  const rows = yield* tx.all(laneCounts, args);
  return rows.map(({ name, slots, queued: waiting, active }) => ({ name, slots, queued: Number(waiting ?? 0), active: Number(active ?? 0) }));
});

/** Makes the lanes' limits those of the configuration. */
export const setLanes = txOp('runs.setLanes', function* (tx, args: { workspaceId: string; slots: Readonly<Record<string, number>> }): OpSteps<void> {
  for (const [name, slots] of Object.entries(args.slots)) yield* tx.run(setLane, { workspaceId: args.workspaceId, name, slots });
});
