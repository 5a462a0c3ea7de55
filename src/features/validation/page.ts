// All that was submitted, proved and judged of a task: the page of its proof.

import type { GateResult, Submission } from '../../domain/proof.ts';
import type { Author } from '../../domain/trust.ts';
import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { findTask, type TaskView, viewTask } from '../tasks/rows.ts';
import { type Asker, authorOf, checksOf, evidenceOf, type KeptChecks, type NamedTask, needsChecks, requestsOf, specOf, verdictsOf } from './rows.ts';
import type { TaskSpec } from './spec.ts';

export interface Spent {
  readonly usd: number;
  readonly tokens: number;
  readonly models: readonly string[];
}

const workersOf = statement<{ workspaceId: string; label: string }>()((db, p) =>
  db.selectFrom('spawn').select('child_run_id').where('workspace_id', '=', p.workspaceId).where('label', '=', p.label).limit(100),
);
const chargesOf = statement<{ workspaceId: string; runId: string }>()((db, p) =>
  db.selectFrom('ledger').select(['provider', 'model', 'micros', 'input', 'output']).where('workspace_id', '=', p.workspaceId).where('run_id', '=', p.runId),
);

export interface ProofPage {
  /** The checks that the worker must not see: for people and validators. */
  readonly heldOut: KeptChecks | null;
  /** Nothing of the work is shown to a validator before it has written its checks. */
  readonly isHidden: boolean;
  readonly task: TaskView;
  /** What all model calls of its workers and judges came to. */
  readonly spent: Spent;
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
    const judges = requests.flatMap(({ worker, verdicts }) => [worker.runId, ...verdicts.map(({ author }) => author.runId)]);
    const spent = yield* spentBy(tx, task, [...judges, kept?.author.runId ?? null]);
    return { task: viewTask(task), spec, spent, heldOut, isHidden, requests: isHidden ? [] : requests };
  },
  { worker: true },
);

/** A judge looks at several tasks in one run: all of it counts for each. */
function* spentBy(tx: Tx, { workspace_id: workspaceId, name }: TaskTable, judges: readonly (string | null)[]): OpSteps<Spent> {
  const workers = (yield* tx.all(workersOf, { workspaceId, label: name })).map((row) => row.child_run_id);
  const runs = new Set([...workers, ...judges].filter((id) => id !== null));
  const models = new Set<string>();
  let [micros, tokens] = [0, 0];
  for (const runId of runs)
    for (const call of yield* tx.all(chargesOf, { workspaceId, runId })) {
      models.add(`${call.provider}/${call.model}`);
      micros += Number(call.micros);
      tokens += Number(call.input) + Number(call.output);
    }
  return { usd: micros / 1e6, tokens, models: [...models] };
}
