// The tables of trust, as types: submissions, evidence, verdicts. Evidence and verdicts are never changed. See tables.ts.

import type { RequestState, VerdictWord } from '../domain/trust.ts';

export interface ValidationRequestTable {
  id: string;
  workspace_id: string;
  task_id: string;
  state: RequestState;
  /** JSON of Submission. */
  submission: string;
  /** The commit that is judged. */
  head: string;
  policy_hash: string;
  /** JSON of Author: who did the work. */
  worker: string;
  isolation: string | null;
  run_id: string | null;
  opened_at: number;
  settled_at: number | null;
}

export interface EvidenceTable {
  id: string;
  workspace_id: string;
  task_id: string;
  request_id: string;
  kind: string;
  digest: string;
  produced_by: 'gateway' | 'worker' | 'validator' | 'human';
  /** JSON. */
  body: string;
  at: number;
}

export interface VerdictTable {
  id: string;
  workspace_id: string;
  task_id: string;
  request_id: string;
  layer: number;
  word: VerdictWord;
  commit_id: string;
  policy_hash: string;
  /** JSON of the digests of the gates it rests on. */
  gates: string;
  /** JSON of Author. */
  author: string;
  reason: string;
  note: string | null;
  at: number;
}
