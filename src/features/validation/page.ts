// All that was submitted, proved and judged of a task: the page of its proof.

import type { GateResult, Submission } from '../../domain/proof.ts';
import type { Author } from '../../domain/trust.ts';
import { type OpSteps, readOp } from '../../ports/store.ts';
import { findTask, type TaskView, viewTask } from '../tasks/rows.ts';
import { type Asker, authorOf, checksOf, evidenceOf, type KeptChecks, type NamedTask, needsChecks, requestsOf, specOf, verdictsOf } from './rows.ts';
import type { TaskSpec } from './spec.ts';

export interface ProofPage {
  /** The checks that the worker must not see: for people and validators. */
  readonly heldOut: KeptChecks | null;
  /** Nothing of the work is shown to a validator before it has written its checks. */
  readonly isHidden: boolean;
  readonly task: TaskView;
  readonly spec: TaskSpec | null;
  readonly requests: readonly {
    readonly id: string;
    readonly state: string;
    readonly submission: Submission;
    readonly isolation: string | null;
    readonly worker: Author;
    readonly openedAt: number;
    readonly settledAt: number | null;
    readonly claim: string;
    readonly gates: readonly GateResult[];
    readonly verdicts: readonly {
      readonly layer: number;
      readonly word: string;
      readonly author: Author;
      readonly reason: string;
      readonly note: string | null;
      readonly commit: string;
      readonly at: number;
    }[];
  }[];
}

/** All that was submitted, proved and judged of a task, oldest first. */
export const proofPage = readOp(
  'validation.page',
  function* (tx, { by, ...named }: NamedTask & { readonly by?: Asker }): OpSteps<ProofPage> {
    const task = yield* findTask(tx, named);
    const reader = by && (yield* authorOf(tx, named.workspaceId, by));
    const spec = specOf(task);
    const kept = yield* checksOf(tx, task.id);
    const isJudge = reader?.role === 'validator';
    const heldOut = !reader || isJudge ? kept : null;
    const isHidden = isJudge && spec !== null && needsChecks(spec) && kept === null;
    const requests = [];
    for (const row of yield* tx.all(requestsOf, { taskId: task.id })) {
      const pieces = yield* tx.all(evidenceOf, { requestId: row.id });
      const claim = pieces.find(({ kind }) => kind === 'claim');
      const verdicts = yield* tx.all(verdictsOf, { requestId: row.id });
      requests.push({
        id: row.id,
        state: row.state,
        submission: JSON.parse(row.submission) as Submission, // written by submitTask, as all of these
        isolation: row.isolation,
        worker: JSON.parse(row.worker) as Author,
        openedAt: row.opened_at,
        settledAt: row.settled_at,
        claim: claim ? (JSON.parse(claim.body) as { claim: string }).claim : '',
        gates: pieces.filter(({ kind }) => kind === 'gate').map(({ body }) => JSON.parse(body) as GateResult),
        verdicts: verdicts.map(({ layer, word, author, reason, note, commit_id, at }) => ({
          layer,
          word,
          author: JSON.parse(author) as Author,
          reason,
          note,
          commit: commit_id,
          at,
        })),
      });
    }
    return { task: viewTask(task), spec, heldOut, isHidden, requests: isHidden ? [] : requests };
  },
  { worker: true },
);
