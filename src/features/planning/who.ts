// Who somebody is when a plan is made or changed: looked up, never taken from what is said.

import type { Planner } from '../../domain/plan.ts';
import type { RunInput } from '../../domain/run.ts';
import type { OpSteps, Tx } from '../../ports/store.ts';
import { runById } from '../runs/rows.ts';
import { type Asker, authorOf } from '../validation/rows.ts';

/** Clients that have shown the gateway's token or a paired device, and the owner's own id in a channel. A hook, a schedule, a file, another agent is none of these. */
const BY_OWNER = /^(token|device|owner):/;

export function* plannerOf(tx: Tx, workspaceId: string, by: Asker): OpSteps<Planner> {
  const { actor, role, runId, sessionKey, family } = yield* authorOf(tx, workspaceId, by);
  if (family === 'human') return { actor, sessionKey, who: 'human', isOwners: true };
  const run = runId === null ? undefined : yield* tx.one(runById, { id: runId });
  const isOwners = run !== undefined && run.kind === 'turn' && run.depth === 0 && BY_OWNER.test(run.actor);
  return { actor, sessionKey, who: role ?? (isOwners ? 'assistant' : 'nobody'), isOwners };
}

/** What the run was asked, as it was said. */
export function* wordsOf(tx: Tx, runId: string): OpSteps<string> {
  const run = yield* tx.one(runById, { id: runId });
  return run ? (JSON.parse(run.input) as RunInput).message : ''; // written by enqueueRun
}
