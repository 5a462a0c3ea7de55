// The tables of orchestration, as types: waits, spawns, schedules, the ledger of model calls. See tables.ts.

import type { SpawnState } from '../domain/spawn.ts';

/** What a waiting run waits for: `run:<id>`, `approval:<id>`, `budget:<scope>`. */
export interface WaitOnTable {
  run_id: string;
  target: string;
  workspace_id: string;
}

export interface SpawnTable {
  id: string;
  workspace_id: string;
  /** The requester's key: the same key twice is the same spawn. */
  request_key: string;
  state: SpawnState;
  /** The rule that denied it. */
  rule: string | null;
  requester: string;
  parent_run_id: string | null;
  parent_session_key: string | null;
  /** Decided with the request, whether or not the run exists yet. */
  child_run_id: string;
  child_session_key: string;
  agent_id: string;
  role: string | null;
  depth: number;
  label: string | null;
  /** JSON of SpawnOrder. */
  request: string;
  requested_at: number;
  decided_at: number | null;
  decided_by: string | null;
  /** Until when a request may wait for its grant. */
  deadline_at: number | null;
  cleanup: 'keep' | 'delete';
}

export interface CronJobTable {
  id: string;
  workspace_id: string;
  name: string;
  enabled: number;
  /** JSON of the job as its owner wrote it, unknown fields included. */
  spec: string;
  created_at: number;
  updated_at: number;
  /** Every slot up to this instant has been decided. */
  cursor_at: number;
  next_at: number | null;
  /** A removed job stays as a tombstone. */
  removed_at: number | null;
}

export interface CronSlotTable {
  job_id: string;
  scheduled_for: number;
  workspace_id: string;
  state: 'run' | 'skipped' | 'missed';
  reason: string | null;
  run_id: string | null;
  session_id: string | null;
  decided_at: number;
  /** When the end of its run had its effect on the job. */
  settled_at: number | null;
}

export interface LedgerTable {
  id: string;
  workspace_id: string;
  at: number;
  /** Calendar day in the owner's time zone. */
  day: string;
  run_id: string;
  root_id: string;
  session_key: string | null;
  agent_id: string;
  role: string | null;
  job_id: string | null;
  provider: string;
  model: string;
  input: number;
  output: number;
  cache_read: number;
  cache_write: number;
  /** Millionths of a US dollar; where no price is known, by the highest that is. */
  micros: number;
  priced: number;
}

export interface SpendTable {
  workspace_id: string;
  day: string;
  agent_id: string;
  /** Empty where there is none, so that it can be part of the key. */
  role: string;
  job_id: string;
  provider: string;
  model: string;
  calls: number;
  input: number;
  output: number;
  cache_read: number;
  cache_write: number;
  micros: number;
  /** Calls without a known price, counted by the highest that is. */
  unpriced: number;
}

/** What the call in flight of a run may cost at most. */
export interface ReservationTable {
  run_id: string;
  workspace_id: string;
  day: string;
  agent_id: string;
  role: string;
  job_id: string;
  root_id: string;
  /** The task and the plan that it is for, or empty. */
  task_id: string;
  plan_id: string;
  provider: string;
  model: string;
  micros: number;
  tokens: number;
  at: number;
}

/** What all work on a task or under a plan has spent: `task:<id>`, `plan:<id>`. */
export interface WorkSpendTable {
  scope: string;
  micros: number;
  tokens: number;
}

/** What is particular about a budget on a day: more money, a warning, the open question for more. */
export interface BudgetNoteTable {
  workspace_id: string;
  scope: string;
  day: string;
  extra_micros: number;
  warned_at: number | null;
  approval_id: string | null;
}
