// Who hears what came of a run: as an event with the next turn of a session, or as a result with a turn of its own.

import { PRIORITY } from '../../domain/lane.ts';
import type { Replies, Report, RunInput, RunOutcome, TerminalState } from '../../domain/run.ts';
import { agentIdOf, isSubagentKey } from '../../domain/session.ts';
import { describeResult } from '../../domain/spawn.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { byKey } from '../sessions/ops.ts';
import { hasUntoldResults, noteSystemEvent } from '../sessions/system-events.ts';
import { enqueueRun, hasRoom } from './enqueue.ts';
import { lookAt } from './look.ts';
import { openRunsOfSession, runById, toolsOf } from './rows.ts';

/** An announcement that found everything told already. */
export const NOTHING_LEFT = 'collected';
const REPORT_CHARS = 8000;
const RESULT_CHARS = 60_000;
const REPLY_SKIP = 'REPLY_SKIP';
const NO_REPLY = 'NO_REPLY';

const labelOfChild = statement<{ runId: string }>()((db, p) => db.selectFrom('spawn').select('label').where('child_run_id', '=', p.runId));

/** Tells the session of a report, in the transaction that ends the run. `awaiting` are the runs that waited for this one. */
export function* reportOutcome(tx: Tx, run: RunTable, outcome: RunOutcome, state: TerminalState, report: Report, awaiting: readonly string[]): OpSteps<void> {
  const { text, error, stopReason } = outcome;
  const workspaceId = run.workspace_id;
  const silent = text.trim() === NO_REPLY && run.kind !== 'spawn';
  if (silent || stopReason === NOTHING_LEFT) return;
  if (report.as === 'event') {
    const told = error ? `${report.name} (error): ${error.message}` : `${report.name}: ${text}`;
    yield* noteSystemEvent(tx, { workspaceId, sessionKey: report.sessionKey, text: told.slice(0, report.maxChars ?? REPORT_CHARS) });
    if (!report.now) return;
    const { sessionKey, agentId } = report;
    yield* lookAt(tx, { workspaceId, actor: `run:${run.id}`, runKey: `look:${run.id}`, sessionKey, agentId, timeoutMs: run.timeout_ms });
    return;
  }
  if (state === 'cancelled' && run.abort_reason === 'parent ended') return; // the one who would hear of it is gone
  const heir = yield* hearerOf(tx, run, report);
  const label = (yield* tx.one(labelOfChild, { runId: run.id }))?.label ?? null;
  yield* noteSystemEvent(tx, {
    workspaceId,
    sessionKey: heir.sessionKey,
    resultOf: run.id,
    text: describeResult({ label, state, text: text.slice(0, RESULT_CHARS), error: error?.message ?? null, stats: statsOf(tx, run, outcome) }),
  });
  if (awaiting.length === 0) yield* announce(tx, run, heir, `announce:${run.id}`);
}

/** The session that asked, or, when that is gone, the nearest one above it that is left. */
function* hearerOf(tx: Tx, run: RunTable, report: Report): OpSteps<Pick<Report, 'sessionKey' | 'agentId'>> {
  let hearer: Pick<Report, 'sessionKey' | 'agentId'> = report;
  let above = run.parent_id;
  while (above !== null && !(yield* tx.one(byKey, { workspaceId: run.workspace_id, key: hearer.sessionKey }))) {
    const parent: RunTable | undefined = yield* tx.one(runById, { id: above });
    above = parent?.parent_id ?? null;
    const grandparent: RunTable | undefined = above === null ? undefined : yield* tx.one(runById, { id: above });
    if (grandparent?.session_key) hearer = { sessionKey: grandparent.session_key, agentId: grandparent.agent_id };
  }
  return hearer;
}

function statsOf(tx: Tx, run: RunTable, { usage }: RunOutcome): string {
  const seconds = Math.round((tx.now - (run.started_at ?? tx.now)) / 1000);
  const cost = usage.cost === null ? '' : ` • est $${usage.cost.toFixed(4)}`;
  return `Stats: runtime ${seconds}s • tokens ${usage.input + usage.output} (in ${usage.input} / out ${usage.output})${cost} • sessionKey ${run.session_key ?? ''} • sessionId ${run.session_id ?? ''}`;
}

/** A turn in which a session hears results, unless one is on its way that will tell them. */
function* announce(tx: Tx, cause: RunTable, { sessionKey, agentId }: Pick<Report, 'sessionKey' | 'agentId'>, runKey: string): OpSteps<void> {
  const workspaceId = cause.workspace_id;
  const open = yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  if (open.some(({ state, user_seq }) => (state === 'queued' && user_seq === null) || state === 'waiting')) return;
  const place = { lane: isSubagentKey(sessionKey) ? 'subagent' : 'main', priority: PRIORITY.urgent } as const;
  if (!(yield* hasRoom(tx, { workspaceId, ...place }))) return; // told with the session's next turn
  const parent = yield* ancestorIn(tx, cause, sessionKey);
  const { report, deliver }: Partial<RunInput> = parent ? (JSON.parse(parent.input) as RunInput) : {}; // written by enqueueRun
  const inherited = isSubagentKey(sessionKey) ? report : undefined;
  yield* enqueueRun(tx, {
    workspaceId,
    actor: `run:${cause.id}`,
    runKey,
    kind: 'announce',
    sessionKey,
    agentId,
    ...place,
    timeoutMs: parent?.timeout_ms ?? cause.timeout_ms,
    input: { message: '', ...(inherited && { report: inherited }), ...(deliver && { deliver: { to: deliver.to } }), ...toolsOf(cause) },
    ...(parent && { parent: { runId: parent.id, rootId: parent.root_id, depth: parent.depth, childPolicy: 'adopt' as const } }),
    role: parent?.role ?? null,
  });
}

/** The run of a session from which a run descends. What it owes to those above holds for the session's later turns too. */
function* ancestorIn(tx: Tx, run: RunTable, sessionKey: string): OpSteps<RunTable | undefined> {
  for (let id = run.parent_id; id !== null; ) {
    const above: RunTable | undefined = yield* tx.one(runById, { id });
    if (above?.session_key === sessionKey) return above;
    id = above?.parent_id ?? null;
  }
  return undefined;
}

/** Results that came while a session was busy, or whose awaiting run ended without them, get a turn of their own. */
export function* tellWhatWaits(tx: Tx, ended: RunTable): OpSteps<void> {
  const { workspace_id: workspaceId, session_key: sessionKey } = ended;
  if (sessionKey === null || !(yield* hasUntoldResults(tx, { workspaceId, sessionKey }))) return;
  yield* announce(tx, { ...ended, parent_id: ended.id }, { sessionKey, agentId: ended.agent_id }, `announce-after:${ended.id}`);
}

/** Hands one agent's answer to the other, who may answer in turn. */
export function* continueReplies(tx: Tx, run: RunTable, text: string, { sessionKey, agentId, left }: Replies): OpSteps<void> {
  const said = text.trim();
  if (left <= 0 || said === '' || said === REPLY_SKIP || said === NO_REPLY || run.session_key === null) return;
  const place = { lane: 'nested', priority: PRIORITY.spawn } as const;
  if (!(yield* hasRoom(tx, { workspaceId: run.workspace_id, ...place }))) return; // an exchange may end here
  const from = agentIdOf(run.session_key) ?? run.agent_id;
  yield* enqueueRun(tx, {
    workspaceId: run.workspace_id,
    actor: `run:${run.id}`,
    runKey: `reply:${run.id}`,
    kind: 'nested',
    sessionKey,
    agentId,
    ...place,
    timeoutMs: run.timeout_ms,
    input: {
      message: `[The agent "${from}" answers from ${run.session_key}]\n${text}\n\n(Answer to go on with this exchange, or ${REPLY_SKIP} to end it.)`,
      replies: { sessionKey: run.session_key, agentId: from, left: left - 1 },
      ...toolsOf(run),
    },
    parent: { runId: run.id, rootId: run.root_id, depth: run.depth, childPolicy: 'detach' },
  });
}
