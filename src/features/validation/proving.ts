// From submitted to proved or refuted: each step one transaction, each gate durable as soon as it is there.

import { fault } from '../../domain/fault-codes.ts';
import type { GateResult, HeldOut, Proof, Submission, Waiver } from '../../domain/proof.ts';
import type { RolePolicies } from '../../domain/role.ts';
import type { ProofStep } from '../../domain/run.ts';
import { decideTaskMove, isClosed, TASK_STATES, type TaskState } from '../../domain/task.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import type { VerdictWord } from '../../domain/trust.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import type { ValidationRequestTable } from '../../ports/tables-trust.ts';
import { endRun } from '../runs/end.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { type Held, heldRun } from '../runs/lease-ops.ts';
import { readyWhenFree } from '../tasks/dependencies.ts';
import { findTask, type TaskView, updateTask, viewTask } from '../tasks/rows.ts';
import { beginMerge } from './merging.ts';
import { policyHash } from './prove.ts';
import {
  ACTOR,
  type Asker,
  addVerdict,
  askForChecks,
  askForVerdict,
  authorOf,
  checksOf,
  evidence,
  evidenceOf,
  GATEWAY,
  insertRequest,
  moveRequest,
  type NamedTask,
  needsChecks,
  proofRun,
  requestById,
  requestOfRun,
  requestsOf,
  rightsOf,
  sendBack,
  specOf,
  verdictsOf,
  waiversOf,
} from './rows.ts';
import type { TaskSpec } from './spec.ts';

interface SpecChange extends NamedTask {
  readonly spec: TaskSpec;
  readonly by: Asker;
  readonly policies: RolePolicies;
}

/** What a task must prove. A change voids what was judged before. @throws Fault `task.not_found`, `task.refused` */
export const specTask = txOp('validation.spec', function* (tx, { spec, by, policies, ...named }: SpecChange): OpSteps<TaskView> {
  const task = yield* findTask(tx, named);
  const may = decideTaskMove(policies, rightsOf(yield* authorOf(tx, named.workspaceId, by)), 'ready', 'draft');
  if (!may.ok) throw fault('task.refused', { name: task.name, to: 'another specification', rule: may.rule });
  if (isClosed(task.state)) throw fault('task.refused', { name: task.name, to: 'another specification', rule: `a task that is ${task.state} stays so` });
  if (task.story_id !== null)
    throw fault('task.refused', { name: task.name, to: 'another specification', rule: 'its specification comes from its story: change that' });
  yield* supersede(tx, task);
  const draft = yield* updateTask(tx, task, { spec: JSON.stringify(spec), request_id: null, state: 'draft' }, by.actor, 'specified');
  return viewTask(yield* readyWhenFree(tx, draft, by.actor));
});

export function* supersede(tx: Tx, task: TaskTable): OpSteps<void> {
  for (const { id, state, isolation } of yield* tx.all(requestsOf, { taskId: task.id }))
    if (state !== 'superseded' && state !== 'settled' && state !== 'proof_failed')
      yield* tx.run(moveRequest, { id, state: 'superseded', isolation, settled_at: tx.now });
}

interface Submitting extends NamedTask {
  readonly submission: Submission;
  readonly by: Asker;
  /** In the worker's own words: shown as a claim, and good for nothing else. */
  readonly claim: string;
  readonly policies: RolePolicies;
}

const SUBMITTABLE: ReadonlySet<TaskState> = new Set(['ready', 'leased', 'working', 'submitted', 'proving', 'in_validation', 'validated', 'blocked']);

const UNDER_WAY: ReadonlySet<TaskState> = new Set(['submitted', 'proving', 'in_validation', 'validated']);

/** Takes work for proof. A newer submission takes the place of the one before. @throws Fault `task.not_found`, `task.refused`, `task.unspecified` */
export const submitTask = txOp(
  'validation.submit',
  function* (tx, { submission, by, claim, policies, ...named }: Submitting): OpSteps<{ task: TaskView; requestId: string }> {
    const task = yield* findTask(tx, named);
    const author = yield* authorOf(tx, named.workspaceId, by);
    const spec = specOf(task);
    if (!spec) throw fault('task.unspecified', { name: task.name });
    if (!SUBMITTABLE.has(task.state)) throw fault('task.refused', { name: task.name, to: 'submitted', rule: `a task that is ${task.state} takes no work` });
    if (task.state !== 'submitted') {
      const may = decideTaskMove(policies, rightsOf(author), task.state, 'submitted');
      if (!may.ok) throw fault('task.refused', { name: task.name, to: 'submitted', rule: may.rule });
    }
    const isChecked = (id: string) => spec.policy.checks?.some(({ criterion }) => criterion === id) ?? false;
    const missing = spec.criteria.filter(({ id }) => (submission.acToTests[id] ?? []).length === 0 && !isChecked(id)).map(({ id }) => id);
    if (missing.length > 0) throw fault('task.refused', { name: task.name, to: 'submitted', rule: `no test is named for ${missing.join(', ')}` });
    const open = task.request_id === null ? undefined : yield* tx.one(requestById, { id: task.request_id });
    if (open && UNDER_WAY.has(task.state) && open.submission === JSON.stringify(submission)) return { task: viewTask(task), requestId: open.id };
    yield* supersede(tx, task);
    const id = tx.newId('vreq');
    const runId = tx.newId('run');
    const request: ValidationRequestTable = {
      id,
      workspace_id: task.workspace_id,
      task_id: task.id,
      state: 'open',
      submission: JSON.stringify(submission),
      head: submission.green,
      policy_hash: policyHash(spec.policy),
      worker: JSON.stringify(author),
      isolation: null,
      run_id: runId,
      opened_at: tx.now,
      settled_at: null,
    };
    yield* tx.run(insertRequest, request);
    yield* evidence(tx, request, { kind: 'claim', producedBy: 'worker', body: { claim, acToTests: submission.acToTests } });
    const next = yield* updateTask(tx, task, { state: 'submitted', request_id: id }, author.actor, `submitted ${submission.green.slice(0, 12)}`);
    if (needsChecks(spec) && !(yield* checksOf(tx, task.id))) yield* askForChecks(tx, next, spec, task.id);
    yield* enqueueRun(tx, proofRun(next, runId, { requestId: id, step: 'prove' }));
    return { task: viewTask(next), requestId: id };
  },
  { worker: true },
);

export interface ProofWork {
  readonly spec: TaskSpec;
  readonly submission: Submission;
  readonly checks: HeldOut | null;
  readonly waivers: readonly Waiver[];
  /** Gates that an earlier attempt has gone through. */
  readonly known: readonly GateResult[];
}

const OPEN_TO: Readonly<Record<ProofStep, ReadonlySet<TaskState>>> = {
  prove: new Set(['submitted', 'proving']),
  'held-out': new Set(['in_validation']),
  merge: new Set(['merging']),
  replay: new Set(TASK_STATES),
};

/** The work of a proof or merge, or null when something newer has taken its place: then the run is over. */
export const beginProof = txOp(
  'validation.begin',
  function* (tx, { requestId, step, ...held }: Held & { requestId: string; step: ProofStep }): OpSteps<ProofWork | null> {
    const run = yield* heldRun(tx, held);
    const found = yield* requestOfRun(tx, requestId);
    if (!found || !OPEN_TO[step].has(found.task.state)) {
      yield* endRun(tx, run, {
        state: 'succeeded',
        attempt: 'done',
        actor: ACTOR,
        outcome: { text: 'something newer was submitted', stopReason: 'superseded', usage: NO_USAGE, steps: 0 },
      });
      return null;
    }
    const { request, task, spec } = found;
    if (task.state === 'submitted') {
      yield* tx.run(moveRequest, { ...request, state: 'proving' });
      yield* updateTask(tx, task, { state: 'proving' }, ACTOR);
    }
    const gates = (yield* tx.all(evidenceOf, { requestId })).filter(({ kind }) => kind === 'gate');
    return {
      spec,
      submission: JSON.parse(request.submission) as Submission,
      waivers: yield* waiversOf(tx, task.id),
      checks: (yield* checksOf(tx, task.id))?.checks ?? null,
      known: gates.map(({ body }) => JSON.parse(body) as GateResult),
    }; // written here
  },
  { worker: true },
);

/** Makes a gate durable as soon as it is there. */
export const recordGate = txOp(
  'validation.gate',
  function* (tx, { requestId, gate, ...held }: Held & { requestId: string; gate: GateResult }): OpSteps<void> {
    yield* heldRun(tx, held);
    const request = yield* tx.one(requestById, { id: requestId });
    if (request) yield* evidence(tx, request, { kind: 'gate', producedBy: 'gateway', body: gate, digest: gate.digest });
  },
  { worker: true },
);

const WORD: Readonly<Record<Proof['word'], VerdictWord>> = { proved: 'PASS', refuted: 'FAIL', unstable: 'UNSTABLE' };

/** The judgement of layer 0, what becomes of the task, and who hears of it. Ends the run. */
export const settleProof = txOp(
  'validation.settleProof',
  function* (tx, { requestId, proof, ...held }: Held & { requestId: string; proof: Proof }): OpSteps<void> {
    const run = yield* heldRun(tx, held);
    const found = yield* requestOfRun(tx, requestId);
    const last = proof.gates.at(-1);
    const said = proof.word === 'proved' ? 'proved' : `${proof.word} by ${last?.gate}: ${last?.why ?? ''}`;
    if (found?.task.state === 'proving' && found.request.head === proof.head) {
      const { request, task } = found;
      yield* addVerdict(tx, request, { layer: 0, word: WORD[proof.word], author: GATEWAY, reason: said, gates: proof.gates.map(({ digest }) => digest) });
      for (const { gate, why, digest } of proof.gates.filter(({ result }) => result === 'waived'))
        yield* addVerdict(tx, request, { layer: 0, word: 'WAIVED', author: GATEWAY, reason: `${gate}: ${why}`, gates: [digest] });
      if (proof.word === 'proved') {
        yield* tx.run(moveRequest, { ...request, state: 'awaiting_validator', isolation: proof.isolation, settled_at: null });
        const judged = yield* updateTask(tx, task, { state: 'in_validation' }, ACTOR, 'proved');
        const isJudged = (yield* tx.all(verdictsOf, { requestId })).some(({ layer, word }) => layer === 3 && word === 'PASS'); // carried over by a rebase
        if (isJudged) yield* beginMerge(tx, judged, { ...request, isolation: proof.isolation });
        else yield* askForVerdict(tx, judged, request, 2);
      } else {
        yield* tx.run(moveRequest, { ...request, state: 'proof_failed', isolation: proof.isolation, settled_at: tx.now });
        yield* sendBack(tx, task, request, said);
      }
    }
    yield* endRun(tx, run, {
      state: 'succeeded',
      attempt: 'done',
      actor: ACTOR,
      outcome: { text: said, stopReason: 'stop', usage: NO_USAGE, steps: proof.gates.length },
    });
  },
  { worker: true },
);

/** What kept a proof, a merge or a replay from its end. Ends the run, and that blocks the task. */
export const stallProof = txOp(
  'validation.stall',
  function* (tx, { why, ...held }: Held & { why: string }): OpSteps<void> {
    const error = { code: 'proof.stalled', message: why };
    const outcome = { text: why, stopReason: 'error', error, usage: NO_USAGE, steps: 0 };
    yield* endRun(tx, yield* heldRun(tx, held), { state: 'failed', attempt: 'done', actor: ACTOR, outcome });
  },
  { worker: true },
);
