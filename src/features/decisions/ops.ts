// A person's answer to a question, or its absence, and what follows from it by the kind of the question: one step.

import type { Approval, ExecDecision } from '../../domain/approval.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import { decideApproval, expireOverdue } from '../approvals/ops.ts';
import { decideRequest } from '../spawns/ops.ts';

interface Answer {
  readonly workspaceId: string;
  readonly id: string;
  readonly actor: string;
  readonly decision: ExecDecision;
}

/** @throws Fault `approval.unknown` when it does not exist or is decided already */
export const resolveApproval = txOp('decisions.resolve', function* (tx, answer: Answer): OpSteps<Approval> {
  const approval = yield* decideApproval(tx, answer);
  if (!approval) throw fault('approval.unknown');
  yield* followUp(tx, approval, answer.actor);
  return approval;
});

/** Ends what nobody answered in time. */
export const expireApprovals = txOp('decisions.expire', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<number> {
  const expired = yield* expireOverdue(tx, { workspaceId });
  for (const approval of expired) yield* followUp(tx, approval, 'deadline');
  return expired.length;
});

function* followUp(tx: Tx, { kind, state, owner }: Approval, by: string): OpSteps<void> {
  const granted = state === 'granted';
  if (kind === 'spawn') yield* decideRequest(tx, { spawnId: owner.slice('spawn:'.length), granted, by });
}
