// Statements on the run table that several ops share, and the run's one way to its end.

import { sql } from 'kysely';
import type { EventBody } from '../../domain/event.ts';
import type { AttemptEnd, RunInput, RunOutcome, RunView, TerminalState } from '../../domain/run.ts';
import { decideAfterAttempt } from '../../domain/run.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { appendEvent } from '../events/ops.ts';
import { noteSystemEvent } from '../sessions/system-events.ts';

export const queued = sql.lit('queued' as const);
export const running = sql.lit('running' as const);
export const waiting = sql.lit('waiting' as const);

export const runById = statement<{ id: string }>()((db, p) => db.selectFrom('run').selectAll().where('id', '=', p.id));

const endRow = statement<{ id: string; state: TerminalState; outcome: string; now: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({ state: p.state, outcome: p.outcome, ended_at: p.now, lease_until: null, fence: row('fence', '+', 1) }))
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
const endAttempt = statement<{ runId: string; ended: AttemptEnd; now: number }>()((db, p) =>
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

/** Appends to the run's own stream. */
export function* appendRunEvent(tx: Tx, run: RunTable, actor: string, body: EventBody): OpSteps<void> {
  yield* appendEvent(tx, {
    workspaceId: run.workspace_id,
    stream: `run:${run.id}`,
    actor,
    sessionKey: run.session_key,
    runKey: run.client_key,
    body,
  });
}

interface RunEnd {
  readonly state: TerminalState;
  readonly attempt: AttemptEnd;
  readonly outcome: RunOutcome;
  readonly actor: string;
}

/** Ends a run: terminal state, attempt, session totals and the event, in the caller's transaction. */
export function* endRun(tx: Tx, run: RunTable, { state, attempt, outcome, actor }: RunEnd): OpSteps<void> {
  const { text, error, stopReason, usage, provider, model } = outcome;
  yield* tx.run(endRow, { id: run.id, state, outcome: JSON.stringify(outcome), now: tx.now });
  yield* tx.run(endAttempt, { runId: run.id, ended: attempt, now: tx.now });
  if (run.session_id !== null) {
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
  const reported = run.kind === 'hook' ? yield* reportOutcome(tx, run, outcome) : undefined;
  yield* appendRunEvent(tx, run, actor, {
    kind: 'run.ended',
    run: run.kind,
    state,
    text,
    stopReason,
    usage,
    ...(error && { error: error.message }),
    ...(run.started_at !== null && { startedAt: run.started_at }),
    ...(reported && { reported }),
  });
}

const REPORT_CHARS = 8000;

/** Tells a session what came of a hook, in the transaction that ends it. */
function* reportOutcome(tx: Tx, run: RunTable, { text, error }: RunOutcome): OpSteps<RunInput['report']> {
  const { report } = JSON.parse(run.input) as RunInput; // written by submitRun
  if (!report) return undefined;
  const told = error ? `${report.name} (error): ${error.message}` : `${report.name}: ${text}`;
  yield* noteSystemEvent(tx, { workspaceId: run.workspace_id, sessionKey: report.sessionKey, text: told.slice(0, REPORT_CHARS) });
  return report;
}

/** Settles a run whose attempt ended without an outcome: back into the queue, or to its end by the rules of domain/run. */
export function* settleDeadAttempt(tx: Tx, run: RunTable, end: AttemptEnd, actor: string): OpSteps<void> {
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
    timed_out: { code: 'run.timed_out', message: `the run passed its limit of ${Math.round(run.timeout_ms / 1000)} s` },
    lost: { code: 'run.lost', message: `the worker died ${run.deaths + 1} times during this run; it is not tried again` },
  };
  const error = said[state];
  return { text: '', stopReason: run.abort_reason ?? state, usage: NO_USAGE, steps: 0, ...(error && { error }) };
}

export function viewRun(run: RunTable): RunView {
  return {
    id: run.id,
    runKey: run.client_key,
    kind: run.kind,
    sessionKey: run.session_key,
    agentId: run.agent_id,
    lane: run.lane,
    state: run.state,
    priority: run.priority,
    queuedAt: run.queued_at,
    startedAt: run.started_at,
    endedAt: run.ended_at,
    deadlineAt: run.deadline_at,
    attempts: Math.ceil(run.fence / 2),
    deaths: run.deaths,
    worker: run.worker_id,
    outcome: run.outcome === null ? null : (JSON.parse(run.outcome) as RunOutcome), // written by endRun
  };
}
