// A proof once more from nothing: anybody can check what the gateway has judged. It changes nothing.

import { fault } from '../../domain/fault-codes.ts';
import type { GateResult } from '../../domain/proof.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import { type OpSteps, txOp } from '../../ports/store.ts';
import { endRun } from '../runs/end.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { type Held, heldRun } from '../runs/lease-ops.ts';
import { findTask } from '../tasks/rows.ts';
import { ACTOR, evidenceOf, type NamedTask, proofRun, requestById } from './rows.ts';

/** @throws Fault `task.not_found`, `task.unproved` */
export const replayProof = txOp('validation.replay', function* (tx, named: NamedTask): OpSteps<{ runKey: string }> {
  const task = yield* findTask(tx, named);
  const request = task.request_id === null ? undefined : yield* tx.one(requestById, { id: task.request_id });
  const isProved = request && (yield* tx.all(evidenceOf, { requestId: request.id })).some(({ kind }) => kind === 'gate');
  if (!isProved) throw fault('task.unproved', { name: task.name });
  const id = tx.newId('run');
  const run = proofRun(task, id, { requestId: request.id, step: 'replay' });
  yield* enqueueRun(tx, { ...run, runKey: `${run.runKey}:${id}` });
  return { runKey: `${run.runKey}:${id}` };
});

export interface Replay {
  readonly same: boolean;
  readonly gates: readonly { readonly gate: string; readonly before: string; readonly again: string; readonly why: string }[];
}

/** Gate by gate, what was seen then and now. Ends the run. */
export const settleReplay = txOp(
  'validation.settleReplay',
  function* (tx, { requestId, again, ...held }: Held & { requestId: string; again: readonly GateResult[] }): OpSteps<void> {
    const run = yield* heldRun(tx, held);
    const seen = (yield* tx.all(evidenceOf, { requestId })).filter(({ kind }) => kind === 'gate').map(({ body }) => JSON.parse(body) as GateResult); // written by recordGate
    const before = [...seen.filter(({ gate }) => gate !== 'G8'), ...seen.filter(({ gate }) => gate === 'G8').slice(-1)];
    const count = Math.max(before.length, again.length);
    const gates = Array.from({ length: count }, (_, i) => {
      const [then, now] = [before[i], again[i]];
      return { gate: now?.gate ?? then?.gate ?? '', before: then?.result ?? 'not asked', again: now?.result ?? 'not asked', why: now?.why ?? '' };
    });
    const isSame = gates.every((gate, i) => gate.before === gate.again && before[i]?.digest === again[i]?.digest);
    const text = JSON.stringify({ same: isSame, gates } satisfies Replay);
    yield* endRun(tx, run, { state: 'succeeded', attempt: 'done', actor: ACTOR, outcome: { text, stopReason: 'stop', usage: NO_USAGE, steps: count } });
  },
  { worker: true },
);
