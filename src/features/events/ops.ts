// The event log: append inside any op, seal at commit, read from a cursor.

import type { EventBody, SealedEvent } from '../../domain/event.ts';
import { sha256Hex } from '../../kit/id.ts';
import { canonicalJson } from '../../kit/lines.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { EventTable } from '../../ports/tables.ts';

export interface NewEvent {
  readonly workspaceId: string;
  readonly stream: string;
  readonly actor: string;
  readonly sessionKey?: string | null;
  readonly runKey?: string | null;
  readonly body: EventBody;
}

const nextSeq = statement<{ name: string; workspaceId: string }>()((db, p) =>
  db
    .insertInto('stream')
    .values({ name: p.name, workspace_id: p.workspaceId, seq: 1 })
    .onConflict((clash) => clash.columns(['workspace_id', 'name']).doUpdateSet((row) => ({ seq: row('stream.seq', '+', 1) }))),
);
/** Takes its number from its stream: nobody waits for an answer between the two. */
const insertEvent = statement<Omit<EventTable, 'seq' | 'sealed_seq' | 'hash'>>()((db, p) =>
  db.insertInto('event').values((row) => ({
    ...pick(p, 'stream', 'workspace_id', 'actor', 'session_key', 'run_key', 'body', 'at', 'ord'),
    seq: row.selectFrom('stream').select('stream.seq').where('stream.workspace_id', '=', p.workspace_id).where('stream.name', '=', p.stream),
    sealed_seq: null,
    hash: null,
  })),
);
const unsealed = statement<Record<never, never>>()((db) => db.selectFrom('event').selectAll().where('sealed_seq', 'is', null).orderBy('ord'));
const sealEvent = statement<{ workspaceId: string; stream: string; seq: number; sealedSeq: number; hash: string }>()((db, p) =>
  db
    .updateTable('event')
    .set({ sealed_seq: p.sealedSeq, hash: p.hash })
    .where('workspace_id', '=', p.workspaceId)
    .where('stream', '=', p.stream)
    .where('seq', '=', p.seq),
);
const chainHead = statement<Record<never, never>>()((db) => db.selectFrom('chain').select(['sealed_seq', 'hash']).where('id', '=', 1));
const moveHead = statement<{ workspaceId: string; sealedSeq: number; hash: string }>()((db, p) =>
  db
    .insertInto('chain')
    .values({ id: 1, workspace_id: p.workspaceId, sealed_seq: p.sealedSeq, hash: p.hash })
    .onConflict((clash) => clash.column('id').doUpdateSet({ sealed_seq: p.sealedSeq, hash: p.hash })),
);
const sealedAfter = statement<{ workspaceId: string; after: number; limit: number }>()((db, p) =>
  db.selectFrom('event').selectAll().where('workspace_id', '=', p.workspaceId).where('sealed_seq', '>', p.after).orderBy('sealed_seq').limit(p.limit),
);

/** Appends to a stream. The event is public once the sealer has numbered it. */
export function* appendEvent(tx: Tx, event: NewEvent): OpSteps<void> {
  yield* tx.run(nextSeq, { name: event.stream, workspaceId: event.workspaceId });
  yield* tx.run(insertEvent, {
    stream: event.stream,
    workspace_id: event.workspaceId,
    actor: event.actor,
    session_key: event.sessionKey ?? null,
    run_key: event.runKey ?? null,
    body: JSON.stringify(event.body),
    at: tx.now,
    ord: tx.nextOrder(),
  });
}

/** Numbers and chains everything appended since the last seal. Run by the engine: at COMMIT on SQLite. */
export const sealEvents = txOp('events.seal', function* (tx): OpSteps<SealedEvent[]> {
  const rows = yield* tx.all(unsealed, {});
  if (rows.length === 0) return [];
  const head = yield* tx.one(chainHead, {});
  let { sealed_seq: sealedSeq, hash } = head ?? { sealed_seq: 0, hash: '' };
  const sealed: SealedEvent[] = [];
  for (const row of rows) {
    sealedSeq += 1;
    hash = chainHash(hash, row);
    yield* tx.run(sealEvent, { workspaceId: row.workspace_id, stream: row.stream, seq: row.seq, sealedSeq, hash });
    sealed.push(toSealed({ ...row, sealed_seq: sealedSeq, hash }));
  }
  yield* tx.run(moveHead, { workspaceId: rows[0]?.workspace_id ?? '', sealedSeq, hash });
  return sealed;
});

/** hash(n) = sha256(hash(n-1) ‖ canonical(event n)). */
export function chainHash(previous: string, { workspace_id, stream, seq, actor, session_key, run_key, body, at }: Omit<EventTable, 'ord'>): string {
  return sha256Hex(previous + canonicalJson({ workspace_id, stream, seq, actor, session_key, run_key, body, at }));
}

export const eventsSince = readOp('events.since', function* (tx, { workspaceId, after, limit }: { workspaceId: string; after: number; limit: number }): OpSteps<
  SealedEvent[]
> {
  const rows = yield* tx.all(sealedAfter, { workspaceId, after, limit });
  return rows.map(toSealed);
});

const publicAfter = statement<{ after: number; limit: number }>()((db, p) =>
  db.selectFrom('event').selectAll().where('sealed_seq', '>', p.after).orderBy('sealed_seq').limit(p.limit),
);

/** Number of the newest public event, 0 before the first. */
export function* newestEvent(tx: Tx): OpSteps<number> {
  return (yield* tx.one(chainHead, {}))?.sealed_seq ?? 0;
}

/** What has become public in any workspace, for the engine to hand on; without a cursor only the newest one. */
export const followEvents = readOp('events.follow', function* (tx, { after, limit }: { after: number | null; limit: number }): OpSteps<{
  events: SealedEvent[];
  head: number;
}> {
  const head = yield* newestEvent(tx);
  const rows = after === null || after >= head ? [] : yield* tx.all(publicAfter, { after, limit });
  return { events: rows.map(toSealed), head };
});

export const eventCursor = readOp('events.cursor', newestEvent);

function toSealed(row: EventTable): SealedEvent {
  return {
    workspaceId: row.workspace_id,
    stream: row.stream,
    seq: row.seq,
    sealedSeq: row.sealed_seq ?? 0,
    at: row.at,
    actor: row.actor,
    sessionKey: row.session_key,
    runKey: row.run_key,
    body: JSON.parse(row.body) as EventBody, // written by appendEvent
    hash: row.hash ?? '',
  };
}
