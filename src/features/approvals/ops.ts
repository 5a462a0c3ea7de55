// Approvals in the store: asked, decided once, expired when nobody answered.

import { type Approval, type ApprovalKind, type ExecDecision, stateOfDecision } from '../../domain/approval.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { ApprovalTable } from '../../ports/tables.ts';
import { appendEvent } from '../events/ops.ts';
import { settleTarget } from '../waits/ops.ts';

interface ApprovalId {
  readonly workspaceId: string;
  readonly id: string;
}

const approvalById = statement<ApprovalId>()((db, p) => db.selectFrom('approval').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id));
const insertApproval = statement<Omit<ApprovalTable, 'decision' | 'decided_by' | 'decided_at' | 'state' | 'default_decision'>>()((db, p) =>
  db
    .insertInto('approval')
    .values({
      ...pick(p, 'id', 'workspace_id', 'kind', 'request', 'owner', 'created_at', 'deadline_at'),
      state: 'pending',
      default_decision: null,
      decision: null,
      decided_by: null,
      decided_at: null,
    })
    .onConflict((clash) => clash.column('id').doNothing()),
);
const decide = statement<ApprovalId & { state: Approval['state']; decision: string | null; by: string; now: number }>()((db, p) =>
  db
    .updateTable('approval')
    .set({ state: p.state, decision: p.decision, decided_by: p.by, decided_at: p.now })
    .where('workspace_id', '=', p.workspaceId)
    .where('id', '=', p.id)
    .where('state', '=', 'pending')
    .returningAll(),
);
const overdue = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db.selectFrom('approval').select('id').where('workspace_id', '=', p.workspaceId).where('state', '=', 'pending').where('deadline_at', '<=', p.now),
);
const questionsOf = statement<{ owner: string }>()((db, p) =>
  db.selectFrom('approval').selectAll().where('owner', '=', p.owner).where('state', '=', 'pending').limit(1),
);
const pendingOf = statement<{ owner: string }>()((db, p) => db.selectFrom('approval').select('id').where('owner', '=', p.owner).where('state', '=', 'pending'));
const recent = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db.selectFrom('approval').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('created_at', 'desc').limit(p.limit),
);

export interface ApprovalRequest extends ApprovalId {
  readonly kind: ApprovalKind;
  readonly request: Readonly<Record<string, unknown>>;
  readonly owner: string;
  readonly timeoutMs: number;
}

/** Asks. Asked again under the same id it answers the approval there is, decided or not. */
export const requestApproval = txOp(
  'approvals.request',
  function* (tx, request: ApprovalRequest): OpSteps<Approval> {
    return yield* openApproval(tx, request);
  },
  { worker: true },
);

/** The same, as a part of another op. */
export function* openApproval(tx: Tx, { workspaceId, id, kind, request, owner, timeoutMs }: ApprovalRequest): OpSteps<Approval> {
  const before = yield* tx.one(approvalById, { workspaceId, id });
  if (before) return toApproval(before);
  const times = { created_at: tx.now, deadline_at: tx.now + timeoutMs };
  yield* tx.run(insertApproval, { id, workspace_id: workspaceId, kind, request: JSON.stringify(request), owner, ...times });
  const row = yield* tx.one(approvalById, { workspaceId, id });
  if (!row) throw fault('approval.unknown'); // the id is taken in another workspace
  yield* tell(tx, row, owner, 'approval.requested');
  return toApproval(row);
}

/** Decides an open question. Undefined when it does not exist or is decided already. */
export function* decideApproval(tx: Tx, { actor, decision, ...named }: ApprovalId & { actor: string; decision: ExecDecision }): OpSteps<Approval | undefined> {
  const row = yield* tx.one(decide, { ...named, state: stateOfDecision(decision), decision, by: actor, now: tx.now });
  if (!row) return undefined;
  yield* tell(tx, row, actor, 'approval.resolved');
  return toApproval(row);
}

/** The open question of an owner. */
export function* pendingQuestion(tx: Tx, owner: string): OpSteps<Approval | undefined> {
  const [row] = yield* tx.all(questionsOf, { owner });
  return row && toApproval(row);
}

/** Takes back what somebody asked who has no use for the answer any more. */
export function* withdrawOf(tx: Tx, { workspaceId, owner }: { workspaceId: string; owner: string }): OpSteps<void> {
  for (const { id } of yield* tx.all(pendingOf, { owner })) {
    const row = yield* tx.one(decide, { workspaceId, id, state: 'withdrawn', decision: null, by: owner, now: tx.now });
    if (row) yield* tell(tx, row, owner, 'approval.resolved');
  }
}

/** Ends what nobody answered in time, and answers it. */
export function* expireOverdue(tx: Tx, { workspaceId }: { workspaceId: string }): OpSteps<Approval[]> {
  const expired: Approval[] = [];
  for (const { id } of yield* tx.all(overdue, { workspaceId, now: tx.now })) {
    const row = yield* tx.one(decide, { workspaceId, id, state: 'expired', decision: null, by: 'deadline', now: tx.now });
    if (!row) continue;
    yield* tell(tx, row, 'deadline', 'approval.resolved');
    expired.push(toApproval(row));
  }
  return expired;
}

export const getApproval = readOp(
  'approvals.get',
  function* (tx, named: ApprovalId): OpSteps<Approval | null> {
    const row = yield* tx.one(approvalById, named);
    return row ? toApproval(row) : null;
  },
  { worker: true },
);

export const listApprovals = readOp('approvals.list', function* (tx, args: { workspaceId: string; limit: number }): OpSteps<Approval[]> {
  return (yield* tx.all(recent, args)).map(toApproval);
});

function* tell(tx: Tx, row: ApprovalTable, actor: string, kind: 'approval.requested' | 'approval.resolved'): OpSteps<void> {
  if (kind === 'approval.resolved') yield* settleTarget(tx, `approval:${row.id}`);
  yield* appendEvent(tx, { workspaceId: row.workspace_id, stream: `approval:${row.id}`, actor, body: { kind, approval: toApproval(row) } });
}

function toApproval(row: ApprovalTable): Approval {
  return {
    id: row.id,
    kind: row.kind as ApprovalKind, // written by openApproval
    state: row.state,
    request: JSON.parse(row.request) as Record<string, unknown>, // written by requestApproval
    owner: row.owner,
    decision: row.decision,
    decidedBy: row.decided_by,
    createdAt: row.created_at,
    deadlineAt: row.deadline_at,
  };
}
