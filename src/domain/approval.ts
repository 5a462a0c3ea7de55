// An approval: a question to a person, with an owner who waits, a deadline, and what its expiry means.

export type ApprovalState = 'pending' | 'granted' | 'refused' | 'expired' | 'withdrawn';

/** A command that wants to run, a sub-agent that wants to start, work whose budget is used up. */
export type ApprovalKind = 'exec' | 'spawn' | 'budget';

/** What people may answer to a command that wants to run. */
export const EXEC_DECISIONS = ['allow-once', 'allow-always', 'deny'] as const;
export type ExecDecision = (typeof EXEC_DECISIONS)[number];

export interface Approval {
  readonly id: string;
  readonly kind: ApprovalKind;
  readonly state: ApprovalState;
  readonly request: Readonly<Record<string, unknown>>;
  readonly owner: string;
  readonly decision: string | null;
  readonly decidedBy: string | null;
  readonly createdAt: number;
  readonly deadlineAt: number;
}

export function stateOfDecision(decision: ExecDecision): ApprovalState {
  return decision === 'deny' ? 'refused' : 'granted';
}
