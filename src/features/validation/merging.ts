// The merge: the only way to done. Work whose branch has moved on is put on top of it, proved again, and keeps its verdicts while the patch is the same.

import type { Submission } from '../../domain/proof.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import type { Author } from '../../domain/trust.ts';
import type { Merge } from '../../ports/repo.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import type { ValidationRequestTable } from '../../ports/tables-trust.ts';
import { noticeOf, takeMessage } from '../inbox/ops.ts';
import { afterDone } from '../planning/flow.ts';
import { endRun } from '../runs/end.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { type Held, heldRun } from '../runs/lease-ops.ts';
import { updateTask } from '../tasks/rows.ts';
import { ACTOR, addVerdict, evidence, evidenceOf, insertRequest, moveRequest, proofRun, requestOfRun, sendBack, verdictsOf } from './rows.ts';

export function* beginMerge(tx: Tx, task: TaskTable, request: ValidationRequestTable): OpSteps<TaskTable> {
  const validated = yield* updateTask(tx, task, { state: 'validated' }, ACTOR, 'layer 3 passed');
  yield* tx.run(moveRequest, { ...request, state: 'settled', settled_at: tx.now });
  yield* enqueueRun(tx, proofRun(validated, tx.newId('run'), { requestId: request.id, step: 'merge' }));
  return yield* updateTask(tx, validated, { state: 'merging' }, ACTOR);
}

/** What came of a merge. Ends the run. */
export const settleMerge = txOp(
  'validation.settleMerge',
  function* (tx, { requestId, merged, why, rebased, ...held }: Held & Merge & { requestId: string }): OpSteps<void> {
    const run = yield* heldRun(tx, held);
    const found = yield* requestOfRun(tx, requestId);
    if (found?.task.state === 'merging') {
      const { task, request } = found;
      yield* evidence(tx, request, { kind: 'merge', producedBy: 'gateway', body: { merged, why, commit: request.head } });
      if (merged) yield* finish(tx, task, request, why);
      else if (rebased) yield* proveAgain(tx, task, request, rebased);
      else yield* sendBack(tx, task, request, why, false);
    }
    yield* endRun(tx, run, { state: 'succeeded', attempt: 'done', actor: ACTOR, outcome: { text: why, stopReason: 'stop', usage: NO_USAGE, steps: 1 } });
  },
  { worker: true },
);

function* finish(tx: Tx, task: TaskTable, request: ValidationRequestTable, why: string): OpSteps<void> {
  yield* afterDone(tx, yield* updateTask(tx, task, { state: 'done' }, ACTOR, why), ACTOR);
  if (task.story_id !== null) return; // its story tells those above when it is through: nobody is woken for a step
  const content = { task: task.name, project: task.project, commit: request.head, page: `clawdbot proof show ${task.name}` };
  const notice = { type: 'notification', subject: `Done: ${task.name}`, content, box: 'coordinator', actor: ACTOR, key: `done:${request.id}` } as const;
  yield* takeMessage(tx, task.workspace_id, noticeOf(notice));
}

/** The same patch on another base: its verdicts stand, and layer 0 is asked again. */
function* proveAgain(tx: Tx, task: TaskTable, request: ValidationRequestTable, rebased: Pick<Submission, 'base' | 'red' | 'green'>): OpSteps<void> {
  const submission: Submission = { ...(JSON.parse(request.submission) as Submission), ...rebased }; // written by submitTask
  const fresh = yield* resubmit(tx, task, request, submission, `rebased on ${submission.base.slice(0, 12)}`);
  yield* evidence(tx, fresh, { kind: 'rebase', producedBy: 'gateway', body: { from: request.head, to: fresh.head, onto: submission.base } });
  for (const { layer, word, author, reason, note, gates } of yield* tx.all(verdictsOf, { requestId: request.id })) {
    if (layer === 0 || word !== 'PASS') continue;
    const carried = `${note === null ? '' : `${note}, `}of ${request.head.slice(0, 12)}, carried over: the same patch`;
    const verdict = { layer, word, author: JSON.parse(author) as Author, reason, gates: JSON.parse(gates) as string[], note: carried }; // written by addVerdict
    yield* addVerdict(tx, fresh, verdict);
  }
}

/** The work of an older submission under a new one, to be proved again. */
export function* resubmit(tx: Tx, task: TaskTable, request: ValidationRequestTable, submission: Submission, why: string): OpSteps<ValidationRequestTable> {
  const runId = tx.newId('run');
  const fresh: ValidationRequestTable = {
    ...request,
    id: tx.newId('vreq'),
    state: 'open',
    submission: JSON.stringify(submission),
    head: submission.green,
    isolation: null,
    run_id: runId,
    opened_at: tx.now,
    settled_at: null,
  };
  yield* tx.run(insertRequest, fresh);
  const claim = (yield* tx.all(evidenceOf, { requestId: request.id })).find(({ kind }) => kind === 'claim');
  if (claim) yield* evidence(tx, fresh, { kind: 'claim', producedBy: 'worker', body: JSON.parse(claim.body) });
  const next = yield* updateTask(tx, task, { state: 'submitted', blocked: null, request_id: fresh.id }, ACTOR, why);
  yield* enqueueRun(tx, proofRun(next, runId, { requestId: fresh.id, step: 'prove' }));
  return fresh;
}
