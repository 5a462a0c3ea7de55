// Verdicts of layers 2 and 3, and the rules that refuse them.

import { fault } from '../../domain/fault-codes.ts';
import { type Author, decideVerdict, type VerdictWord } from '../../domain/trust.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import { findTask, type TaskView, updateTask, viewTask } from '../tasks/rows.ts';
import { afterLayer2, gateOfChecks } from './held-out.ts';
import { blockForInfra } from './incidents.ts';
import { beginMerge } from './merging.ts';
import { policyHash } from './prove.ts';
import { type Asker, addVerdict, authorOf, moveRequest, type NamedTask, needsChecks, requestOfRun, sendBack, taskById, verdictsOf, waiversOf } from './rows.ts';
import type { TaskSpec } from './spec.ts';

interface Judging extends NamedTask {
  readonly layer: 2 | 3;
  readonly word: VerdictWord;
  readonly commit: string;
  readonly reason: string;
  readonly by: Asker;
  readonly isOneFamily: boolean;
}

/** A verdict of layer 2 or 3, or the rule that refuses it. @throws Fault `task.not_found`, `verdict.refused` */
export const giveVerdict = txOp(
  'validation.verdict',
  function* (tx, { layer, word, commit, reason, by, isOneFamily, ...named }: Judging): OpSteps<TaskView> {
    const task = yield* findTask(tx, named);
    const author = yield* authorOf(tx, named.workspaceId, by);
    const found = task.request_id === null ? undefined : yield* requestOfRun(tx, task.request_id);
    if (!found) throw fault('verdict.refused', { name: task.name, rule: 'nothing is submitted' });
    const { request, spec } = found;
    const given = yield* tx.all(verdictsOf, { requestId: request.id });
    const isRepeated = given.some(
      (one) => one.layer === layer && one.word === word && one.commit_id === request.head && (JSON.parse(one.author) as Author).actor === author.actor,
    ); // written by addVerdict
    if (isRepeated) return viewTask(task);
    const passes = (wanted: number) => given.some((one) => one.layer === wanted && one.word === 'PASS' && one.commit_id === request.head);
    const decision = decideVerdict({
      layer,
      risk: spec.policy.risk,
      author,
      worker: JSON.parse(request.worker) as Author, // written by submitTask
      commit,
      head: request.head,
      policyHash: request.policy_hash,
      currentPolicyHash: policyHash(spec.policy),
      isProved: passes(0) && task.state === 'in_validation',
      hasLayer2: passes(2),
      isOneFamily,
    });
    if (!decision.ok) throw fault('verdict.refused', { name: task.name, rule: decision.rule });
    if (layer === 3) yield* checksDecide(tx, { name: task.name, taskId: task.id, spec, requestId: request.id, word, isHuman: author.family === 'human' });
    const gates = given.filter((one) => one.layer === 0).flatMap((one) => JSON.parse(one.gates) as string[]); // written by addVerdict
    yield* addVerdict(tx, request, { layer, word, author, reason, gates, note: decision.note });
    if (word !== 'PASS') {
      yield* tx.run(moveRequest, { ...request, state: 'settled', settled_at: tx.now });
      if (word === 'BLOCKED') return viewTask(yield* blockForInfra(tx, task, reason, author.actor));
      yield* sendBack(tx, task, request, `layer ${layer} says ${word}: ${reason}`);
      return viewTask((yield* tx.one(taskById, { id: task.id })) ?? task);
    }
    if (layer === 2) {
      yield* afterLayer2(tx, task, request, spec);
      return viewTask(yield* updateTask(tx, task, {}, author.actor, 'layer 2 passed'));
    }
    return viewTask(yield* beginMerge(tx, task, request));
  },
  { worker: true },
);

interface ByChecks {
  readonly name: string;
  readonly spec: TaskSpec;
  readonly taskId: string;
  readonly requestId: string;
  readonly word: VerdictWord;
  readonly isHuman: boolean;
}

/** From medium risk up no PASS without checks that pass; and an agent's FAIL counts when the gateway has seen it. */
function* checksDecide(tx: Tx, { name, taskId, spec, requestId, word, isHuman }: ByChecks): OpSteps<void> {
  const gate = yield* gateOfChecks(tx, requestId);
  const isWaived = (yield* waiversOf(tx, taskId)).some((waiver) => waiver.gate === 'G8');
  const refuse = (rule: string) => fault('verdict.refused', { name, rule });
  if (word === 'PASS' && gate?.result === 'fail' && !isWaived) throw refuse(`the held-out checks do not pass: ${gate.why}`);
  if (word === 'PASS' && needsChecks(spec) && gate === undefined && !isWaived) throw refuse('from medium risk up held-out checks come first (hold_out)');
  if (word !== 'PASS' && word !== 'BLOCKED' && !isHuman && gate?.result !== 'fail')
    throw refuse('a FAIL counts when the gateway has seen it: write a check that fails at the work (hold_out), and judge when it was run');
}
