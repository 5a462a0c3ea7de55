// What a worker does with runs: claim, renew, record, finish, hand back. Every write carries the fence.

import { sql } from 'kysely';
import { fault } from '../../domain/fault-codes.ts';
import { LEASE_MS, type RunInput, type RunOutcome, type TerminalState } from '../../domain/run.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import type { EntryBody } from '../../domain/transcript.ts';
import { type OpSteps, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { appendEntries } from '../sessions/ops.ts';
import { tellSystemEvents } from '../sessions/system-events.ts';
import { appendRunEvent, endRun, outcomeWithoutAnswer, queued, runById, running, settleDeadAttempt, waiting } from './rows.ts';

interface Claimed {
  readonly workspaceId: string;
  readonly runId: string;
  readonly runKey: string;
  readonly fence: number;
  readonly agentId: string;
  readonly input: RunInput;
  readonly deadlineAt: number;
  readonly timeoutMs: number;
  readonly attempt: number;
}

/** A claimed turn of a conversation, with all a worker needs to begin. */
export interface TurnAssignment extends Claimed {
  readonly work: 'turn';
  readonly sessionId: string;
  readonly sessionKey: string;
  readonly settings: SessionSettings;
  readonly modelOverride: string | null;
  /** First sequence of the log that the model is shown. */
  readonly contextFrom: number;
  /** Last sequence of the session's log at the claim. */
  readonly lastSeq: number;
}

/** A claimed call of one tool, without a model. */
export interface ToolAssignment extends Claimed {
  readonly work: 'tool';
}

export type Assignment = TurnAssignment | ToolAssignment;

const lanes = statement<{ workspaceId: string }>()((db, p) => db.selectFrom('lane').select(['name', 'slots']).where('workspace_id', '=', p.workspaceId));
const countActive = statement<{ workspaceId: string; lane: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('workspace_id', '=', p.workspaceId)
    .where('lane', '=', p.lane)
    .where('state', '=', running),
);
/** The heads of their sessions' queues, best first: due, with no turn of their session under way. */
const claimable = statement<{ workspaceId: string; lane: string; now: number; limit: number }>()((db, p) =>
  db
    .selectFrom('run as r')
    .select('r.id')
    .where('r.state', '=', queued)
    .where('r.workspace_id', '=', p.workspaceId)
    .where('r.lane', '=', p.lane)
    .where('r.not_before', '<=', p.now)
    .where((row) =>
      row.not(
        row.exists(
          row
            .selectFrom('run as busy')
            .select('busy.id')
            .whereRef('busy.workspace_id', '=', 'r.workspace_id')
            .whereRef('busy.session_key', '=', 'r.session_key')
            .where('busy.state', 'in', [running, waiting]),
        ),
      ),
    )
    .where((row) =>
      row.not(
        row.exists(
          row
            .selectFrom('run as earlier')
            .select('earlier.id')
            .whereRef('earlier.workspace_id', '=', 'r.workspace_id')
            .whereRef('earlier.session_key', '=', 'r.session_key')
            .where('earlier.state', '=', queued)
            .where(sql<boolean>`(earlier.queued_at, earlier.id) < (r.queued_at, r.id)`),
        ),
      ),
    )
    .orderBy('r.priority', 'desc')
    .orderBy('r.queued_at')
    .orderBy('r.id')
    .limit(p.limit),
);
const takeRun = statement<{ id: string; workerId: string; until: number; now: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({
      state: running,
      worker_id: p.workerId,
      lease_until: p.until,
      fence: row('fence', '+', 1),
      started_at: sql<number>`coalesce(started_at, ${p.now})`,
      deadline_at: sql<number>`coalesce(deadline_at, ${p.now} + timeout_ms)`,
    }))
    .where('id', '=', p.id)
    .where('state', '=', queued)
    .returningAll(),
);
const setUserSeq = statement<{ id: string; seq: number }>()((db, p) => db.updateTable('run').set({ user_seq: p.seq }).where('id', '=', p.id));
const insertAttempt = statement<{ id: string; runId: string; workspaceId: string; fence: number; workerId: string; now: number }>()((db, p) =>
  db.insertInto('attempt').values({
    id: p.id,
    run_id: p.runId,
    workspace_id: p.workspaceId,
    fence: p.fence,
    worker_id: p.workerId,
    started_at: p.now,
    ended_at: null,
    ended: null,
  }),
);
const sessionOfRun = statement<{ id: string }>()((db, p) =>
  db.selectFrom('session').select(['id', 'key', 'last_seq', 'model_override', 'settings', 'context_from']).where('id', '=', p.id),
);
const extendLease = statement<{ id: string; fence: number; until: number }>()((db, p) =>
  db
    .updateTable('run')
    .set({ lease_until: p.until })
    .where('id', '=', p.id)
    .where('fence', '=', p.fence)
    .where('state', '=', running)
    .returning(['id', 'abort_reason']),
);
const overdue = statement<{ workspaceId: string; now: number; deadline: number }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', running)
    .where((row) => row.or([row('lease_until', '<', p.now), row('deadline_at', '<', p.deadline)])),
);
const anyRunning = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('run').select('id').where('workspace_id', '=', p.workspaceId).where('state', '=', running).limit(1),
);
const liveOfWorker = statement<{ workerId: string }>()((db, p) =>
  db.selectFrom('run').selectAll().where('worker_id', '=', p.workerId).where('state', 'in', [running, waiting]),
);

/** Leases up to `slots` runs to the worker, within the lanes' limits and one turn per session. */
export const claimRuns = txOp(
  'runs.claim',
  function* (tx, { workspaceId, workerId, slots }: { workspaceId: string; workerId: string; slots: number }): OpSteps<Assignment[]> {
    const claimed: Assignment[] = [];
    for (const lane of yield* tx.all(lanes, { workspaceId })) {
      if (claimed.length >= slots) break;
      yield* tx.lock(`lane:${lane.name}`);
      const active = Number((yield* tx.one(countActive, { workspaceId, lane: lane.name }))?.count ?? 0);
      const limit = Math.min(lane.slots - active, slots - claimed.length);
      if (limit <= 0) continue;
      for (const { id } of yield* tx.all(claimable, { workspaceId, lane: lane.name, now: tx.now, limit })) {
        const run = yield* tx.one(takeRun, { id, workerId, until: tx.now + LEASE_MS, now: tx.now });
        if (run) claimed.push(yield* beginAttempt(tx, run, workerId));
      }
    }
    return claimed;
  },
  { worker: true },
);

function* beginAttempt(tx: Tx, run: RunTable, workerId: string): OpSteps<Assignment> {
  const input = JSON.parse(run.input) as RunInput; // written by submitRun
  if (run.session_id !== null && run.user_seq === null) {
    const { message, attachments } = input;
    const news = yield* tellSystemEvents(tx, { workspaceId: run.workspace_id, sessionKey: run.session_key ?? '', runId: run.id });
    const text = news === '' ? message : `${news}\n\n${message}`;
    const seq = yield* appendEntries(tx, run.session_id, run.id, [{ kind: 'user', text, ...(attachments && { attachments }) }]);
    yield* tx.run(setUserSeq, { id: run.id, seq });
  }
  const attempt = Math.ceil(run.fence / 2);
  yield* tx.run(insertAttempt, { id: tx.newId('att'), runId: run.id, workspaceId: run.workspace_id, fence: run.fence, workerId, now: tx.now });
  yield* appendRunEvent(tx, run, `worker:${workerId}`, { kind: 'run.started', attempt, worker: workerId });
  const claimed: Claimed = {
    workspaceId: run.workspace_id,
    runId: run.id,
    runKey: run.client_key,
    fence: run.fence,
    agentId: run.agent_id,
    input,
    deadlineAt: run.deadline_at ?? tx.now + run.timeout_ms,
    timeoutMs: run.timeout_ms,
    attempt,
  };
  const session = run.session_id === null ? undefined : yield* tx.one(sessionOfRun, { id: run.session_id });
  if (!session) return { ...claimed, work: 'tool' };
  return {
    ...claimed,
    work: 'turn',
    sessionId: session.id,
    sessionKey: session.key,
    settings: JSON.parse(session.settings) as SessionSettings, // written by patchSession
    modelOverride: session.model_override,
    contextFrom: session.context_from,
    lastSeq: session.last_seq,
  };
}

export interface Held {
  readonly runId: string;
  readonly fence: number;
}

/** Extends the leases of everything the worker drives; says which it no longer holds and which it must stop. */
export const renewLeases = txOp(
  'runs.renew',
  function* (tx, { held }: { held: readonly Held[] }): OpSteps<{ stale: string[]; aborted: string[] }> {
    const stale: string[] = [];
    const aborted: string[] = [];
    for (const { runId, fence } of held) {
      const row = yield* tx.one(extendLease, { id: runId, fence, until: tx.now + LEASE_MS });
      if (!row) stale.push(runId);
      else if (row.abort_reason !== null) aborted.push(runId);
    }
    return { stale, aborted };
  },
  { worker: true },
);

function* heldRun(tx: Tx, { runId, fence }: Held): OpSteps<RunTable> {
  const run = yield* tx.one(runById, { id: runId });
  if (run?.fence !== fence || run.state !== 'running') throw fault('lease.stale', { run: runId });
  return run;
}

function sessionIdOf({ session_id, id }: RunTable): string {
  if (session_id === null) throw new Error(`run ${id} has no session to write to`);
  return session_id;
}

/** Appends finished steps to the transcript. Returns the sequence of the first entry. */
export const recordStep = txOp(
  'runs.record',
  function* (tx, { entries, ...held }: Held & { entries: readonly EntryBody[] }): OpSteps<number> {
    const run = yield* heldRun(tx, held);
    const first = yield* appendEntries(tx, sessionIdOf(run), run.id, entries);
    yield* appendRunEvent(tx, run, `worker:${run.worker_id ?? ''}`, { kind: 'run.step', entries: entries.map(({ kind }, i) => ({ seq: first + i, kind })) });
    return first;
  },
  { worker: true },
);

interface Finish extends Held {
  readonly state: Exclude<TerminalState, 'lost'>;
  readonly outcome: RunOutcome;
  readonly entries: readonly EntryBody[];
}

/** Last entries and terminal state in one transaction. A requested abort wins over success. */
export const finishRun = txOp(
  'runs.finish',
  function* (tx, { state, outcome, entries, ...held }: Finish): OpSteps<number> {
    const run = yield* heldRun(tx, held);
    const first = entries.length > 0 ? yield* appendEntries(tx, sessionIdOf(run), run.id, entries) : 0;
    const end = run.abort_reason === null ? { state, outcome } : { state: 'cancelled' as const, outcome: { ...outcome, stopReason: run.abort_reason } };
    yield* endRun(tx, run, { ...end, attempt: 'done', actor: `worker:${run.worker_id ?? ''}` });
    return first;
  },
  { worker: true },
);

/** Gives a run back unfinished (drain): the next worker goes on from its last durable step. */
export const releaseRun = txOp(
  'runs.release',
  function* (tx, held: Held): OpSteps<void> {
    yield* settleDeadAttempt(tx, yield* heldRun(tx, held), 'drained', 'drain');
  },
  { worker: true },
);

const DEADLINE_GRACE_MS = 5000;

/** Ends attempts whose lease ran out and runs past their deadline. Answers the workers that held them, and whether nothing is under way. */
export const reapRuns = txOp('runs.reap', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<{ hung: string[]; isIdle: boolean }> {
  const workers = new Set<string>();
  for (const run of yield* tx.all(overdue, { workspaceId, now: tx.now, deadline: tx.now - DEADLINE_GRACE_MS })) {
    if (run.worker_id !== null) workers.add(run.worker_id);
    if (run.deadline_at !== null && run.deadline_at <= tx.now) {
      yield* endRun(tx, run, { state: 'timed_out', attempt: 'expired', outcome: outcomeWithoutAnswer('timed_out', run), actor: 'reaper' });
    } else {
      yield* settleDeadAttempt(tx, run, 'expired', 'reaper');
    }
  }
  return { hung: [...workers], isIdle: (yield* tx.one(anyRunning, { workspaceId })) === undefined };
});

/** Ends every attempt of a worker that is gone. */
export function* settleWorker(tx: Tx, workerId: string, end: 'died' | 'drained' | 'gateway_restart'): OpSteps<number> {
  const runs = yield* tx.all(liveOfWorker, { workerId });
  for (const run of runs) yield* settleDeadAttempt(tx, run, end, `worker:${workerId}`);
  return runs.length;
}
