// Asking for runs, looking at them, stopping them.

import { fault } from '../../domain/fault-codes.ts';
import { type QueueSettings, queueFor } from '../../domain/queue-mode.ts';
import { isTerminal, type RunView } from '../../domain/run.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { byKey } from '../sessions/ops.ts';
import { admitMessage } from './collect.ts';
import { stopRuns } from './end.ts';
import { enqueueRun, type RunRequest, type Submitted } from './enqueue.ts';
import { openRunsOfSession, runById, runByKey, toolsOf, viewRun } from './rows.ts';

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
        .where('run.state', '=', 'queued')
        .as('queued'),
      row
        .selectFrom('run')
        .select((inner) => inner.fn.countAll<number>().as('n'))
        .whereRef('run.workspace_id', '=', 'lane.workspace_id')
        .whereRef('run.lane', '=', 'lane.name')
        .where('run.state', '=', 'running')
        .as('active'),
    ])
    .where('lane.workspace_id', '=', p.workspaceId)
    .where('lane.name', 'not like', 'role:%'),
);
const setLane = statement<{ workspaceId: string; name: string; slots: number; longestQueue: number }>()((db, p) =>
  db
    .insertInto('lane')
    .values({ name: p.name, workspace_id: p.workspaceId, slots: p.slots, fair_clock: 0, longest_queue: p.longestQueue })
    .onConflict((clash) => clash.columns(['workspace_id', 'name']).doUpdateSet({ slots: p.slots, longest_queue: p.longestQueue })),
);
const dropLane = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db.deleteFrom('lane').where('workspace_id', '=', p.workspaceId).where('name', '=', p.name),
);
const laneNames = statement<{ workspaceId: string }>()((db, p) => db.selectFrom('lane').select('name').where('workspace_id', '=', p.workspaceId));

/** Queues a run and its session in one step. Asked again with the same key it answers the run there is. */
export const submitRun = txOp('runs.submit', function* (tx, request: RunRequest): OpSteps<Submitted> {
  return yield* enqueueRun(tx, request);
});

export interface Message extends RunRequest {
  readonly sessionKey: string;
  /** How messages wait where the session says nothing else. */
  readonly queue: QueueSettings;
}

/** The same for a message of a person to a session that may be busy. @throws Fault `session.queue_full` */
export const submitMessage = txOp('runs.submitMessage', takeMessage);

export function* takeMessage(tx: Tx, { queue: defaults, ...request }: Message): OpSteps<Submitted> {
  const { workspaceId, sessionKey, runKey, actor } = request;
  if (yield* tx.one(runByKey, { workspaceId, runKey })) return yield* enqueueRun(tx, request);
  const session = yield* tx.one(byKey, { workspaceId, key: sessionKey });
  const queue = queueFor(defaults, session ? (JSON.parse(session.settings) as SessionSettings) : {}); // written by patchSession
  const notBefore = yield* admitMessage(tx, { workspaceId, sessionKey, actor, queue });
  const input = queue.mode === 'collect' ? { ...request.input, collect: { cap: queue.cap } } : request.input;
  return yield* enqueueRun(tx, { ...request, input, notBefore });
}

interface NestedRequest extends Omit<RunRequest, 'kind' | 'lane' | 'parent'> {
  readonly parentRunId: string;
}

/** A message of one agent to the session of another, as a part of the sender's tree of work. */
export const submitNested = txOp(
  'runs.submitNested',
  function* (tx, { parentRunId, ...request }: NestedRequest): OpSteps<Submitted> {
    const parent = yield* tx.one(runById, { id: parentRunId });
    if (!parent) throw fault('run.not_found', { id: parentRunId });
    const place = { runId: parent.id, rootId: parent.root_id, depth: parent.depth, childPolicy: 'adopt' } as const;
    const input = { ...request.input, ...toolsOf(parent) };
    return yield* enqueueRun(tx, { ...request, input, kind: 'nested', lane: 'nested', parent: place });
  },
  { worker: true },
);

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
  /** The named run exists, but in another session. */
  readonly elsewhere: boolean;
}

/** Cancels what is queued or waits at once; asks the worker to stop what runs. Ended runs stay as they are. */
export const abortRuns = txOp('runs.abort', function* (tx, { workspaceId, actor, sessionKey, runKey, reason }: AbortRequest): OpSteps<AbortResult> {
  let open: RunTable[];
  if (runKey === undefined) {
    open = sessionKey === undefined ? [] : yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  } else {
    const run = yield* tx.one(runByKey, { workspaceId, runKey });
    if (run && sessionKey !== undefined && run.session_key !== sessionKey) return { runKeys: [], elsewhere: true };
    open = run && !isTerminal(run.state) ? [run] : [];
  }
  yield* stopRuns(tx, open, actor, reason);
  return { runKeys: open.map((run) => run.client_key), elsewhere: false };
});

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

export const laneLoads = readOp(
  'runs.lanes',
  function* (tx, args: { workspaceId: string }): OpSteps<LaneLoad[]> {
    const rows = yield* tx.all(laneCounts, args);
    return rows.map(({ name, slots, queued: inQueue, active }) => ({ name, slots, queued: Number(inQueue ?? 0), active: Number(active ?? 0) }));
  },
  { worker: true },
);

interface LaneLimits {
  readonly workspaceId: string;
  readonly slots: Readonly<Record<string, number>>;
  readonly longestQueue?: number;
}

/** Makes the lanes' limits those of the configuration. */
export const setLanes = txOp('runs.setLanes', function* (tx, { workspaceId, slots, longestQueue = 10_000 }: LaneLimits): OpSteps<void> {
  for (const { name } of yield* tx.all(laneNames, { workspaceId })) if (!(name in slots)) yield* tx.run(dropLane, { workspaceId, name });
  for (const [name, count] of Object.entries(slots)) yield* tx.run(setLane, { workspaceId, name, slots: count, longestQueue });
});
