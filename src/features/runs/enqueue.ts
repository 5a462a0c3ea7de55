// How a run comes into its lane: once per key, with its session, at its fair place, or refused where too much waits already.

import { sql } from 'kysely';
import { fault } from '../../domain/fault-codes.ts';
import { fairTag, type LaneName, queueBound } from '../../domain/lane.ts';
import type { ChildPolicy, RunInput, RunKind, RunView } from '../../domain/run.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { LaneTable } from '../../ports/tables.ts';
import { ensureSession } from '../sessions/ops.ts';
import { appendRunEvent, runByKey, viewRun } from './rows.ts';

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
  /** Decided by the caller where others must know it before. */
  readonly id?: string;
  /** Its place in a tree of work; without it the run is the root of a new tree. */
  readonly parent?: { readonly runId: string | null; readonly rootId: string; readonly depth: number; readonly childPolicy: ChildPolicy };
  readonly role?: string | null;
  readonly jobId?: string | null;
  /** Not before this instant, epoch ms. */
  readonly notBefore?: number;
  /** Its place in the queue of its session, epoch ms, where that is not now. */
  readonly queuedAt?: number;
}

export interface Submitted {
  readonly run: RunView;
  readonly created: boolean;
}

interface NewRun extends Omit<RunRequest, 'input' | 'parent' | 'role' | 'jobId' | 'queuedAt'> {
  readonly id: string;
  readonly kind: RunKind;
  readonly sessionId: string | null;
  readonly input: string;
  readonly now: number;
  readonly notBefore: number;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly depth: number;
  readonly childPolicy: ChildPolicy | null;
  readonly role: string | null;
  readonly jobId: string | null;
  readonly tag: number;
}

const insertRun = statement<NewRun>()((db, p) =>
  db
    .insertInto('run')
    .values({
      ...pick(p, 'id', 'kind', 'lane', 'priority', 'actor', 'input', 'depth', 'role'),
      workspace_id: p.workspaceId,
      client_key: p.runKey,
      session_id: p.sessionId,
      session_key: p.sessionKey,
      agent_id: p.agentId,
      state: 'queued',
      outcome: null,
      timeout_ms: p.timeoutMs,
      deadline_at: null,
      not_before: p.notBefore,
      queued_at: p.now,
      started_at: null,
      ended_at: null,
      fence: 0,
      worker_id: null,
      lease_until: null,
      deaths: 0,
      abort_reason: null,
      user_seq: null,
      root_id: p.rootId,
      parent_id: p.parentId,
      child_policy: p.childPolicy,
      job_id: p.jobId,
      fair_tag: p.tag,
      wait: null,
      wait_since: null,
      wait_until: null,
      collected_by: null,
      spent_micros: 0,
      spent_tokens: 0,
    })
    .onConflict((clash) => clash.columns(['workspace_id', 'client_key']).doNothing())
    .returningAll(),
);
const laneState = statement<{ workspaceId: string; lane: string }>()((db, p) =>
  db.selectFrom('lane').select(['fair_clock', 'longest_queue']).where('workspace_id', '=', p.workspaceId).where('name', '=', p.lane),
);
const latestOfTree = statement<{ workspaceId: string; lane: string; rootId: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => row.fn.max('fair_tag').as('tag'))
    .where('workspace_id', '=', p.workspaceId)
    .where('lane', '=', p.lane)
    .where('root_id', '=', p.rootId)
    .where('state', '=', 'queued'),
);
/** Whether more than `bound` runs wait in a lane; looks at no more than that. */
const overBound = statement<{ workspaceId: string; lane: string; bound: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select('id')
    .where('workspace_id', '=', p.workspaceId)
    .where('lane', '=', p.lane)
    .where('state', '=', 'queued')
    .orderBy('fair_tag')
    .orderBy('queued_at')
    .orderBy('id')
    .limit(1)
    .offset(sql<number>`${p.bound}`),
);

type LaneState = Pick<LaneTable, 'fair_clock' | 'longest_queue'>;

/** Whether a lane takes one more run of this priority. */
export function* hasRoom(tx: Tx, { workspaceId, lane, priority }: Pick<RunRequest, 'workspaceId' | 'lane' | 'priority'>): OpSteps<boolean> {
  return yield* hasRoomIn(tx, yield* tx.one(laneState, { workspaceId, lane }), { workspaceId, lane, priority });
}

function* hasRoomIn(
  tx: Tx,
  state: LaneState | undefined,
  { workspaceId, lane, priority }: Pick<RunRequest, 'workspaceId' | 'lane' | 'priority'>,
): OpSteps<boolean> {
  return state === undefined || (yield* tx.one(overBound, { workspaceId, lane, bound: queueBound(priority, state.longest_queue) })) === undefined;
}

/** Queues a run and its session. Asked again with the same key it answers the run there is. @throws Fault `session.send_blocked`, `lane.full` */
export function* enqueueRun(tx: Tx, request: RunRequest): OpSteps<Submitted> {
  const { workspaceId, runKey, sessionKey, agentId, lane, priority, kind = 'turn', input, parent, role = null, jobId = null } = request;
  const existing = yield* tx.one(runByKey, { workspaceId, runKey });
  if (existing) return { run: viewRun(existing), created: false };
  const session = sessionKey === null ? undefined : yield* ensureSession(tx, { workspaceId, key: sessionKey, agentId });
  if (kind === 'turn' && session && (JSON.parse(session.settings) as SessionSettings).sendPolicy === 'deny') throw fault('session.send_blocked'); // written by chat/ops
  const id = request.id ?? tx.newId('run');
  const rootId = parent?.rootId ?? id;
  const state = yield* tx.one(laneState, { workspaceId, lane });
  if (!(yield* hasRoomIn(tx, state, request))) throw fault('lane.full', { lane });
  const latest = parent ? yield* tx.one(latestOfTree, { workspaceId, lane, rootId }) : undefined;
  const run = yield* tx.one(insertRun, {
    ...request,
    id,
    kind,
    sessionId: session?.id ?? null,
    input: JSON.stringify(input),
    now: request.queuedAt ?? tx.now,
    notBefore: request.notBefore ?? tx.now,
    rootId,
    parentId: parent?.runId ?? null,
    depth: parent?.depth ?? 0,
    childPolicy: parent?.childPolicy ?? null,
    role,
    jobId,
    tag: fairTag({ clock: state?.fair_clock ?? 0, latestOfTree: latest?.tag ?? null, priority }),
  });
  if (!run) {
    const other = yield* tx.one(runByKey, { workspaceId, runKey });
    if (!other) throw new Error(`run ${runKey} was not stored`);
    return { run: viewRun(other), created: false };
  }
  yield* appendRunEvent(tx, run, request.actor, { kind: 'run.queued', lane });
  return { run: viewRun(run), created: true };
}
