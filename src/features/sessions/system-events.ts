// Things an agent should hear of: kept with the session until its next turn tells them, once.

import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';

interface OfSession {
  readonly workspaceId: string;
  readonly sessionKey: string;
}

const insertEvent = statement<OfSession & { id: string; text: string; now: number }>()((db, p) =>
  db.insertInto('system_event').values({ id: p.id, workspace_id: p.workspaceId, session_key: p.sessionKey, text: p.text, at: p.now, run_id: null }),
);
const untold = statement<OfSession & { limit: number }>()((db, p) =>
  db
    .selectFrom('system_event')
    .select(['id', 'text', 'at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('session_key', '=', p.sessionKey)
    .where('run_id', 'is', null)
    .orderBy('at')
    .orderBy('id')
    .limit(p.limit),
);
const allUntold = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db
    .selectFrom('system_event')
    .select(['text', 'session_key', 'at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('run_id', 'is', null)
    .orderBy('at')
    .orderBy('id')
    .limit(p.limit),
);
const markTold = statement<{ id: string; runId: string }>()((db, p) => db.updateTable('system_event').set({ run_id: p.runId }).where('id', '=', p.id));

const PER_TURN = 50;
const LISTED = 100;

export function* noteSystemEvent(tx: Tx, event: OfSession & { readonly text: string }): OpSteps<void> {
  yield* tx.run(insertEvent, { ...event, id: tx.newId('sev'), now: tx.now });
}

/** Takes what waits for the session, for the turn that tells it: one line each, oldest first, or an empty text. */
export function* tellSystemEvents(tx: Tx, { runId, ...of }: OfSession & { readonly runId: string }): OpSteps<string> {
  const events = yield* tx.all(untold, { ...of, limit: PER_TURN });
  for (const { id } of events) yield* tx.run(markTold, { id, runId });
  return events.map(({ text, at }) => `System: [${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC] ${text}`).join('\n');
}

export interface SystemEvent {
  readonly text: string;
  readonly sessionKey: string;
  readonly at: number;
}

/** Events that no turn has told yet. */
export const pendingSystemEvents = readOp('sessions.systemEvents', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<SystemEvent[]> {
  return (yield* tx.all(allUntold, { workspaceId, limit: LISTED })).map(({ text, session_key, at }) => ({ text, sessionKey: session_key, at }));
});
