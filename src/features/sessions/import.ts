// Sessions of the original taken over with their transcripts: under their own ids, so that a second import adds only what is new.

import type { EntryBody } from '../../domain/transcript.ts';
import { type OpSteps, statement, txOp } from '../../ports/store.ts';
import { appendEntries, byKey, insertSessionRow, sessionById } from './ops.ts';

export interface ImportedSession {
  readonly id: string;
  readonly key: string;
  readonly agentId: string;
  readonly label: string | null;
  readonly spawnedBy: string | null;
  readonly updatedAt: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly contextTokens: number;
  readonly lastModel: string | null;
  /** All messages of its transcript that can be read, in order. */
  readonly entries: readonly EntryBody[];
}

const importedOf = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db.selectFrom('setting').select('value').where('workspace_id', '=', p.workspaceId).where('name', '=', p.name),
);
const noteImported = statement<{ workspaceId: string; name: string; value: string; now: number }>()((db, p) =>
  db
    .insertInto('setting')
    .values({ workspace_id: p.workspaceId, name: p.name, value: p.value, updated_at: p.now })
    .onConflict((clash) => clash.columns(['workspace_id', 'name']).doUpdateSet({ value: p.value, updated_at: p.now })),
);
const labelTaken = statement<{ workspaceId: string; label: string }>()((db, p) =>
  db.selectFrom('session').select('id').where('workspace_id', '=', p.workspaceId).where('label', '=', p.label).where('archived_at', 'is', null),
);

export type ImportFate = 'new' | 'grown' | 'known' | 'used';

/** `used`: somebody has gone on with it here, so that later lines of the original do not follow any more. */
export const importSession = txOp('sessions.import', function* (tx, { workspaceId, session }: { workspaceId: string; session: ImportedSession }): OpSteps<{
  fate: ImportFate;
  entries: number;
}> {
  const { id, key, entries, label } = session;
  const name = `imported:${id}`;
  const before = yield* tx.one(sessionById, { workspaceId, id });
  if (before) {
    const taken = Number((yield* tx.one(importedOf, { workspaceId, name }))?.value ?? 0);
    if (entries.length <= taken) return { fate: 'known', entries: 0 };
    if (before.last_seq !== taken) return { fate: 'used', entries: 0 };
    yield* appendEntries(tx, id, null, entries.slice(taken));
    yield* tx.run(noteImported, { workspaceId, name, value: String(entries.length), now: tx.now });
    return { fate: 'grown', entries: entries.length - taken };
  }
  const holder = yield* tx.one(byKey, { workspaceId, key });
  const isLabelFree = label !== null && !(yield* tx.one(labelTaken, { workspaceId, label }));
  yield* tx.run(insertSessionRow, {
    id,
    workspace_id: workspaceId,
    key,
    agent_id: session.agentId,
    label: isLabelFree && !holder ? label : null,
    model_override: null,
    last_seq: 0,
    input_tokens: session.inputTokens,
    output_tokens: session.outputTokens,
    context_tokens: session.contextTokens,
    last_model: session.lastModel,
    aborted_last_run: 0,
    created_at: session.updatedAt,
    updated_at: session.updatedAt,
    settings: '{}',
    spawned_by: session.spawnedBy,
    context_from: 1,
    archived_at: holder ? tx.now : null, // the key is in use here: it stays readable by its id
    route: null,
  });
  if (entries.length > 0) yield* appendEntries(tx, id, null, entries);
  yield* tx.run(noteImported, { workspaceId, name, value: String(entries.length), now: tx.now });
  return { fate: 'new', entries: entries.length };
});
