// Held-out checks (G8): written by the validator from the criteria, kept from the worker, run by the gateway, and the only proof of a FAIL.

import { fault } from '../../domain/fault-codes.ts';
import type { GateResult, HeldOut } from '../../domain/proof.ts';
import type { RolePolicies } from '../../domain/role.ts';
import { isClosed } from '../../domain/task.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import type { Author } from '../../domain/trust.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import type { ValidationRequestTable } from '../../ports/tables-trust.ts';
import { endRun } from '../runs/end.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { type Held, heldRun } from '../runs/lease-ops.ts';
import { findTask, type TaskView, viewTask } from '../tasks/rows.ts';
import {
  ACTOR,
  type Asker,
  askForChecks,
  askForVerdict,
  authorOf,
  checksOf,
  evidence,
  evidenceOf,
  HELD_OUT,
  type NamedTask,
  needsChecks,
  placeOf,
  proofRun,
  requestOfRun,
  specOf,
  verdictsOf,
} from './rows.ts';
import type { TaskSpec } from './spec.ts';

interface HoldingOut extends NamedTask {
  readonly checks: HeldOut;
  readonly by: Asker;
  readonly policies: RolePolicies;
}

/** Keeps checks for a task, and has them run where the work waits for them. @throws Fault `task.not_found`, `task.unspecified`, `task.refused` */
export const holdOut = txOp(
  'validation.holdOut',
  function* (tx, { checks, by, policies, ...named }: HoldingOut): OpSteps<TaskView> {
    const task = yield* findTask(tx, named);
    const author = yield* authorOf(tx, named.workspaceId, by);
    const refuse = (rule: string) => fault('task.refused', { name: task.name, to: 'checked', rule });
    if (!specOf(task)) throw fault('task.unspecified', { name: task.name });
    if (isClosed(task.state)) throw refuse(`a task that is ${task.state} is judged no more`);
    if (
      author.family !== 'human' &&
      !(author.role !== null && Object.hasOwn(policies, author.role) && policies[author.role as keyof RolePolicies].may['verdict.layer3'])
    )
      throw refuse('held-out checks are written by who judges layer 3');
    const found = task.request_id === null ? undefined : yield* requestOfRun(tx, task.request_id);
    const worker = found && (JSON.parse(found.request.worker) as Author); // written by submitTask
    if (worker && (worker.actor === author.actor || (worker.sessionKey !== null && worker.sessionKey === author.sessionKey)))
      throw refuse('the worker writes no held-out checks for its own work');
    yield* evidence(tx, found?.request ?? placeOf(task), { kind: HELD_OUT, producedBy: 'validator', body: { checks, author } });
    if (found && task.state === 'in_validation') {
      const passed = (yield* tx.all(verdictsOf, { requestId: found.request.id })).some(({ layer, word }) => layer === 2 && word === 'PASS');
      if (passed) yield* runChecks(tx, task, found.request);
    }
    return viewTask(task);
  },
  { worker: true },
);

function* runChecks(tx: Tx, task: TaskTable, request: ValidationRequestTable): OpSteps<void> {
  const kept = yield* checksOf(tx, task.id);
  yield* enqueueRun(tx, proofRun(task, tx.newId('run'), { requestId: request.id, step: 'held-out' }, kept?.nth));
}

/** What follows layer 2: the checks are run where there are some, asked for where they are needed, and then layer 3 is asked. */
export function* afterLayer2(tx: Tx, task: TaskTable, request: ValidationRequestTable, spec: TaskSpec): OpSteps<void> {
  if (yield* checksOf(tx, task.id)) yield* runChecks(tx, task, request);
  else if (needsChecks(spec)) yield* askForChecks(tx, task, spec, request.id);
  else yield* askForVerdict(tx, task, request, 3);
}

/** What the gateway saw of the checks; layer 3 is asked with it. Ends the run. */
export const settleHeldOut = txOp(
  'validation.settleHeldOut',
  function* (tx, { requestId, gate, ...held }: Held & { requestId: string; gate: GateResult }): OpSteps<void> {
    const run = yield* heldRun(tx, held);
    const found = yield* requestOfRun(tx, requestId);
    if (found?.task.state === 'in_validation') {
      yield* evidence(tx, found.request, { kind: 'gate', producedBy: 'gateway', body: gate, digest: gate.digest });
      yield* askForVerdict(tx, found.task, found.request, 3, gate);
    }
    yield* endRun(tx, run, {
      state: 'succeeded',
      attempt: 'done',
      actor: ACTOR,
      outcome: { text: `${gate.gate} ${gate.result}: ${gate.why}`, stopReason: 'stop', usage: NO_USAGE, steps: 1 },
    });
  },
  { worker: true },
);

/** What the gateway saw of the latest checks at this submission. */
export function* gateOfChecks(tx: Tx, requestId: string): OpSteps<GateResult | undefined> {
  const gates = (yield* tx.all(evidenceOf, { requestId })).filter(({ kind }) => kind === 'gate').map(({ body }) => JSON.parse(body) as GateResult); // written by recordGate and settleHeldOut
  return gates.filter(({ gate }) => gate === 'G8').at(-1);
}
