// A proof or merge that ended without a judgement, however that came. It is nobody's fault: the task is blocked, and somebody is named who must act.

import type { RunInput, RunOutcome } from '../../domain/run.ts';
import type { TaskState } from '../../domain/task.ts';
import type { OpSteps, Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { blockForInfra } from './incidents.ts';
import { ACTOR, addVerdict, GATEWAY, moveRequest, requestOfRun } from './rows.ts';

const AT_WORK: ReadonlySet<TaskState> = new Set(['submitted', 'proving', 'in_validation', 'merging']);

export function* blockStalled(tx: Tx, { proof }: RunInput, run: RunTable, { text, error, stopReason }: RunOutcome): OpSteps<void> {
  const found = proof && proof.step !== 'replay' ? yield* requestOfRun(tx, proof.requestId) : undefined;
  if (!found || !AT_WORK.has(found.task.state)) return;
  const { request, task } = found;
  const why = text !== '' ? text : (error?.message ?? `run ${run.id} ended: ${stopReason}`);
  yield* addVerdict(tx, request, { layer: 0, word: 'BLOCKED', author: GATEWAY, reason: why, gates: [] });
  yield* tx.run(moveRequest, { ...request, state: 'superseded', settled_at: tx.now });
  yield* blockForInfra(tx, task, why, ACTOR);
}
