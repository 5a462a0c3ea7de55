// The one way to a run's end, and everything that follows from it in the same transaction: who hears of it, who goes on, who is stopped.

import { sql } from 'kysely';
import { fault } from '../../domain/fault-codes.ts';
import { type AttemptEnd, decideAfterAttempt, isTerminal, type RunInput, type RunOutcome, type TerminalState } from '../../domain/run.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { withdrawOf } from '../approvals/ops.ts';
import { sendAnswer } from '../channels/answers.ts';
import { settleMail } from '../inbox/mail.ts';
import { archiveSession, byKey } from '../sessions/ops.ts';
import { chargeInterrupted } from '../usage/ledger.ts';
import { blockStalled } from '../validation/stalled.ts';
import { forgetWaits, settleTarget } from '../waits/ops.ts';
import { continueReplies, reportOutcome, tellWhatWaits } from './report.ts';
import { appendRunEvent, runById } from './rows.ts';

const endRow = statement<{ id: string; state: TerminalState; outcome: string; now: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({ state: p.state, outcome: p.outcome, ended_at: p.now, lease_until: null, wait_until: null, fence: row('fence', '+', 1) }))
    .where('id', '=', p.id),
);
const requeueRow = statement<{ id: string; deaths: number; notBefore: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({
      state: 'queued' as const,
      worker_id: null,
      lease_until: null,
      deaths: p.deaths,
      not_before: p.notBefore,
      fence: row('fence', '+', 1),
    }))
    .where('id', '=', p.id),
);
export const endAttempt = statement<{ runId: string; ended: AttemptEnd; now: number }>()((db, p) =>
  db.updateTable('attempt').set({ ended_at: p.now, ended: p.ended }).where('run_id', '=', p.runId).where('ended_at', 'is', null),
);
const touchSession = statement<{ id: string; now: number; aborted: number; input: number; output: number; context: number; model: string | null }>()((db, p) =>
  db
    .updateTable('session')
    .set((row) => ({
      updated_at: p.now,
      aborted_last_run: p.aborted,
      input_tokens: row('input_tokens', '+', p.input),
      output_tokens: row('output_tokens', '+', p.output),
      context_tokens: sql<number>`case when ${p.context} > 0 then ${p.context} else context_tokens end`,
      last_model: sql<string | null>`coalesce(${p.model}, last_model)`,
    }))
    .where('id', '=', p.id),
);
const requestAbort = statement<{ id: string; reason: string }>()((db, p) =>
  db.updateTable('run').set({ abort_reason: p.reason }).where('id', '=', p.id).where('abort_reason', 'is', null),
);
const boundChildren = statement<{ parentId: string }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('parent_id', '=', p.parentId)
    .where('child_policy', '=', 'cancel')
    .where('state', 'in', ['queued', 'running', 'waiting']),
);
const collectedBy = statement<{ id: string }>()((db, p) =>
  db.selectFrom('run').selectAll().where('collected_by', '=', p.id).where('state', 'in', ['queued', 'running', 'waiting']),
);

export interface RunEnd {
  readonly state: TerminalState;
  readonly attempt: AttemptEnd;
  readonly outcome: RunOutcome;
  readonly actor: string;
}

/** Ends a run: terminal state, attempt, session totals, the event, and all that follows. */
export function* endRun(tx: Tx, run: RunTable, { state, attempt, outcome, actor }: RunEnd): OpSteps<void> {
  const { text, error, stopReason, usage, provider, model, collectedBy: collector } = outcome;
  const input = JSON.parse(run.input) as RunInput; // written by enqueueRun
  yield* tx.run(endRow, { id: run.id, state, outcome: JSON.stringify(outcome), now: tx.now });
  yield* tx.run(endAttempt, { runId: run.id, ended: attempt, now: tx.now });
  if (run.session_id !== null && collector === undefined) {
    yield* tx.run(touchSession, {
      id: run.session_id,
      now: tx.now,
      aborted: state === 'cancelled' ? 1 : 0,
      input: usage.input,
      output: usage.output,
      context: usage.input + usage.cacheRead + usage.cacheWrite,
      model: provider && model ? `${provider}/${model}` : null,
    });
  }
  if (run.state === 'waiting') yield* forgetWaits(tx, run.id);
  yield* withdrawOf(tx, { workspaceId: run.workspace_id, owner: `run:${run.id}` });
  const awaiting = yield* settleTarget(tx, `run:${run.id}`);
  yield* settleMail(tx, run, state);
  if (state !== 'succeeded') yield* blockStalled(tx, input, run, outcome);
  yield* sendAnswer(tx, run, input, outcome, state);
  const { report } = input;
  if (report) yield* reportOutcome(tx, run, outcome, state, report, awaiting);
  const joined = yield* tx.all(collectedBy, { id: run.id });
  yield* appendRunEvent(tx, run, actor, {
    kind: 'run.ended',
    run: run.kind,
    state,
    text,
    stopReason,
    usage,
    ...(error && { error: error.message }),
    ...(run.started_at !== null && { startedAt: run.started_at }),
    ...(collector !== undefined && { collectedBy: collector }),
    ...(joined.length > 0 && { collected: joined.map(({ client_key }) => client_key) }),
    ...(run.job_id !== null && { jobId: run.job_id }),
  });
  for (const collected of joined)
    yield* endRun(tx, collected, { state, attempt: 'done', actor, outcome: { ...outcome, usage: NO_USAGE, steps: 0, collectedBy: run.client_key } });
  if (state !== 'succeeded') yield* stopRuns(tx, yield* tx.all(boundChildren, { parentId: run.id }), actor, 'parent ended');
  if (input.archive && run.session_key !== null) {
    const session = yield* tx.one(byKey, { workspaceId: run.workspace_id, key: run.session_key });
    if (session) yield* archiveSession(tx, session);
  }
  if (input.replies && state === 'succeeded') yield* continueReplies(tx, run, text, input.replies);
  // Somebody stopped what had begun, or an announcement: what is left is told with the next turn. Otherwise it is told now.
  const stopped = state === 'cancelled' && (run.user_seq !== null || run.kind === 'announce');
  if (!stopped && run.session_key !== null) yield* tellWhatWaits(tx, run);
}

/** Ends what is queued or waits, and asks for the end of what runs: its worker hears of it by the event. */
export function* stopRuns(tx: Tx, open: readonly RunTable[], actor: string, reason: string): OpSteps<void> {
  for (const { id } of open) {
    const run = yield* tx.one(runById, { id }); // the end of an earlier one may have ended it
    if (!run || isTerminal(run.state)) continue;
    if (run.state === 'running') {
      yield* tx.run(requestAbort, { id: run.id, reason });
      yield* appendRunEvent(tx, run, actor, { kind: 'run.abort_requested', reason });
    } else {
      const outcome = outcomeWithoutAnswer('cancelled', { ...run, abort_reason: reason });
      yield* endRun(tx, run, { state: 'cancelled', attempt: 'operator', outcome, actor });
    }
  }
}

/** Settles a run whose attempt ended without an outcome: back into the queue, or to its end by the rules of domain/run. */
export function* settleDeadAttempt(tx: Tx, run: RunTable, end: AttemptEnd, actor: string): OpSteps<void> {
  yield* chargeInterrupted(tx, run);
  const decision = decideAfterAttempt({
    end,
    deaths: run.deaths,
    deadlineAt: run.deadline_at,
    abortRequested: run.abort_reason !== null,
    now: tx.now,
  });
  if (decision.kind === 'end') {
    yield* endRun(tx, run, { state: decision.state, attempt: end, actor, outcome: outcomeWithoutAnswer(decision.state, run) });
    return;
  }
  yield* tx.run(requeueRow, { id: run.id, deaths: decision.deaths, notBefore: decision.notBefore });
  yield* tx.run(endAttempt, { runId: run.id, ended: end, now: tx.now });
  yield* appendRunEvent(tx, run, actor, { kind: 'run.requeued', reason: end });
}

/** The outcome of a run that never gave one itself. */
export function outcomeWithoutAnswer(state: TerminalState, run: Pick<RunTable, 'timeout_ms' | 'abort_reason' | 'deaths'>): RunOutcome {
  const said: Partial<Record<TerminalState, { code: string; message: string }>> = {
    timed_out: { code: 'run.timed_out', message: fault('run.timed_out', { seconds: Math.round(run.timeout_ms / 1000) }).message },
    lost: { code: 'run.lost', message: `the worker died ${run.deaths + 1} times during this run; it is not tried again` },
  };
  const error = said[state];
  return { text: '', stopReason: run.abort_reason ?? state, usage: NO_USAGE, steps: 0, ...(error && { error }) };
}
