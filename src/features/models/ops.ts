// Which models a credential was refused, so that it is not tried again for a while.

import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';

const liveRefusals = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db.selectFrom('refusal').select(['credential', 'model', 'reason']).where('workspace_id', '=', p.workspaceId).where('until', '>', p.now),
);
const upsertRefusal = statement<{ credential: string; model: string; workspaceId: string; reason: string; until: number }>()((db, p) =>
  db
    .insertInto('refusal')
    .values({ credential: p.credential, model: p.model, workspace_id: p.workspaceId, reason: p.reason, until: p.until })
    .onConflict((clash) => clash.columns(['workspace_id', 'credential', 'model']).doUpdateSet({ reason: p.reason, until: p.until })),
);

export interface Refusal {
  readonly credential: string;
  readonly model: string;
  readonly reason: string;
}

export const listRefusals = readOp(
  'models.refusals',
  function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<Refusal[]> {
    return yield* tx.all(liveRefusals, { workspaceId, now: tx.now });
  },
  { worker: true },
);

/** Remembers for `forMs` that a credential may not use a model. */
export const noteRefusal = txOp(
  'models.noteRefusal',
  function* (tx, { forMs, ...refusal }: Refusal & { workspaceId: string; forMs: number }): OpSteps<void> {
    yield* tx.run(upsertRefusal, { ...refusal, until: tx.now + forMs });
  },
  { worker: true },
);
