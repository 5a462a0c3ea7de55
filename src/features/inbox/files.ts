// Messages and their files: which file shows which message, and which may leave its box.

import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';
import type { MessageTable } from '../../ports/tables-team.ts';
import { appendMessageEvent } from './mail.ts';

const settledFiles = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db
    .selectFrom('message')
    .select(['id', 'box', 'file'])
    .where('workspace_id', '=', p.workspaceId)
    .where('file', 'is not', null)
    .where('state', 'not in', ['queued', 'delivered'])
    .orderBy('file')
    .limit(p.limit),
);
const openFiles = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('file', 'is not', null)
    .where('state', 'in', ['queued', 'delivered'])
    .orderBy('file'),
);
const withoutFile = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .where('file', 'is', null)
    .orderBy('id')
    .limit(p.limit),
);
const setFile = statement<{ id: string; file: string | null }>()((db, p) => db.updateTable('message').set({ file: p.file }).where('id', '=', p.id));
const takenByHand = statement<{ workspaceId: string; file: string; now: number }>()((db, p) =>
  db
    .updateTable('message')
    .set({ state: 'read', read_at: p.now, file: null })
    .where('workspace_id', '=', p.workspaceId)
    .where('file', '=', p.file)
    .where('state', 'in', ['queued', 'delivered'])
    .returningAll(),
);

const AT_ONCE = 500;

export type FiledMessage = MessageTable;

/** Files of settled messages: they may go to the archive. */
export const settledMessageFiles = readOp('inbox.settledFiles', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<
  { id: string; box: string; file: string | null }[]
> {
  return yield* tx.all(settledFiles, { workspaceId, limit: AT_ONCE });
});

/** Messages that wait, with the files that show them. */
export const openMessageFiles = readOp('inbox.openFiles', function* (tx, of: { workspaceId: string }): OpSteps<FiledMessage[]> {
  return yield* tx.all(openFiles, of);
});

/** Messages that wait and that no file shows yet. */
export const unshownMessages = readOp('inbox.unshown', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<FiledMessage[]> {
  return yield* tx.all(withoutFile, { workspaceId, limit: AT_ONCE });
});

/** Where the files of messages lie now; null when they have left their box. */
export const noteMessageFiles = txOp(
  'inbox.noteFiles',
  function* (tx, { files }: { files: readonly { readonly id: string; readonly file: string | null }[] }): OpSteps<void> {
    for (const file of files) yield* tx.run(setFile, file);
  },
);

/** Somebody took files out of a box by hand, as agents of old do when they have read them. */
export const takenFromBox = txOp(
  'inbox.takenByHand',
  function* (tx, { workspaceId, files }: { workspaceId: string; files: readonly string[] }): OpSteps<number> {
    let taken = 0;
    for (const file of files) {
      for (const row of yield* tx.all(takenByHand, { workspaceId, file, now: tx.now })) {
        yield* appendMessageEvent(tx, row, `file:${file}`);
        taken += 1;
      }
    }
    return taken;
  },
);
