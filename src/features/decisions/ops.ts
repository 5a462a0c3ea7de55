// A person's answer to a question, or its absence, and what follows from it by the kind of the question: one step.

import type { Approval, ExecDecision } from '../../domain/approval.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { Wait } from '../../domain/wait.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import { decideApproval, expireOverdue, pendingQuestion, withdrawOf } from '../approvals/ops.ts';
import { appendEvent } from '../events/ops.ts';
import { stopRuns } from '../runs/end.ts';
import { openRunsOfSession } from '../runs/rows.ts';
import { decideRequest } from '../spawns/ops.ts';
import { addToBudget } from '../usage/ledger.ts';
import { settleTarget, waitersOn } from '../waits/ops.ts';

interface Answer {
  readonly workspaceId: string;
  readonly id: string;
  readonly actor: string;
  readonly decision: ExecDecision;
}

/** @throws Fault `approval.unknown` when it does not exist or is decided already */
export const resolveApproval = txOp('decisions.resolve', function* (tx, answer: Answer): OpSteps<Approval> {
  const approval = yield* decideOpen(tx, answer);
  if (!approval) throw fault('approval.unknown');
  return approval;
});

/** The same; undefined when it does not exist or is decided already. */
export function* decideOpen(tx: Tx, answer: Answer): OpSteps<Approval | undefined> {
  const approval = yield* decideApproval(tx, answer);
  if (approval) yield* followUp(tx, answer.workspaceId, approval, answer.actor);
  return approval;
}

/** Ends what nobody answered in time. */
export const expireApprovals = txOp('decisions.expire', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<number> {
  const expired = yield* expireOverdue(tx, { workspaceId });
  for (const approval of expired) yield* followUp(tx, workspaceId, approval, 'deadline');
  return expired.length;
});

function* followUp(tx: Tx, workspaceId: string, approval: Approval, by: string): OpSteps<void> {
  const { kind, state, owner } = approval;
  const granted = state === 'granted';
  if (kind === 'budget') yield* decideBudget(tx, workspaceId, approval, granted, by);
  if (kind === 'spawn') yield* decideRequest(tx, { spawnId: owner.slice('spawn:'.length), granted, by });
}

interface BudgetQuestion {
  readonly scope: string;
  readonly day: string;
  readonly micros: number;
}

/** As much again, and those that wait go on; or nothing more, and they are stopped. */
function* decideBudget(tx: Tx, workspaceId: string, { request, owner }: Approval, granted: boolean, by: string): OpSteps<void> {
  const { scope, day, micros } = request as unknown as BudgetQuestion; // written by usage/ledger
  yield* addToBudget(tx, { workspaceId, scope, day, micros: granted ? micros : 0 });
  if (granted) yield* settleTarget(tx, owner);
  else yield* stopRuns(tx, yield* waitersOn(tx, owner), by, 'budget');
}

interface Funding {
  readonly workspaceId: string;
  readonly sessionKey: string;
  readonly actor: string;
  readonly micros: number;
}

/** Money for the run of a session that waits for some. Answers the budget it went into, or null when none waits. */
export function* fundWaiting(tx: Tx, { actor, micros, ...of }: Funding): OpSteps<string | null> {
  for (const run of yield* tx.all(openRunsOfSession, of)) {
    const wait = run.wait === null ? null : (JSON.parse(run.wait) as Wait); // written by suspendRun
    const target = run.state === 'waiting' && wait?.for === 'budget' ? wait.on[0] : undefined;
    if (target === undefined) continue;
    const question = yield* pendingQuestion(tx, target);
    if (!question) continue;
    const { scope, day } = question.request as unknown as BudgetQuestion; // written by usage/ledger
    yield* addToBudget(tx, { workspaceId: of.workspaceId, scope, day, micros });
    yield* withdrawOf(tx, { workspaceId: of.workspaceId, owner: target });
    yield* appendEvent(tx, { workspaceId: of.workspaceId, stream: target, actor, body: { kind: 'budget.funded', scope, usd: micros / 1e6 } });
    yield* settleTarget(tx, target);
    return scope;
  }
  return null;
}
