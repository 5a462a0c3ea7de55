// Things an agent should hear of: kept with the session until its next turn tells them, once.

import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';

interface OfSession {
  readonly workspaceId: string;
  readonly sessionKey: string;
}

const insertEvent = statement<OfSession & { id: string; text: string; resultOf: string | null; now: number }>()((db, p) =>
  db
    .insertInto('system_event')
    .values({ id: p.id, workspace_id: p.workspaceId, session_key: p.sessionKey, text: p.text, at: p.now, run_id: null, result_of: p.resultOf }),
);
const untold = statement<OfSession & { limit: number }>()((db, p) =>
  db
    .selectFrom('system_event')
    .select(['id', 'text', 'at', 'result_of'])
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

const resultTold = statement<{ resultOf: string; runId: string }>()((db, p) =>
  db.updateTable('system_event').set({ run_id: p.runId }).where('result_of', '=', p.resultOf).where('run_id', 'is', null),
);
const untoldResult = statement<OfSession>()((db, p) =>
  db
    .selectFrom('system_event')
    .select('id')
    .where('workspace_id', '=', p.workspaceId)
    .where('session_key', '=', p.sessionKey)
    .where('run_id', 'is', null)
    .where('result_of', 'is not', null)
    .limit(1),
);

const PER_TURN = 50;
const LISTED = 100;

interface NewEvent extends OfSession {
  readonly text: string;
  /** The run whose result it is: somebody counts on it, and it is told word by word. */
  readonly resultOf?: string;
}

export function* noteSystemEvent(tx: Tx, { resultOf, ...event }: NewEvent): OpSteps<void> {
  yield* tx.run(insertEvent, { ...event, resultOf: resultOf ?? null, id: tx.newId('sev'), now: tx.now });
}

/** Takes what waits for the session, for the turn that tells it: results, then one line for each event, oldest first, or an empty text. */
export function* tellSystemEvents(tx: Tx, { runId, ...of }: OfSession & { readonly runId: string }): OpSteps<string> {
  const events = yield* tx.all(untold, { ...of, limit: PER_TURN });
  for (const { id } of events) yield* tx.run(markTold, { id, runId });
  const results = events.filter(({ result_of }) => result_of !== null).map(({ text }) => text);
  const lines = events
    .filter(({ result_of }) => result_of === null)
    .map(({ text, at }) => `System: [${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC] ${text}`);
  return [...results, ...(lines.length > 0 ? [lines.join('\n')] : [])].join('\n\n');
}

export function* hasUntoldEvents(tx: Tx, of: OfSession): OpSteps<boolean> {
  return (yield* tx.all(untold, { ...of, limit: 1 })).length > 0;
}

/** The result of a run stands in the transcript of the run that waited for it: nobody has to be told again. */
export function* markResultTold(tx: Tx, told: { readonly resultOf: string; readonly runId: string }): OpSteps<void> {
  yield* tx.run(resultTold, told);
}

export function* hasUntoldResults(tx: Tx, of: OfSession): OpSteps<boolean> {
  return (yield* tx.one(untoldResult, of)) !== undefined;
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
