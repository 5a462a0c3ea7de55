// What was spent, by day and by whom, and how the budgets stand.

import { fault } from '../../domain/fault-codes.ts';
import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';
import type { SpendTable } from '../../ports/tables-work.ts';
import { appendEvent } from '../events/ops.ts';
import { settleTarget } from '../waits/ops.ts';
import { addToBudget } from './ledger.ts';

const spendSince = statement<{ workspaceId: string; since: string }>()((db, p) =>
  db.selectFrom('spend').selectAll().where('workspace_id', '=', p.workspaceId).where('day', '>=', p.since).orderBy('day'),
);
const notesOf = statement<{ workspaceId: string; day: string }>()((db, p) =>
  db.selectFrom('budget_note').select(['scope', 'extra_micros', 'approval_id']).where('workspace_id', '=', p.workspaceId).where('day', '=', p.day),
);
const openReservations = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('reservation').select(['agent_id', 'role', 'job_id', 'micros']).where('workspace_id', '=', p.workspaceId),
);

export interface Spending {
  readonly rows: readonly SpendTable[];
  readonly notes: readonly { readonly scope: string; readonly extra_micros: number; readonly approval_id: string | null }[];
  readonly reserved: readonly { readonly agent_id: string; readonly role: string; readonly job_id: string; readonly micros: number }[];
}

/** Sums by day since a day, `2026-11-24`, and what is particular about the budgets of `today`. */
export const spendingSince = readOp(
  'usage.since',
  function* (tx, { workspaceId, since, today }: { workspaceId: string; since: string; today: string }): OpSteps<Spending> {
    const rows = yield* tx.all(spendSince, { workspaceId, since });
    return { rows, notes: yield* tx.all(notesOf, { workspaceId, day: today }), reserved: yield* tx.all(openReservations, { workspaceId }) };
  },
);

const SCOPE = /^(day|(run|agent|role|job|task|plan):.+)$/;

interface Funding {
  readonly workspaceId: string;
  readonly actor: string;
  readonly scope: string;
  readonly day: string;
  readonly micros: number;
}

/** Adds money to a budget for today. Runs that wait for it go on. @throws Fault `budget.unknown` */
export const fundBudget = txOp('usage.fund', function* (tx, { actor, ...funding }: Funding): OpSteps<{ resumed: number }> {
  if (!SCOPE.test(funding.scope)) throw fault('budget.unknown', { scope: funding.scope });
  yield* addToBudget(tx, funding);
  const { workspaceId, scope, micros } = funding;
  yield* appendEvent(tx, { workspaceId, stream: `budget:${scope}`, actor, body: { kind: 'budget.funded', scope, usd: micros / 1e6 } });
  return { resumed: (yield* settleTarget(tx, `budget:${scope}`)).length };
});
