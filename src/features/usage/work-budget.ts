// Budgets of tasks and plans: what all workers and their sub-agents spend on them, and how much they may.

import { type BudgetLimit, limitOf } from '../../domain/budget.ts';
import type { PlanBody } from '../../domain/plan.ts';
import type { Money, RunInput, Work } from '../../domain/run.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { WorkSpendTable } from '../../ports/tables-work.ts';

/** Budgets of work hold as long as it lasts: what is particular about them is kept under this in place of a day. */
export const ALWAYS = 'always';

const inputOf = statement<{ id: string }>()((db, p) => db.selectFrom('run').select('input').where('id', '=', p.id));
const budgetOfTask = statement<{ id: string }>()((db, p) => db.selectFrom('task').select('budget').where('id', '=', p.id));
const bodyOfPlan = statement<{ id: string }>()((db, p) => db.selectFrom('plan_item').select('body').where('id', '=', p.id));
const spentIn = statement<{ scope: string }>()((db, p) => db.selectFrom('work_spend').selectAll().where('scope', '=', p.scope));
const addSpent = statement<WorkSpendTable>()((db, p) =>
  db
    .insertInto('work_spend')
    .values(pick(p, 'scope', 'micros', 'tokens'))
    .onConflict((clash) =>
      clash.column('scope').doUpdateSet((row) => ({ micros: row('work_spend.micros', '+', p.micros), tokens: row('work_spend.tokens', '+', p.tokens) })),
    ),
);

const scopesOf = ({ taskId, planId }: Work) => [`task:${taskId}`, ...(planId === null ? [] : [`plan:${planId}`])];

/** The task that a run works on, or that the first run of its tree does. */
export function* workOf(tx: Tx, run: Pick<RunTable, 'id' | 'root_id' | 'input'>): OpSteps<Work | undefined> {
  const root = run.root_id === run.id ? run : yield* tx.one(inputOf, { id: run.root_id });
  return root && (JSON.parse(root.input) as RunInput).work; // written by enqueueRun
}

export function* noteWork(tx: Tx, work: Work, micros: number, tokens: number): OpSteps<void> {
  for (const scope of scopesOf(work)) yield* tx.run(addSpent, { scope, micros, tokens });
}

export interface WorkLimit {
  readonly limit: BudgetLimit;
  readonly used: { readonly micros: number; readonly tokens: number };
}

/** The limits of a task and of its plan, with what is spent. */
export function* workLimits(tx: Tx, work: Work): OpSteps<WorkLimit[]> {
  const own = (yield* tx.one(budgetOfTask, { id: work.taskId }))?.budget;
  const plan = work.planId === null ? undefined : yield* tx.one(bodyOfPlan, { id: work.planId });
  const wide = plan && (JSON.parse(plan.body) as PlanBody).budget; // written by createItem
  const found: WorkLimit[] = [];
  for (const [i, money] of [own == null ? undefined : (JSON.parse(own) as Money), wide as Money | undefined].entries()) {
    if (!money || (money.usd === undefined && money.tokens === undefined)) continue;
    const scope = scopesOf(work)[i] ?? '';
    const spent = yield* tx.one(spentIn, { scope });
    found.push({ limit: limitOf(scope, money), used: { micros: Number(spent?.micros ?? 0), tokens: Number(spent?.tokens ?? 0) } });
  }
  return found;
}
