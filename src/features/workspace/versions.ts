// Every version of the files that agents share and overwrite: what a careless write drops is one command away.

import { fault } from '../../domain/fault-codes.ts';
import { sha256Hex } from '../../kit/id.ts';
import { type OpSteps, pick, readOp, statement, txOp } from '../../ports/store.ts';
import type { FileVersionTable } from '../../ports/tables-team.ts';

interface OfFile {
  readonly workspaceId: string;
  /** From the workspace's folder. */
  readonly path: string;
}

const latest = statement<OfFile>()((db, p) =>
  db.selectFrom('file_version').selectAll().where('workspace_id', '=', p.workspaceId).where('path', '=', p.path).orderBy('seq', 'desc').limit(1),
);
const insertVersion = statement<FileVersionTable>()((db, p) =>
  db.insertInto('file_version').values(pick(p, 'workspace_id', 'path', 'seq', 'hash', 'text', 'actor', 'note', 'at')),
);
const versionsOf = statement<OfFile>()((db, p) =>
  db
    .selectFrom('file_version')
    .select(['seq', 'hash', 'text', 'actor', 'note', 'at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('path', '=', p.path)
    .orderBy('seq', 'desc')
    .limit(500),
);
const oneVersion = statement<OfFile & { seq: number }>()((db, p) =>
  db.selectFrom('file_version').selectAll().where('workspace_id', '=', p.workspaceId).where('path', '=', p.path).where('seq', '=', p.seq),
);
const pathsLike = statement<{ workspaceId: string; like: string }>()((db, p) =>
  db
    .selectFrom('file_version')
    .select(({ fn, ref }) => [ref('path').as('path'), fn.max('seq').as('seq'), fn.max('at').as('at')])
    .where('workspace_id', '=', p.workspaceId)
    .where('path', 'like', p.like)
    .groupBy('path')
    .orderBy('path')
    .limit(5000),
);

export interface Kept {
  readonly seq: number;
  /** False when it is what was kept last. */
  readonly isNew: boolean;
  readonly before: { readonly text: string; readonly actor: string } | null;
}

export const keepVersion = txOp('workspace.keepVersion', function* (tx, { workspaceId, path, text, actor, note }: NewVersion): OpSteps<Kept> {
  const last = yield* tx.one(latest, { workspaceId, path });
  const hash = sha256Hex(text);
  const before = last ? { text: last.text, actor: last.actor } : null;
  if (last?.hash === hash) return { seq: last.seq, isNew: false, before };
  const seq = (last?.seq ?? 0) + 1;
  yield* tx.run(insertVersion, { workspace_id: workspaceId, path, seq, hash, text, actor, note: note ?? null, at: tx.now });
  return { seq, isNew: true, before };
});

interface NewVersion extends OfFile {
  readonly text: string;
  readonly actor: string;
  readonly note?: string;
}

export interface VersionView {
  readonly seq: number;
  readonly at: number;
  readonly actor: string;
  readonly note: string | null;
  readonly bytes: number;
}

/** The versions of a file, newest first. */
export const fileVersions = readOp('workspace.versions', function* (tx, of: OfFile): OpSteps<VersionView[]> {
  return (yield* tx.all(versionsOf, of)).map(({ seq, at, actor, note, text }) => ({ seq, at, actor, note, bytes: Buffer.byteLength(text) }));
});

/** One version, or the latest. @throws Fault `file.no_version` */
export const fileVersion = readOp('workspace.version', function* (tx, { seq, ...of }: OfFile & { readonly seq?: number }): OpSteps<
  VersionView & { text: string }
> {
  const row = seq === undefined ? yield* tx.one(latest, of) : yield* tx.one(oneVersion, { ...of, seq });
  if (!row) throw fault('file.no_version', { path: of.path });
  const { text, at, actor, note } = row;
  return { seq: row.seq, at, actor, note, bytes: Buffer.byteLength(text), text };
});

/** The files of which versions are kept. */
export const keptFiles = readOp('workspace.files', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<
  { path: string; versions: number; at: number }[]
> {
  return (yield* tx.all(pathsLike, { workspaceId, like: '%' })).map(({ path, seq, at }) => ({ path, versions: Number(seq), at: Number(at) }));
});

/** The latest progress note of a task, from wherever in progress/ it lies. */
export const progressOf = readOp(
  'workspace.progressOf',
  function* (
    tx,
    { workspaceId, task }: { workspaceId: string; task: string },
  ): OpSteps<{
    path: string;
    text: string;
  } | null> {
    const paths = yield* tx.all(pathsLike, { workspaceId, like: `scheduler/progress/%${task}.md` });
    const exact = paths.filter(({ path }) => path.split('/').at(-1) === `${task}.md`).toSorted((a, b) => Number(b.at) - Number(a.at))[0];
    const row = exact && (yield* tx.one(latest, { workspaceId, path: exact.path }));
    return row ? { path: row.path, text: row.text } : null;
  },
  { worker: true },
);
