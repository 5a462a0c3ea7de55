// Messages in the store: each once, in the order of arrival within its priority, until somebody has read and answered it.

import { sql } from 'kysely';
import { fault } from '../../domain/fault-codes.ts';
import {
  digestOf,
  foldKeyOf,
  instantOf,
  isClockOff,
  type MessagePriority,
  type MessageState,
  type MessageView,
  plainMessage,
  rankOf,
  type WrittenMessage,
} from '../../domain/inbox.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { MessageTable } from '../../ports/tables-team.ts';
import { joinDigest } from './digest.ts';
import { appendMessageEvent, viewMessage } from './mail.ts';

/** A message with its place. */
export interface NewMessage extends WrittenMessage {
  readonly box: string;
  /** Canonical, set by the gateway: of a file what it says, of a call who called. */
  readonly sender: string;
  readonly origin: 'file' | 'call';
  readonly actor: string;
  /** Where its file lies, from the inboxes folder. */
  readonly file?: string;
  readonly original?: string;
  /** Sent twice with the same key it is one message, whatever it says. */
  readonly key?: string;
  readonly ackByMs?: number;
  readonly expiresInMs?: number;
  /** The only run it is for, by its id. */
  readonly onlyRun?: string;
  /** It was read and put away where it comes from. */
  readonly isSettled?: boolean;
}

/** A message of the gateway itself, once for its key. */
export function noticeOf({ box, actor, key, ackByMs, expiresInMs, thread, onlyRun, ...said }: Notice): NewMessage {
  const message = plainMessage(said);
  const more = {
    ...(ackByMs !== undefined && { ackByMs }),
    ...(expiresInMs !== undefined && { expiresInMs }),
    ...(thread !== undefined && { thread }),
    ...(onlyRun !== undefined && { onlyRun }),
  };
  return { ...message, ...more, box, actor, key, sender: 'gateway', origin: 'call' };
}

interface Notice extends Pick<NewMessage, 'box' | 'actor' | 'type' | 'subject' | 'content' | 'ackByMs' | 'expiresInMs' | 'onlyRun'> {
  readonly key: string;
  readonly priority?: MessagePriority;
  readonly thread?: string;
}

export type Fate = 'new' | 'duplicate' | 'amendment' | 'folded';
export interface Taken {
  readonly id: string;
  readonly fate: Fate;
  /** The file that shows it. */
  readonly file: string | null;
}

type OfBox = { readonly workspaceId: string; readonly box: string };

const byDigest = statement<OfBox & { digest: string }>()((db, p) =>
  db.selectFrom('message').selectAll().where('workspace_id', '=', p.workspaceId).where('box', '=', p.box).where('digest', '=', p.digest),
);
const byFile = statement<{ workspaceId: string; file: string }>()((db, p) =>
  db.selectFrom('message').select(['id', 'digest']).where('workspace_id', '=', p.workspaceId).where('file', '=', p.file).orderBy('id', 'desc').limit(1),
);
const openFold = statement<OfBox & { foldKey: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select('id')
    .where('workspace_id', '=', p.workspaceId)
    .where('box', '=', p.box)
    .where('fold_key', '=', p.foldKey)
    .where('state', 'in', ['queued', 'delivered'])
    .limit(1),
);
const fold = statement<{ id: string }>()((db, p) =>
  db
    .updateTable('message')
    .set((row) => ({ folded: row('folded', '+', 1) }))
    .where('id', '=', p.id),
);
const moveFile = statement<{ id: string; file: string | null }>()((db, p) => db.updateTable('message').set({ file: p.file }).where('id', '=', p.id));
const byClaimedId = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select(['id', 'thread', 'sender', 'box'])
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('id', '=', p.name), row('claimed_id', '=', p.name)]))
    .orderBy('id', 'desc')
    .limit(1),
);
const insertMessage = statement<MessageTable>()((db, p) =>
  db
    .insertInto('message')
    .values(
      pick(
        p,
        ...([
          'id',
          'workspace_id',
          'box',
          'sender',
          'sender_name',
          'type',
          'subject',
          'content',
          'priority',
          'rank',
          'state',
          'digest',
          'fold_key',
          'folded',
          'claimed_id',
          'claimed_at',
          'clock_off',
          'reply_to',
          'thread',
          'amends',
          'origin',
          'actor',
          'file',
          'original',
          'needs_ack',
          'ack_by',
          'expires_at',
          'arrived_at',
          'delivered_at',
          'run_id',
          'read_at',
          'acked_at',
          'acked_by',
          'only_run',
          'failures',
          'escalations',
          'reported_at',
        ] as const),
      ),
    ),
);
const acknowledge = statement<{ id: string; by: string; now: number }>()((db, p) =>
  db
    .updateTable('message')
    .set({ state: 'acked', acked_at: p.now, acked_by: p.by, read_at: sql<number>`coalesce(read_at, ${p.now})` })
    .where('id', '=', p.id)
    .where('state', 'in', ['queued', 'delivered', 'read'])
    .returningAll(),
);
const markRead = statement<{ id: string; now: number }>()((db, p) =>
  db.updateTable('message').set({ state: 'read', read_at: p.now }).where('id', '=', p.id).where('state', 'in', ['queued', 'delivered']).returningAll(),
);
const inBox = statement<OfBox & { limit: number }>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('box', '=', p.box)
    .orderBy('arrived_at', 'desc')
    .orderBy('id', 'desc')
    .limit(p.limit),
);
const openInBox = statement<OfBox & { limit: number }>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('box', '=', p.box)
    .where('state', '=', 'queued')
    .orderBy('rank')
    .orderBy('id')
    .limit(p.limit),
);
const byId = statement<{ workspaceId: string; id: string }>()((db, p) =>
  db.selectFrom('message').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id),
);
const inThread = statement<{ workspaceId: string; thread: string }>()((db, p) =>
  db.selectFrom('message').selectAll().where('workspace_id', '=', p.workspaceId).where('thread', '=', p.thread).orderBy('arrived_at').orderBy('id').limit(500),
);
const countsByBox = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select(({ fn, ref }) => [ref('box').as('box'), ref('state').as('state'), fn.countAll<number>().as('n'), fn.min('arrived_at').as('oldest')])
    .where('workspace_id', '=', p.workspaceId)
    .groupBy(['box', 'state']),
);

const DAY_MS = 86_400_000;

/** Takes messages, each into its box, once. One that waits for an answer takes it with its replyTo. */
export const takeMessages = txOp(
  'inbox.take',
  function* (tx, { workspaceId, messages }: { workspaceId: string; messages: readonly NewMessage[] }): OpSteps<Taken[]> {
    const taken: Taken[] = [];
    for (const message of messages) taken.push(yield* takeMessage(tx, workspaceId, message));
    return taken;
  },
  { worker: true },
);

export function* takeMessage(tx: Tx, workspaceId: string, message: NewMessage): OpSteps<Taken> {
  const { box, sender, file, key } = message;
  const digest = key === undefined ? digestOf(message) : `key:${key}`;
  const known = yield* tx.one(byDigest, { workspaceId, box, digest });
  if (known) {
    if (file !== undefined && known.file === null) yield* tx.run(moveFile, { id: known.id, file });
    return { id: known.id, fate: 'duplicate', file: known.file ?? file ?? null };
  }
  const joined = yield* joinDigest(tx, workspaceId, message);
  if (joined) return { id: joined, fate: 'folded', file: null };
  const edited = file === undefined ? undefined : yield* tx.one(byFile, { workspaceId, file });
  const foldKey = foldKeyOf(message, sender);
  const equal = foldKey === null || edited ? undefined : yield* tx.one(openFold, { workspaceId, box, foldKey });
  const answered = message.replyTo === null ? undefined : yield* tx.one(byClaimedId, { workspaceId, name: message.replyTo });
  const id = tx.newId('msg');
  const row: MessageTable = {
    id,
    workspace_id: workspaceId,
    box,
    sender,
    sender_name: message.from,
    type: message.type,
    subject: message.subject,
    content: JSON.stringify(message.content ?? null),
    priority: message.priority,
    rank: rankOf(message.priority, tx.now),
    state: equal || message.isSettled ? 'read' : 'queued',
    digest,
    fold_key: foldKey,
    folded: 0,
    claimed_id: message.claimedId,
    claimed_at: message.claimedAt,
    clock_off: isClockOff(message.claimedAt, tx.now) ? 1 : 0,
    reply_to: answered?.id ?? message.replyTo,
    thread: answered?.thread ?? message.thread ?? id,
    amends: edited?.id ?? null,
    origin: message.origin,
    actor: message.actor,
    file: file ?? null,
    original: message.original ?? null,
    needs_ack: message.needsAnswer ? 1 : 0,
    ack_by: message.isSettled ? null : ackBy(message, tx.now),
    expires_at: message.expiresInMs === undefined ? null : tx.now + message.expiresInMs,
    arrived_at: tx.now,
    delivered_at: null,
    run_id: null,
    read_at: equal || message.isSettled ? tx.now : null,
    acked_at: null,
    acked_by: null,
    only_run: message.onlyRun ?? null,
    failures: 0,
    escalations: 0,
    reported_at: message.expiresInMs === undefined ? null : tx.now, // what expires by itself is missed by nobody
  };
  yield* tx.run(insertMessage, row);
  if (edited) yield* tx.run(moveFile, { id: edited.id, file: null });
  if (equal) yield* tx.run(fold, { id: equal.id });
  if (answered && answered.box === sender) yield* ack(tx, answered.id, sender);
  yield* appendMessageEvent(tx, row, message.actor);
  return { id, fate: edited ? 'amendment' : equal ? 'folded' : 'new', file: file ?? null };
}

/** A claimed deadline counts when it lies ahead; a request without one is due within a day. */
function ackBy({ needsAnswer, answerBy, ackByMs }: NewMessage, now: number): number | null {
  if (ackByMs !== undefined) return now + ackByMs;
  if (!needsAnswer) return null;
  const claimed = instantOf(answerBy);
  return claimed !== null && claimed > now ? claimed : now + DAY_MS;
}

function* ack(tx: Tx, id: string, by: string): OpSteps<MessageTable | undefined> {
  const row = yield* tx.one(acknowledge, { id, by, now: tx.now });
  if (row) yield* appendMessageEvent(tx, row, by);
  return row;
}

interface Named {
  readonly workspaceId: string;
  /** The gateway's id, or the one its writer gave. */
  readonly name: string;
}

/** @throws Fault `message.not_found` */
function* find(tx: Tx, { workspaceId, name }: Named): OpSteps<MessageTable> {
  const known = yield* tx.one(byClaimedId, { workspaceId, name });
  const row = known && (yield* tx.one(byId, { workspaceId, id: known.id }));
  if (!row) throw fault('message.not_found', { name });
  return row;
}

/** Whether somebody may see or settle a message: the owner, and those it is for or from. */
function* reach(tx: Tx, { box, ...named }: Named & { readonly box: string | null }): OpSteps<MessageTable> {
  const row = yield* find(tx, named);
  if (box !== null && row.box !== box && row.sender !== box) throw fault('message.not_found', { name: named.name });
  return row;
}

type Settling = Named & { readonly box: string | null; readonly by: string };

export const ackMessage = txOp(
  'inbox.ack',
  function* (tx, { by, ...named }: Settling): OpSteps<MessageView> {
    const row = yield* reach(tx, named);
    return viewMessage((yield* ack(tx, row.id, by)) ?? row);
  },
  { worker: true },
);

/** One message whole. Read by the one it is for, it counts as read. */
export const readMessage = txOp(
  'inbox.read',
  function* (tx, { by, ...named }: Settling): OpSteps<MessageView & { readonly original: string | null }> {
    const row = yield* reach(tx, named);
    const read = named.box === row.box ? yield* tx.one(markRead, { id: row.id, now: tx.now }) : undefined;
    if (read) yield* appendMessageEvent(tx, read, by);
    return { ...viewMessage(read ?? row), original: row.original };
  },
  { worker: true },
);

export const listMessages = readOp(
  'inbox.list',
  function* (tx, { all, ...of }: OfBox & { readonly all: boolean; readonly limit: number }): OpSteps<MessageView[]> {
    return (yield* tx.all(all ? inBox : openInBox, of)).map(viewMessage);
  },
  { worker: true },
);

export const messageThread = readOp(
  'inbox.thread',
  function* (tx, named: Named & { readonly box: string | null }): OpSteps<MessageView[]> {
    const { thread } = yield* reach(tx, named);
    return (yield* tx.all(inThread, { workspaceId: named.workspaceId, thread })).map(viewMessage);
  },
  { worker: true },
);

export interface BoxCount {
  readonly box: string;
  readonly counts: Readonly<Partial<Record<MessageState, number>>>;
  readonly oldestQueuedAt: number | null;
}

export const countBoxes = readOp('inbox.boxes', function* (tx, of: { workspaceId: string }): OpSteps<BoxCount[]> {
  const boxes = new Map<string, { counts: Partial<Record<MessageState, number>>; oldestQueuedAt: number | null }>();
  for (const { box, state, n, oldest } of yield* tx.all(countsByBox, of)) {
    const found = boxes.get(box) ?? { counts: {}, oldestQueuedAt: null };
    boxes.set(box, found);
    found.counts[state] = Number(n);
    if (state === 'queued') found.oldestQueuedAt = Number(oldest);
  }
  return [...boxes].map(([box, found]) => ({ box, ...found })).sort((a, b) => (a.box < b.box ? -1 : 1));
});
