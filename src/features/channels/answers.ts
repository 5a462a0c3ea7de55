// What a run's end sends through a channel: in the same transaction, once, to where the order came from.

import type { Address } from '../../domain/channel.ts';
import { heartbeatStatus } from '../../domain/heartbeat.ts';
import type { Delivery, RunInput, RunOutcome, TerminalState } from '../../domain/run.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { emptyLive, putOutbox, takeBack } from './outbox.ts';

const routeOfSession = statement<{ id: string }>()((db, p) => db.selectFrom('session').select('route').where('id', '=', p.id));
const setRoute = statement<{ id: string; route: string }>()((db, p) => db.updateTable('session').set({ route: p.route }).where('id', '=', p.id));

/** Runs that nobody asked for in a channel, and whose news go where the session's people spoke last. */
const SPONTANEOUS: ReadonlySet<string> = new Set(['heartbeat', 'announce']);
const NO_REPLY = /^\s*NO_REPLY\s*$/;

export function* noteRoute(tx: Tx, sessionId: string, route: Address): OpSteps<void> {
  yield* tx.run(setRoute, { id: sessionId, route: JSON.stringify(route) });
}

/** Where the people of a session spoke last. */
export function* routeOf(tx: Tx, sessionId: string | null): OpSteps<Address | undefined> {
  const route = sessionId === null ? undefined : (yield* tx.one(routeOfSession, { id: sessionId }))?.route;
  return route ? (JSON.parse(route) as Address) : undefined; // written by noteRoute
}

export function ackIntent(runId: string): string {
  return `ack:${runId}`;
}

export function replyIntent(runId: string): string {
  return `reply:${runId}`;
}

/** Queues the answer of a run, if it has one and somebody waits for it in a channel. */
export function* sendAnswer(tx: Tx, run: RunTable, input: RunInput, outcome: RunOutcome, state: TerminalState): OpSteps<void> {
  const delivery = input.deliver ?? (SPONTANEOUS.has(run.kind) ? asDelivery(yield* routeOf(tx, run.session_id)) : undefined);
  if (!delivery) return;
  const of = { workspaceId: run.workspace_id, actor: `run:${run.id}`, runId: run.id };
  if (delivery.ack) {
    const { messageId, emoji } = delivery.ack;
    const wasNeverShown = yield* takeBack(tx, { workspaceId: of.workspaceId, intent: ackIntent(run.id) });
    if (!wasNeverShown) yield* putOutbox(tx, { ...of, to: delivery.to, body: { kind: 'reaction', messageId, emoji, add: false }, intent: `unack:${run.id}` });
  }
  if (outcome.collectedBy !== undefined) return;
  const text = answerOf(run, outcome, state);
  const intent = replyIntent(run.id);
  if (text === '') yield* emptyLive(tx, { workspaceId: of.workspaceId, intent });
  else yield* putOutbox(tx, { ...of, to: delivery.to, body: { kind: 'text', text }, intent });
}

function asDelivery(to: Address | undefined): Delivery | undefined {
  return to && { to };
}

function answerOf({ kind, abort_reason }: RunTable, { text, error, stopReason }: RunOutcome, state: TerminalState): string {
  if (state === 'cancelled') {
    if (stopReason === 'dropped') return 'This message was not answered: too many were waiting.';
    return text.trim() === '' || abort_reason === 'reset' ? '' : `${text}\n\n_(stopped)_`;
  }
  if (state !== 'succeeded') return SPONTANEOUS.has(kind) ? '' : `:warning: ${error?.message ?? `the run ended as ${state}`}`;
  if (NO_REPLY.test(text) || (kind === 'heartbeat' && heartbeatStatus(state, text) !== 'sent')) return '';
  return text;
}
