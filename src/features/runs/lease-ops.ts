// What a worker does with the runs it holds: renew, record, stand still, finish, hand back. Every write carries the fence.

import type { Charge } from '../../domain/budget.ts';
import { fault } from '../../domain/fault-codes.ts';
import { isTerminal, LEASE_MS, type RunOutcome, type TerminalState } from '../../domain/run.ts';
import type { CompactionEntry, EntryBody } from '../../domain/transcript.ts';
import type { Wait } from '../../domain/wait.ts';
import { type OpSteps, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { appendEvent } from '../events/ops.ts';
import { hasUrgentMail, tellUrgentMail } from '../inbox/mail.ts';
import { appendEntries } from '../sessions/ops.ts';
import { markResultTold } from '../sessions/system-events.ts';
import { noteCharges, type Reservation, type Reserved, reserve } from '../usage/ledger.ts';
import { resumeRun, waitOn } from '../waits/ops.ts';
import { endAttempt, endRun, outcomeWithoutAnswer, settleDeadAttempt } from './end.ts';
import { appendRunEvent, runById } from './rows.ts';

const extendLease = statement<{ id: string; fence: number; until: number }>()((db, p) =>
  db
    .updateTable('run')
    .set({ lease_until: p.until })
    .where('id', '=', p.id)
    .where('fence', '=', p.fence)
    .where('state', '=', 'running')
    .returning(['id', 'abort_reason']),
);
const overdue = statement<{ workspaceId: string; now: number; deadline: number }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'running')
    .where((row) => row.or([row('lease_until', '<', p.now), row('deadline_at', '<', p.deadline)])),
);
const anyRunning = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('run').select('id').where('workspace_id', '=', p.workspaceId).where('state', 'in', ['running', 'waiting']).limit(1),
);
const waitedEnough = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select(['id', 'workspace_id', 'session_key', 'client_key'])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'waiting')
    .where('wait_until', '<', p.now),
);
const liveOfWorker = statement<{ workerId: string }>()((db, p) =>
  db.selectFrom('run').selectAll().where('worker_id', '=', p.workerId).where('state', 'in', ['running', 'waiting']),
);

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

/** The run that a worker holds. @throws Fault `lease.stale` */
export function* heldRun(tx: Tx, { runId, fence }: Held): OpSteps<RunTable> {
  const run = yield* tx.one(runById, { id: runId });
  if (run?.fence !== fence || run.state !== 'running') throw fault('lease.stale', { run: runId });
  return run;
}

function sessionIdOf({ session_id, id }: RunTable): string {
  if (session_id === null) throw new Error(`run ${id} has no session to write to`);
  return session_id;
}

/** Model calls that were made since the last step, and the calendar day they count for. */
interface Spent {
  readonly charges?: readonly Charge[];
  readonly day?: string;
}

interface RecordedStep extends Held, Spent {
  readonly entries: readonly EntryBody[];
  /** Ids of runs whose results these entries tell. */
  readonly tells?: readonly string[];
}

/** What was written, and whether somebody has something to say that cannot wait for the end of the turn. */
export interface Recorded {
  readonly first: number;
  readonly hasMail: boolean;
}

/** Appends finished steps to the transcript. */
export const recordStep = txOp(
  'runs.record',
  function* (tx, { entries, tells = [], charges = [], day = '', ...held }: RecordedStep): OpSteps<Recorded> {
    const run = yield* heldRun(tx, held);
    if (charges.length > 0) yield* noteCharges(tx, run, day, charges);
    const first = yield* appendEntries(tx, sessionIdOf(run), run.id, entries);
    for (const resultOf of tells) yield* markResultTold(tx, { resultOf, runId: run.id });
    yield* appendRunEvent(tx, run, `worker:${run.worker_id ?? ''}`, { kind: 'run.step', entries: entries.map(({ kind }, i) => ({ seq: first + i, kind })) });
    return { first, hasMail: yield* hasUrgentMail(tx, run) };
  },
  { worker: true },
);

/** Puts urgent mail into the transcript between two steps. Answers the entry, or null when there is none any more. */
export const takeUrgentMail = txOp(
  'runs.mail',
  function* (tx, held: Held): OpSteps<{ first: number; entry: EntryBody } | null> {
    const run = yield* heldRun(tx, held);
    const text = yield* tellUrgentMail(tx, run);
    if (text === '') return null;
    const entry: EntryBody = { kind: 'user', text };
    const first = yield* appendEntries(tx, sessionIdOf(run), run.id, [entry]);
    yield* appendRunEvent(tx, run, `worker:${run.worker_id ?? ''}`, { kind: 'run.step', entries: [{ seq: first, kind: 'user' }] });
    return { first, entry };
  },
  { worker: true },
);

const showFrom = statement<{ id: string; from: number }>()((db, p) => db.updateTable('session').set({ context_from: p.from }).where('id', '=', p.id));

/** Puts a summary in the place of the older part of the conversation: a step of its own, done once. */
export const recordSummary = txOp(
  'runs.summarise',
  function* (tx, { entry, charges = [], day = '', ...held }: Held & Spent & { entry: CompactionEntry }): OpSteps<number> {
    const run = yield* heldRun(tx, held);
    yield* noteCharges(tx, run, day, charges);
    const sessionId = sessionIdOf(run);
    const seq = yield* appendEntries(tx, sessionId, run.id, [entry]);
    yield* tx.run(showFrom, { id: sessionId, from: entry.keptFrom });
    yield* appendRunEvent(tx, run, `worker:${run.worker_id ?? ''}`, { kind: 'run.step', entries: [{ seq, kind: entry.kind }] });
    return seq;
  },
  { worker: true },
);

interface Finish extends Held, Spent {
  readonly state: Exclude<TerminalState, 'lost'>;
  readonly outcome: RunOutcome;
  readonly entries: readonly EntryBody[];
}

/** Last entries and terminal state in one transaction. A requested abort wins over success. */
export const finishRun = txOp(
  'runs.finish',
  function* (tx, { state, outcome, entries, charges = [], day = '', ...held }: Finish): OpSteps<number> {
    const run = yield* heldRun(tx, held);
    yield* noteCharges(tx, run, day, charges);
    const first = entries.length > 0 ? yield* appendEntries(tx, sessionIdOf(run), run.id, entries) : 0;
    const end = run.abort_reason === null ? { state, outcome } : { state: 'cancelled' as const, outcome: { ...outcome, stopReason: run.abort_reason } };
    yield* endRun(tx, run, { ...end, attempt: 'done', actor: `worker:${run.worker_id ?? ''}` });
    return first;
  },
  { worker: true },
);

/** Sets aside what the next model call may cost, or answers which budget is used up. */
export const reserveCall = txOp(
  'runs.reserve',
  function* (tx, { wanted, ...held }: Held & { wanted: Reservation }): OpSteps<Reserved> {
    return yield* reserve(tx, yield* heldRun(tx, held), wanted);
  },
  { worker: true },
);

const standStill = statement<Held & { wait: string; since: number; until: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({
      state: 'waiting',
      worker_id: null,
      lease_until: null,
      wait: p.wait,
      wait_since: p.since,
      wait_until: p.until,
      fence: row('fence', '+', 1),
    }))
    .where('id', '=', p.runId)
    .where('fence', '=', p.fence),
);

/**
 * Lets a run stand still until what it waits for is settled. It gives back its slot and its worker, and keeps its session.
 * Answers false when something it waits for is settled already: then it goes on at once.
 */
export const suspendRun = txOp(
  'runs.suspend',
  function* (tx, { wait, ...held }: Held & { wait: Wait }): OpSteps<boolean> {
    const run = yield* heldRun(tx, held);
    if (run.abort_reason !== null) return false;
    const open: string[] = [];
    for (const target of wait.on) if (yield* isOpen(tx, target)) open.push(target);
    if (open.length === 0 || (!wait.all && open.length < wait.on.length)) return false;
    yield* waitOn(tx, run, open);
    yield* tx.run(standStill, { ...held, wait: JSON.stringify(wait), since: tx.now, until: wait.until });
    yield* tx.run(endAttempt, { runId: run.id, ended: 'waited', now: tx.now });
    yield* appendRunEvent(tx, run, `worker:${run.worker_id ?? ''}`, { kind: 'run.waiting', for: wait.for, on: open });
    if (wait.for === 'budget') yield* sayThatItWaits(tx, run, open);
    return true;
  },
  { worker: true },
);

/** The one who talks to the agent is told why there is no answer. */
function* sayThatItWaits(tx: Tx, run: RunTable, open: readonly string[]): OpSteps<void> {
  if (run.session_id === null) return;
  const budgets = open.map((target) => target.slice('budget:'.length)).join(', ');
  const text = `I wait for money: the budget ${budgets} is used up. /fund 2.50 adds to it for today, /stop ends this.`;
  yield* appendEntries(tx, run.session_id, run.id, [{ kind: 'note', text }]);
  const place = { workspaceId: run.workspace_id, stream: `session:${run.session_id}`, actor: `run:${run.id}`, sessionKey: run.session_key };
  yield* appendEvent(tx, { ...place, body: { kind: 'session.said', text } });
}

function* isOpen(tx: Tx, target: string): OpSteps<boolean> {
  const id = target.slice(target.indexOf(':') + 1);
  if (target.startsWith('run:')) {
    const run = yield* tx.one(runById, { id });
    return run !== undefined && !isTerminal(run.state);
  }
  if (target.startsWith('approval:')) return (yield* tx.one(openApproval, { id })) !== undefined;
  return (yield* tx.one(openQuestion, { owner: target })) !== undefined;
}
const openQuestion = statement<{ owner: string }>()((db, p) =>
  db.selectFrom('approval').select('id').where('owner', '=', p.owner).where('state', '=', 'pending').limit(1),
);
const openApproval = statement<{ id: string }>()((db, p) => db.selectFrom('approval').select('id').where('id', '=', p.id).where('state', '=', 'pending'));

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
  for (const { id } of yield* tx.all(overdue, { workspaceId, now: tx.now, deadline: tx.now - DEADLINE_GRACE_MS })) {
    const run = yield* tx.one(runById, { id }); // the end of an earlier one may have ended it, or asked for its end
    if (run?.state !== 'running') continue;
    if (run.worker_id !== null) workers.add(run.worker_id);
    if (run.deadline_at !== null && run.deadline_at <= tx.now) {
      yield* endRun(tx, run, { state: 'timed_out', attempt: 'expired', outcome: outcomeWithoutAnswer('timed_out', run), actor: 'reaper' });
    } else {
      yield* settleDeadAttempt(tx, run, 'expired', 'reaper');
    }
  }
  for (const run of yield* tx.all(waitedEnough, { workspaceId, now: tx.now })) yield* resumeRun(tx, run, 'deadline of the wait');
  return { hung: [...workers], isIdle: (yield* tx.one(anyRunning, { workspaceId })) === undefined };
});

/** Ends every attempt of a worker that is gone. */
export function* settleWorker(tx: Tx, workerId: string, end: 'died' | 'drained' | 'gateway_restart'): OpSteps<number> {
  const runs = yield* tx.all(liveOfWorker, { workerId });
  for (const { id } of runs) {
    const run = yield* tx.one(runById, { id }); // the end of an earlier one may have ended it, or asked for its end
    if (run?.worker_id === workerId && !isTerminal(run.state)) yield* settleDeadAttempt(tx, run, end, `worker:${workerId}`);
  }
  return runs.length;
}
