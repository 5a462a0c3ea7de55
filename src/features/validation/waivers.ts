// A human lets a gate fail, for a reason and a time. It stands on the page of the proof.

import { fault } from '../../domain/fault-codes.ts';
import { NEVER_WAIVED, type Waiver } from '../../domain/proof.ts';
import { isClosed } from '../../domain/task.ts';
import { type OpSteps, txOp } from '../../ports/store.ts';
import { findTask, type TaskView, updateTask, viewTask } from '../tasks/rows.ts';
import { evidence, type NamedTask, placeOf, WAIVER } from './rows.ts';

/** It holds for the next proof of the task. @throws Fault `task.not_found`, `task.refused` */
export const waiveGate = txOp('validation.waive', function* (tx, { waiver, ...named }: NamedTask & { waiver: Waiver }): OpSteps<TaskView> {
  const task = yield* findTask(tx, named);
  const refuse = (rule: string) => fault('task.refused', { name: task.name, to: `free of ${waiver.gate}`, rule });
  if (NEVER_WAIVED.includes(waiver.gate)) throw refuse('without it there is nothing to judge');
  if (isClosed(task.state)) throw refuse(`a task that is ${task.state} stays so`);
  yield* evidence(tx, placeOf(task), { kind: WAIVER, producedBy: 'human', body: waiver });
  return viewTask(yield* updateTask(tx, task, {}, waiver.actor, `${waiver.gate} waived: ${waiver.reason}`));
});
