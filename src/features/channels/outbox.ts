// The outbox: everything that is to be sent through a channel, written in the transaction that decided it, and what became of it.

import type { Address, OutboxState, Outgoing, Part } from '../../domain/channel.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { OutboxTable } from '../../ports/tables-channels.ts';
import { appendEvent } from '../events/ops.ts';

const COLUMNS = [
  ...(['id', 'workspace_id', 'channel', 'account', 'place', 'address', 'body', 'intent', 'state', 'parts'] as const),
  ...(['attempts', 'not_before', 'created_at', 'settled_at', 'error', 'actor', 'run_id'] as const),
] as const;

/** Adds an entry once per intent. An answer that is shown while it is written is there already: it becomes whole. */
const putEntry = statement<OutboxTable>()((db, p) =>
  db
    .insertInto('outbox')
    .values(pick(p, ...COLUMNS))
    .onConflict((clash) =>
      clash
        .columns(['workspace_id', 'intent'])
        .doUpdateSet({ body: p.body, state: 'queued' as const })
        .where('outbox.state', '=', 'live'),
    )
    .returning(['id']),
);
const insertLive = statement<OutboxTable>()((db, p) =>
  db
    .insertInto('outbox')
    .values(pick(p, ...COLUMNS))
    .onConflict((clash) => clash.columns(['workspace_id', 'intent']).doNothing())
    .returning(['id']),
);
const entryById = statement<{ id: string }>()((db, p) => db.selectFrom('outbox').selectAll().where('id', '=', p.id));
const entryByIntent = statement<{ workspaceId: string; intent: string }>()((db, p) =>
  db.selectFrom('outbox').selectAll().where('workspace_id', '=', p.workspaceId).where('intent', '=', p.intent),
);
const queuedEntries = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db.selectFrom('outbox').selectAll().where('workspace_id', '=', p.workspaceId).where('state', '=', 'queued').orderBy('id').limit(p.limit),
);
const latestEntries = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db.selectFrom('outbox').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('id', 'desc').limit(p.limit),
);
const setProgress = statement<{ id: string; parts: string; attempts: number; notBefore: number; error: string | null }>()((db, p) =>
  db.updateTable('outbox').set({ parts: p.parts, attempts: p.attempts, not_before: p.notBefore, error: p.error }).where('id', '=', p.id),
);
const wakeAccount = statement<{ workspaceId: string; channel: string; account: string; now: number }>()((db, p) =>
  db
    .updateTable('outbox')
    .set({ not_before: p.now })
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .where('channel', '=', p.channel)
    .where('account', '=', p.account),
);
const setState = statement<{ id: string; state: OutboxState; parts: string; error: string | null; now: number }>()((db, p) =>
  db.updateTable('outbox').set({ state: p.state, parts: p.parts, error: p.error, settled_at: p.now }).where('id', '=', p.id).where('state', '=', 'queued'),
);
const dropUnsent = statement<{ id: string; now: number }>()((db, p) =>
  db
    .updateTable('outbox')
    .set({ state: 'dropped', settled_at: p.now })
    .where('id', '=', p.id)
    .where('state', '=', 'queued')
    .where('parts', '=', '[]')
    .returning(['id']),
);

const emptyEntry = statement<{ workspaceId: string; intent: string; body: string }>()((db, p) =>
  db
    .updateTable('outbox')
    .set({ body: p.body, state: 'queued' })
    .where('workspace_id', '=', p.workspaceId)
    .where('intent', '=', p.intent)
    .where('state', '=', 'live'),
);
const pruneSettled = statement<{ workspaceId: string; before: number }>()((db, p) =>
  db.deleteFrom('outbox').where('workspace_id', '=', p.workspaceId).where('settled_at', '<', p.before),
);

export interface NewEntry {
  readonly workspaceId: string;
  readonly to: Address;
  readonly body: Outgoing;
  readonly intent: string;
  readonly actor: string;
  readonly runId?: string | null;
  /** Not before this instant, epoch ms. */
  readonly notBefore?: number;
}

export interface EntryView {
  readonly id: string;
  readonly to: Address;
  readonly body: Outgoing;
  readonly intent: string;
  readonly state: OutboxState;
  readonly parts: readonly Part[];
  readonly attempts: number;
  readonly notBefore: number;
  readonly createdAt: number;
  readonly settledAt: number | null;
  readonly error: string | null;
  readonly runId: string | null;
}

function viewEntry(row: OutboxTable): EntryView {
  return {
    id: row.id,
    to: JSON.parse(row.address) as Address, // this and the next two were written below
    body: JSON.parse(row.body) as Outgoing,
    parts: JSON.parse(row.parts) as Part[],
    intent: row.intent,
    state: row.state,
    attempts: row.attempts,
    notBefore: row.not_before,
    createdAt: row.created_at,
    settledAt: row.settled_at,
    error: row.error,
    runId: row.run_id,
  };
}

function rowOf(
  tx: Tx,
  { workspaceId, to, body, intent, actor, runId = null, notBefore = tx.now }: NewEntry,
  state: OutboxState,
  parts: readonly Part[],
): OutboxTable {
  return {
    id: tx.newId('out'),
    workspace_id: workspaceId,
    channel: to.channel,
    account: to.account,
    place: to.place,
    address: JSON.stringify(to),
    body: JSON.stringify(body),
    intent,
    state,
    parts: JSON.stringify(parts),
    attempts: 0,
    not_before: notBefore,
    created_at: tx.now,
    settled_at: null,
    error: null,
    actor,
    run_id: runId,
  };
}

function* tell(tx: Tx, workspaceId: string, id: string, channel: string, state: OutboxState, actor: string, error?: string): OpSteps<void> {
  const body = { kind: 'outbox' as const, id, channel, state, ...(error !== undefined && { error }) };
  yield* appendEvent(tx, { workspaceId, stream: `outbox:${id}`, actor, body });
}

/** Queues something for sending, once per intent. Answers its id. */
export function* putOutbox(tx: Tx, entry: NewEntry): OpSteps<string> {
  const { workspaceId, to, intent, actor } = entry;
  const put = yield* tx.one(putEntry, rowOf(tx, entry, 'queued', []));
  if (put) {
    if (entry.body.kind !== 'reaction') yield* tell(tx, workspaceId, put.id, to.channel, 'queued', actor);
    return put.id;
  }
  const there = yield* tx.one(entryByIntent, { workspaceId, intent });
  if (!there) throw new Error(`the outbox has no ${intent}`);
  return there.id;
}

/** An answer came to nothing: what was shown while it was written is taken back. */
export function* emptyLive(tx: Tx, of: { workspaceId: string; intent: string }): OpSteps<void> {
  yield* tx.run(emptyEntry, { ...of, body: JSON.stringify({ kind: 'text', text: '' } satisfies Outgoing) });
}

/** Takes back what nobody has begun to send. Answers whether it is gone. */
export function* takeBack(tx: Tx, of: { workspaceId: string; intent: string }): OpSteps<boolean> {
  const row = yield* tx.one(entryByIntent, of);
  return row !== undefined && row.attempts === 0 && (yield* tx.one(dropUnsent, { id: row.id, now: tx.now })) !== undefined;
}

export const queueOutgoing = txOp(
  'channels.queue',
  function* (tx, entry: NewEntry): OpSteps<EntryView> {
    const row = yield* tx.one(entryById, { id: yield* putOutbox(tx, entry) });
    if (!row) throw new Error(`the outbox has no ${entry.intent}`);
    return viewEntry(row);
  },
  { worker: true },
);

/** Begins an answer that is shown while it is written. Null when the whole answer is there already. */
export const beginLive = txOp('channels.beginLive', function* (tx, entry: NewEntry): OpSteps<string | null> {
  return (yield* tx.one(insertLive, rowOf(tx, entry, 'live', [{ begunAt: tx.now, id: null }])))?.id ?? null;
});

interface Progress {
  readonly id: string;
  readonly parts: readonly Part[];
  readonly attempts: number;
  readonly notBefore: number;
  readonly error: string | null;
}

/** What has been begun and what has arrived: written before each message and after it. */
export const noteProgress = txOp('channels.progress', function* (tx, { parts, ...progress }: Progress): OpSteps<void> {
  yield* tx.run(setProgress, { ...progress, parts: JSON.stringify(parts) });
});

interface Settled {
  readonly workspaceId: string;
  readonly id: string;
  readonly channel: string;
  readonly state: 'sent' | 'failed' | 'dropped';
  readonly parts: readonly Part[];
  readonly error: string | null;
  /** Nobody wants to hear of it. */
  readonly isQuiet: boolean;
}

export const settleEntry = txOp('channels.settle', function* (tx, { workspaceId, id, channel, state, parts, error, isQuiet }: Settled): OpSteps<void> {
  yield* tx.run(setState, { id, state, parts: JSON.stringify(parts), error, now: tx.now });
  if (isQuiet) return;
  yield* tell(tx, workspaceId, id, channel, state, 'gateway', error ?? undefined);
});

/** The connection is back: what waits for it is tried at once. */
export const wakeOutgoing = txOp('channels.wake', function* (tx, of: { workspaceId: string; channel: string; account: string }): OpSteps<void> {
  yield* tx.run(wakeAccount, { ...of, now: tx.now });
});

/** A question is settled: the message that asked says so, or is not sent any more. */
export const closeQuestion = txOp(
  'channels.closeQuestion',
  function* (tx, { workspaceId, approvalId, text }: { workspaceId: string; approvalId: string; text: string }): OpSteps<void> {
    const row = yield* tx.one(entryByIntent, { workspaceId, intent: questionIntent(approvalId) });
    if (!row) return;
    yield* tx.run(dropUnsent, { id: row.id, now: tx.now });
    const { parts, to } = viewEntry(row);
    const messageId = parts[0]?.id ?? row.id; // not known yet: the deliverer looks it up under the entry's id
    if (parts.length > 0)
      yield* putOutbox(tx, { workspaceId, to, body: { kind: 'edit', messageId, text }, intent: `answered:${approvalId}`, actor: 'gateway' });
  },
);

export function questionIntent(approvalId: string): string {
  return `question:${approvalId}`;
}

/** What was settled before an instant leaves; what it said stands in the transcripts. */
export function* forgetOldEntries(tx: Tx, of: { workspaceId: string; before: number }): OpSteps<void> {
  yield* tx.run(pruneSettled, of);
}

export const dueOutgoing = readOp('channels.due', function* (tx, args: { workspaceId: string; limit: number }): OpSteps<EntryView[]> {
  return (yield* tx.all(queuedEntries, args)).map(viewEntry);
});

export const listOutgoing = readOp('channels.outbox', function* (tx, args: { workspaceId: string; limit: number }): OpSteps<EntryView[]> {
  return (yield* tx.all(latestEntries, args)).map(viewEntry);
});

export const getOutgoing = readOp(
  'channels.getOutgoing',
  function* (tx, { id }: { id: string }): OpSteps<EntryView | null> {
    const row = yield* tx.one(entryById, { id });
    return row ? viewEntry(row) : null;
  },
  { worker: true },
);
