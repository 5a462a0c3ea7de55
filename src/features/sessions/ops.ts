// Sessions and their transcripts inside the store.

import { sql } from 'kysely';
import type { Entry, EntryBody } from '../../domain/transcript.ts';
import { type OpSteps, pick, readOp, statement, type Tx } from '../../ports/store.ts';
import type { SessionTable } from '../../ports/tables.ts';

export interface SessionKey {
  readonly workspaceId: string;
  readonly key: string;
}

export const byKey = statement<SessionKey>()((db, p) =>
  db.selectFrom('session').selectAll().where('workspace_id', '=', p.workspaceId).where('key', '=', p.key).where('archived_at', 'is', null),
);
export const sessionById = statement<{ workspaceId: string; id: string }>()((db, p) =>
  db.selectFrom('session').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id),
);
const insertSession = statement<{ id: string; workspaceId: string; key: string; agentId: string; now: number }>()((db, p) =>
  db
    .insertInto('session')
    .values({
      id: p.id,
      workspace_id: p.workspaceId,
      key: p.key,
      agent_id: p.agentId,
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
      settings: '{}',
      spawned_by: null,
      context_from: 1,
      archived_at: null,
      route: null,
    })
    .onConflict((clash) => clash.columns(['workspace_id', 'key']).where('archived_at', 'is', null).doNothing())
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
const matchingEntries = statement<{ sessionId: string; pattern: string; limit: number }>()((db, p) =>
  db
    .selectFrom('entry')
    .selectAll()
    .where('session_id', '=', p.sessionId)
    .where(sql<boolean>`lower(body) like ${p.pattern} escape '!'`)
    .orderBy('seq', 'desc')
    .limit(p.limit),
);
const recentSessions = statement<SessionFilter & { workspaceId: string; since: number; limit: number }>()((db, p) =>
  db
    .selectFrom('session')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('archived_at', 'is', null)
    .where('updated_at', '>=', p.since)
    .where(sql<boolean>`(agent_id = ${p.agentId} or ${p.agentId} is null)`)
    .where(sql<boolean>`(label = ${p.label} or ${p.label} is null)`)
    .where(sql<boolean>`(spawned_by = ${p.spawnedBy} or ${p.spawnedBy} is null)`)
    .where(sql<boolean>`(lower(key || ' ' || coalesce(label, '') || ' ' || id) like ${p.search} escape '!' or ${p.search} is null)`)
    .orderBy('updated_at', 'desc')
    .limit(p.limit),
);
const countSessions = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('session')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('workspace_id', '=', p.workspaceId)
    .where('archived_at', 'is', null),
);
const edgeEntry = statement<{ sessionId: string; kind: string }>()((db, p) =>
  db.selectFrom('entry').select('body').where('session_id', '=', p.sessionId).where('kind', '=', p.kind).orderBy('seq').limit(1),
);

/** The session of a key, made when it is new. */
export function* ensureSession(tx: Tx, { workspaceId, key, agentId }: SessionKey & { agentId: string }): OpSteps<SessionTable> {
  const existing = yield* tx.one(byKey, { workspaceId, key });
  if (existing) return existing;
  const id = tx.newId('sess');
  yield* tx.one(insertSession, { id, workspaceId, key, agentId, now: tx.now });
  const made = yield* tx.one(byKey, { workspaceId, key });
  if (!made) throw new Error(`session ${key} was not stored`);
  return made;
}

const archiveRow = statement<{ id: string; now: number }>()((db, p) => db.updateTable('session').set({ archived_at: p.now }).where('id', '=', p.id));
export const insertSessionRow = statement<SessionTable>()((db, p) =>
  db.insertInto('session').values({
    ...pick(
      p,
      'id',
      'workspace_id',
      'key',
      'agent_id',
      'label',
      'model_override',
      'last_seq',
      'input_tokens',
      'output_tokens',
      'context_tokens',
      'last_model',
      'aborted_last_run',
      'created_at',
      'updated_at',
      'settings',
      'spawned_by',
      'context_from',
      'archived_at',
      'route',
    ),
  }),
);

const labelHolder = statement<{ workspaceId: string; label: string }>()((db, p) =>
  db.selectFrom('session').select(['id', 'key']).where('workspace_id', '=', p.workspaceId).where('label', '=', p.label).where('archived_at', 'is', null),
);
const setNames = statement<{ id: string; label: string | null; spawnedBy: string | null }>()((db, p) =>
  db.updateTable('session').set({ label: p.label, spawned_by: p.spawnedBy }).where('id', '=', p.id),
);

/** The live session that has a label. */
export function* sessionWithLabel(tx: Tx, named: { workspaceId: string; label: string }): OpSteps<{ id: string; key: string } | undefined> {
  return yield* tx.one(labelHolder, named);
}

/** Says what a new session is called and who started it. A label that another session has is left out. */
export function* nameSession(tx: Tx, session: SessionTable, { label, spawnedBy }: { label: string | null; spawnedBy: string | null }): OpSteps<void> {
  const free = label !== null && !(yield* sessionWithLabel(tx, { workspaceId: session.workspace_id, label }));
  yield* tx.run(setNames, { id: session.id, label: free ? label : null, spawnedBy });
}

/** Its key is free again; the transcript stays readable by the session's id. */
export function* archiveSession(tx: Tx, { id }: SessionTable): OpSteps<void> {
  yield* tx.run(archiveRow, { id, now: tx.now });
}

/** The old row is archived with its transcript, a new one takes its key, label, model and settings. */
export function* renewSession(tx: Tx, old: SessionTable): OpSteps<SessionTable> {
  const counters = { last_seq: 0, input_tokens: 0, output_tokens: 0, context_tokens: 0, aborted_last_run: 0, context_from: 1 };
  const session: SessionTable = { ...old, ...counters, id: tx.newId('sess'), created_at: tx.now, updated_at: tx.now };
  yield* archiveSession(tx, old);
  yield* tx.run(insertSessionRow, session);
  return session;
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

export const getSession = readOp(
  'sessions.get',
  function* (tx, args: SessionKey): OpSteps<SessionTable | null> {
    return (yield* tx.one(byKey, args)) ?? null;
  },
  { worker: true },
);

/** Also one that was reset or deleted since. */
export const getSessionById = readOp(
  'sessions.byId',
  function* (tx, args: { workspaceId: string; id: string }): OpSteps<SessionTable | null> {
    return (yield* tx.one(sessionById, args)) ?? null;
  },
  { worker: true },
);

/** Null leaves a condition out. */
export interface SessionFilter {
  readonly agentId: string | null;
  readonly label: string | null;
  readonly spawnedBy: string | null;
  /** Part of a key, label or id. */
  readonly search: string | null;
}

export interface SessionPage {
  readonly total: number;
  readonly rows: readonly SessionTable[];
}

/** Newest first. `since` is the oldest activity to include, epoch ms; `total` counts all sessions, whatever the filter. */
export const listSessions = readOp(
  'sessions.list',
  function* (tx, { filter, ...args }: { workspaceId: string; since: number; limit: number; filter?: Partial<SessionFilter> }): OpSteps<SessionPage> {
    const { agentId = null, label = null, spawnedBy = null, search = null } = filter ?? {};
    const rows = yield* tx.all(recentSessions, { ...args, agentId, label, spawnedBy, search: search === null ? null : likePattern(search) });
    const counted = yield* tx.one(countSessions, { workspaceId: args.workspaceId });
    return { total: Number(counted?.count ?? 0), rows };
  },
  { worker: true },
);

function likePattern(text: string): string {
  return `%${text.toLowerCase().replace(/[!%_]/g, '!$&')}%`;
}

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
export const readLatestEntries = readOp(
  'sessions.latest',
  function* (tx, { workspaceId, key, limit }: SessionKey & { limit: number }): OpSteps<{ session: SessionTable | null; entries: Entry[] }> {
    const session = yield* tx.one(byKey, { workspaceId, key });
    if (!session) return { session: null, entries: [] };
    const rows = yield* tx.all(latestEntries, { sessionId: session.id, limit });
    return { session, entries: rows.reverse().map(toEntry) };
  },
  { worker: true },
);

/** The latest entries of a session that contain a text, oldest first: also those the model is no longer shown. */
export const searchEntries = readOp(
  'sessions.search',
  function* (tx, { workspaceId, key, text, limit }: SessionKey & { text: string; limit: number }): OpSteps<Entry[]> {
    const session = yield* tx.one(byKey, { workspaceId, key });
    if (!session) return [];
    return (yield* tx.all(matchingEntries, { sessionId: session.id, pattern: likePattern(text), limit })).reverse().map(toEntry);
  },
  { worker: true },
);

/** What a session began with and what was said last, for lists of sessions. */
export const sessionGist = readOp('sessions.gist', function* (tx, { ids }: { ids: readonly string[] }): OpSteps<SessionGist[]> {
  const gists: SessionGist[] = [];
  for (const sessionId of ids) {
    const first = yield* tx.one(edgeEntry, { sessionId, kind: 'user' });
    const latest = (yield* tx.all(latestEntries, { sessionId, limit: GIST_LOOK })).map((row) => JSON.parse(row.body) as EntryBody); // written by appendEntries
    const last = latest.find((body) => body.kind !== 'tool_result' && body.text !== '');
    gists.push({ id: sessionId, first: first ? textOf(JSON.parse(first.body) as EntryBody) : null, last: last ? textOf(last) : null }); // written by appendEntries
  }
  return gists;
});

export interface SessionGist {
  readonly id: string;
  readonly first: string | null;
  readonly last: string | null;
}

const GIST_LOOK = 12;
const GIST_CHARS = 400;

function textOf(body: EntryBody): string {
  return body.text.slice(0, GIST_CHARS);
}

function toEntry(row: { seq: number; run_id: string | null; at: number; body: string }): Entry {
  return { seq: row.seq, runId: row.run_id, at: row.at, body: JSON.parse(row.body) as EntryBody }; // written by appendEntries
}
