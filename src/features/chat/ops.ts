// What people do to a conversation as a whole: begin it anew, set it, put words into it, let it go.

import type { ExecDecision } from '../../domain/approval.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { Delivery, RunOutcome, RunView } from '../../domain/run.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import { type EntryBody, NO_USAGE } from '../../domain/transcript.ts';
import { type OpSteps, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable, SessionTable } from '../../ports/tables.ts';
import { decideOpen, fundWaiting } from '../decisions/ops.ts';
import { appendEvent } from '../events/ops.ts';
import { endRun, stopRuns } from '../runs/end.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { openRunsOfSession, runById } from '../runs/rows.ts';
import { appendEntries, archiveSession, byKey, ensureSession, renewSession, type SessionKey, sessionWithLabel } from '../sessions/ops.ts';

interface Asked extends SessionKey {
  readonly actor: string;
}

/** Undefined leaves a value as it is, null clears it. */
export interface SessionPatch {
  readonly label?: string | null | undefined;
  readonly model?: string | null | undefined;
  readonly spawnedBy?: string | null | undefined;
  readonly settings?: { readonly [K in keyof SessionSettings]?: SessionSettings[K] | null | undefined };
}

const moveRun = statement<{ id: string; sessionId: string }>()((db, p) => db.updateTable('run').set({ session_id: p.sessionId }).where('id', '=', p.id));
const setSession = statement<{ id: string; label: string | null; model: string | null; spawnedBy: string | null; settings: string; now: number }>()((db, p) =>
  db
    .updateTable('session')
    .set({ label: p.label, model_override: p.model, spawned_by: p.spawnedBy, settings: p.settings, updated_at: p.now })
    .where('id', '=', p.id),
);
const setContextFrom = statement<{ id: string; from: number }>()((db, p) => db.updateTable('session').set({ context_from: p.from }).where('id', '=', p.id));

function* sessionAt(tx: Tx, { workspaceId, key }: SessionKey): OpSteps<SessionTable> {
  const session = yield* tx.one(byKey, { workspaceId, key });
  if (!session) throw fault('session.not_found', { key });
  return session;
}

function* tell(
  tx: Tx,
  { workspace_id, key, id }: SessionTable,
  actor: string,
  kind: 'session.reset' | 'session.deleted' | 'session.patched' | 'session.compacted',
) {
  yield* appendEvent(tx, { workspaceId: workspace_id, stream: `session:${id}`, actor, sessionKey: key, body: { kind, sessionId: id } });
}

/**
 * Begins the conversation anew. What had begun is stopped; messages that wait for their turn go to the new session.
 */
function* restart(tx: Tx, old: SessionTable, actor: string): OpSteps<SessionTable> {
  const session = yield* renewSession(tx, old);
  const open = yield* tx.all(openRunsOfSession, { workspaceId: old.workspace_id, sessionKey: old.key });
  const begun = (run: RunTable) => run.user_seq !== null;
  for (const run of open.filter((candidate) => !begun(candidate))) yield* tx.run(moveRun, { id: run.id, sessionId: session.id });
  yield* stopRuns(tx, open.filter(begun), actor, 'reset');
  yield* tell(tx, session, actor, 'session.reset');
  return session;
}

export const resetSession = txOp('chat.reset', function* (tx, { agentId, actor, ...at }: Asked & { agentId: string }): OpSteps<SessionTable> {
  return yield* restart(tx, yield* ensureSession(tx, { ...at, agentId }), actor);
});

/** Its key is free again; the transcript stays readable by the session's id. Open runs are cancelled. */
export const deleteSession = txOp('chat.delete', function* (tx, { actor, ...at }: Asked): OpSteps<{ deleted: boolean }> {
  const session = yield* tx.one(byKey, at);
  if (!session) return { deleted: false };
  yield* archiveSession(tx, session);
  yield* stopRuns(tx, yield* tx.all(openRunsOfSession, { workspaceId: at.workspaceId, sessionKey: at.key }), actor, 'session deleted');
  yield* tell(tx, session, actor, 'session.deleted');
  return { deleted: true };
});

function* change(tx: Tx, session: SessionTable, { label, model, spawnedBy, settings = {} }: SessionPatch, actor: string): OpSteps<SessionTable> {
  if (typeof label === 'string') {
    const holder = yield* sessionWithLabel(tx, { workspaceId: session.workspace_id, label });
    if (holder && holder.id !== session.id) throw fault('session.label_taken', { label, key: holder.key });
  }
  if (spawnedBy !== undefined && session.spawned_by !== null && session.spawned_by !== spawnedBy) throw fault('session.spawned_by_fixed');
  const merged = { ...JSON.parse(session.settings), ...settings } as Record<string, unknown>; // written by this function
  const next: SessionTable = {
    ...session,
    label: label === undefined ? session.label : label,
    model_override: model === undefined ? session.model_override : model,
    spawned_by: spawnedBy === undefined ? session.spawned_by : spawnedBy,
    settings: JSON.stringify(Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null && value !== undefined))),
    updated_at: tx.now,
  };
  yield* tx.run(setSession, { ...next, model: next.model_override, spawnedBy: next.spawned_by, now: tx.now });
  yield* tell(tx, next, actor, 'session.patched');
  return next;
}

/** Sets what a session is set to; makes the session when it is new. @throws Fault `session.label_taken`, `session.spawned_by_fixed` */
export const patchSession = txOp(
  'chat.patch',
  function* (tx, { agentId, actor, patch, ...at }: Asked & { agentId: string; patch: SessionPatch }): OpSteps<SessionTable> {
    return yield* change(tx, yield* ensureSession(tx, { ...at, agentId }), patch, actor);
  },
);

/** An agent chooses the model of a session that is there. @throws Fault `session.not_found` */
export const setModelOverride = txOp(
  'chat.setModel',
  function* (tx, { actor, model, ...at }: Asked & { model: string | null }): OpSteps<void> {
    yield* change(tx, yield* sessionAt(tx, at), { model }, actor);
  },
  { worker: true },
);

export interface Compacted {
  readonly sessionId: string;
  readonly compacted: boolean;
  readonly kept: number;
}

function* compact(tx: Tx, session: SessionTable, keep: number, actor: string): OpSteps<Compacted> {
  const shown = session.last_seq - session.context_from + 1;
  if (shown <= keep) return { sessionId: session.id, compacted: false, kept: shown };
  yield* tx.run(setContextFrom, { id: session.id, from: session.last_seq - keep + 1 });
  yield* tell(tx, session, actor, 'session.compacted');
  return { sessionId: session.id, compacted: true, kept: keep };
}

/** Shows the model only the latest `keep` entries from now on. Nothing is deleted. */
export const compactSession = txOp('chat.compact', function* (tx, { actor, keep, ...at }: Asked & { keep: number }): OpSteps<Compacted> {
  return yield* compact(tx, yield* sessionAt(tx, at), keep, actor);
});

/** Puts words of a client's into the conversation, as if the agent had said them. @throws Fault `request.refused` without a session */
export const injectMessage = txOp('chat.inject', function* (tx, { actor, text, ...at }: Asked & { text: string }): OpSteps<{ sessionId: string; seq: number }> {
  const session = yield* tx.one(byKey, at);
  if (!session) throw fault('request.refused', { reason: 'session not found' });
  const said: EntryBody = { kind: 'assistant', text, toolCalls: [], stopReason: 'injected', provider: 'gateway', model: 'injected', usage: NO_USAGE };
  const seq = yield* appendEntries(tx, session.id, null, [said]);
  yield* appendEvent(tx, { workspaceId: at.workspaceId, stream: `session:${session.id}`, actor, sessionKey: at.key, body: { kind: 'session.said', text } });
  return { sessionId: session.id, seq };
});

export type CommandEffect =
  | { readonly kind: 'none' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'patch'; readonly patch: SessionPatch }
  | { readonly kind: 'compact'; readonly keep: number }
  /** Stops what runs and waits in the session. */
  | { readonly kind: 'stop' }
  /** Answers an open question. */
  | { readonly kind: 'decide'; readonly approvalId: string; readonly decision: ExecDecision }
  /** Money for the run of the session that waits for some. */
  | { readonly kind: 'fund'; readonly micros: number };

export interface Command extends Asked {
  readonly agentId: string;
  /** The client's key: sent twice the command is carried out once. */
  readonly runKey: string;
  readonly command: string;
  readonly effect: CommandEffect;
  readonly reply: string;
  readonly deliver?: Delivery;
}

/** Carries out a chat command and answers it in the conversation, as one run that is over at once and asks no model. */
export const carryOutCommand = txOp('chat.command', takeCommand);

export function* takeCommand(tx: Tx, asked: Command): OpSteps<{ run: RunView; created: boolean }> {
  const { workspaceId, key, agentId, actor, runKey, command, effect, reply, deliver } = asked;
  const lane = { lane: 'main', priority: 0, timeoutMs: 0 } as const;
  const { run: view, created } = yield* enqueueRun(tx, {
    workspaceId,
    actor,
    runKey,
    kind: 'command',
    sessionKey: key,
    agentId,
    ...lane,
    input: { message: command, ...(deliver && { deliver }) },
  });
  if (!created) return { run: view, created };
  let session = yield* ensureSession(tx, { workspaceId, key, agentId });
  let said = reply;
  if (effect.kind === 'reset') session = yield* restart(tx, session, actor);
  else if (effect.kind === 'patch') session = yield* change(tx, session, effect.patch, actor);
  else if (effect.kind === 'compact') yield* compact(tx, session, effect.keep, actor);
  else if (effect.kind === 'stop') {
    const open = (yield* tx.all(openRunsOfSession, { workspaceId, sessionKey: key })).filter(({ id }) => id !== view.id);
    yield* stopRuns(tx, open, actor, 'stop');
  } else if (effect.kind === 'decide') {
    const decided = yield* decideOpen(tx, { workspaceId, id: effect.approvalId, decision: effect.decision, actor });
    if (!decided) said = 'That question is settled already.';
  } else if (effect.kind === 'fund') {
    const scope = yield* fundWaiting(tx, { workspaceId, sessionKey: key, actor, micros: effect.micros });
    if (scope === null) said = 'No run of this session waits for money.';
  }
  yield* appendEntries(tx, session.id, view.id, [{ kind: 'note', text: said }]);
  const run = yield* tx.one(runById, { id: view.id });
  if (!run) throw new Error(`run ${view.id} was not stored`);
  const outcome: RunOutcome = { text: said, stopReason: 'injected', usage: NO_USAGE, steps: 0 };
  yield* endRun(tx, run, { state: 'succeeded', attempt: 'done', actor, outcome });
  return { run: { ...view, state: 'succeeded', endedAt: tx.now, outcome }, created };
}
