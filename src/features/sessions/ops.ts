// Sessions and their transcripts inside the store.

import type { Entry, EntryBody } from '../../domain/transcript.ts';
import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';
import type { SessionTable } from '../../ports/tables.ts';

export interface SessionKey {
  readonly workspaceId: string;
  readonly key: string;
}

const byKey = statement<SessionKey>()((db, p) => db.selectFrom('session').selectAll().where('workspace_id', '=', p.workspaceId).where('key', '=', p.key));
const byIncarnation = statement<{ workspaceId: string; incarnation: string }>()((db, p) =>
  db.selectFrom('session').selectAll().where('workspace_id', '=', p.workspaceId).where('incarnation', '=', p.incarnation),
);
const insertSession = statement<{ id: string; workspaceId: string; key: string; agentId: string; incarnation: string; now: number }>()((db, p) =>
  db
    .insertInto('session')
    .values({
      id: p.id,
      workspace_id: p.workspaceId,
      key: p.key,
      agent_id: p.agentId,
      incarnation: p.incarnation,
      label: null,
      model_override: null,
      last_seq: 0,
      input_tokens: 0,
      output_tokens: 0,
      context_tokens: 0,
      last_model: null,
      aborted_last_run: 0,
      created_at: p.now,
      updated_at: p.now,
    })
    .onConflict((clash) => clash.columns(['workspace_id', 'key']).doNothing())
    .returningAll(),
);
const bumpSeq = statement<{ id: string; by: number; now: number }>()((db, p) =>
  db
    .updateTable('session')
    .set((row) => ({ last_seq: row('last_seq', '+', p.by), updated_at: p.now }))
    .where('id', '=', p.id)
    .returning(['last_seq', 'workspace_id']),
);
const insertEntry = statement<{ sessionId: string; seq: number; workspaceId: string; runId: string | null; kind: string; body: string; at: number }>()(
  (db, p) =>
    db.insertInto('entry').values({ session_id: p.sessionId, seq: p.seq, workspace_id: p.workspaceId, run_id: p.runId, kind: p.kind, body: p.body, at: p.at }),
);
const entriesAfter = statement<{ sessionId: string; after: number; limit: number }>()((db, p) =>
  db.selectFrom('entry').selectAll().where('session_id', '=', p.sessionId).where('seq', '>', p.after).orderBy('seq').limit(p.limit),
);
const latestEntries = statement<{ sessionId: string; limit: number }>()((db, p) =>
  db.selectFrom('entry').selectAll().where('session_id', '=', p.sessionId).orderBy('seq', 'desc').limit(p.limit),
);
const recentSessions = statement<{ workspaceId: string; since: number; limit: number }>()((db, p) =>
  db
    .selectFrom('session')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('updated_at', '>=', p.since)
    .orderBy('updated_at', 'desc')
    .limit(p.limit),
);
const countSessions = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('session')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('workspace_id', '=', p.workspaceId),
);

/** The session of a key, made when it is new. */
export function* ensureSession(tx: Tx, { workspaceId, key, agentId }: SessionKey & { agentId: string }): OpSteps<SessionTable> {
  const existing = yield* tx.one(byKey, { workspaceId, key });
  if (existing) return existing;
  const id = tx.newId('sess');
  yield* tx.one(insertSession, { id, workspaceId, key, agentId, incarnation: id, now: tx.now });
  const made = yield* tx.one(byKey, { workspaceId, key });
  if (!made) throw new Error(`session ${key} was not stored`);
  return made;
}

/** Appends entries to a session's log and returns the sequence of the first. */
export function* appendEntries(tx: Tx, sessionId: string, runId: string | null, bodies: readonly EntryBody[]): OpSteps<number> {
  const head = yield* tx.one(bumpSeq, { id: sessionId, by: bodies.length, now: tx.now });
  if (!head) throw new Error(`session ${sessionId} does not exist`);
  const first = head.last_seq - bodies.length + 1;
  for (const [i, body] of bodies.entries()) {
    yield* tx.run(insertEntry, {
      sessionId,
      seq: first + i,
      workspaceId: head.workspace_id,
      runId,
      kind: body.kind,
      body: JSON.stringify(body),
      at: tx.now,
    });
  }
  return first;
}

export const getSession = readOp('sessions.get', function* (tx, args: SessionKey): OpSteps<SessionTable | null> {
  return (yield* tx.one(byKey, args)) ?? null;
});

export const findSessionByIncarnation = readOp(
  'sessions.byIncarnation',
  function* (tx, args: { workspaceId: string; incarnation: string }): OpSteps<SessionTable | null> {
    return (yield* tx.one(byIncarnation, args)) ?? null;
  },
);

export interface SessionPage {
  readonly total: number;
  readonly rows: readonly SessionTable[];
}

/** Newest first. `since` is the oldest activity to include, epoch ms. */
export const listSessions = readOp('sessions.list', function* (tx, args: { workspaceId: string; since: number; limit: number }): OpSteps<SessionPage> {
  const rows = yield* tx.all(recentSessions, args);
  const counted = yield* tx.one(countSessions, { workspaceId: args.workspaceId });
  return { total: Number(counted?.count ?? 0), rows };
});

const PAGE = 2000;

/** Entries after a sequence, at most 2,000 a call, oldest first. */
export const readEntries = readOp(
  'sessions.entries',
  function* (tx, { sessionId, after }: { sessionId: string; after: number }): OpSteps<Entry[]> {
    return (yield* tx.all(entriesAfter, { sessionId, after, limit: PAGE })).map(toEntry);
  },
  { worker: true },
);

/** The latest entries of a session, oldest first. */
export const readLatestEntries = readOp('sessions.latest', function* (tx, { workspaceId, key, limit }: SessionKey & { limit: number }): OpSteps<{
  session: SessionTable | null;
  entries: Entry[];
}> {
  const session = yield* tx.one(byKey, { workspaceId, key });
  if (!session) return { session: null, entries: [] };
  const rows = yield* tx.all(latestEntries, { sessionId: session.id, limit });
  return { session, entries: rows.reverse().map(toEntry) };
});

function toEntry(row: { seq: number; run_id: string | null; at: number; body: string }): Entry {
  return { seq: row.seq, runId: row.run_id, at: row.at, body: JSON.parse(row.body) as EntryBody }; // written by appendEntries
}
