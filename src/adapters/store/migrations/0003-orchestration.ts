// What starts, waits, repeats and stops runs: trees of work, waits, spawns, schedules, the ledger of model calls.
// Written in the SQL that SQLite and PostgreSQL share.

export const orchestration = {
  version: 3,
  name: 'orchestration',
  statements: [
    `ALTER TABLE run ADD COLUMN root_id TEXT NOT NULL DEFAULT ''`,
    `UPDATE run SET root_id = id`,
    `ALTER TABLE run ADD COLUMN parent_id TEXT`,
    `ALTER TABLE run ADD COLUMN depth BIGINT NOT NULL DEFAULT 0`,
    `ALTER TABLE run ADD COLUMN child_policy TEXT`,
    `ALTER TABLE run ADD COLUMN role TEXT`,
    `ALTER TABLE run ADD COLUMN job_id TEXT`,
    `ALTER TABLE run ADD COLUMN fair_tag BIGINT NOT NULL DEFAULT 0`,
    `ALTER TABLE run ADD COLUMN wait TEXT`,
    `ALTER TABLE run ADD COLUMN wait_since BIGINT`,
    `ALTER TABLE run ADD COLUMN wait_until BIGINT`,
    `ALTER TABLE run ADD COLUMN collected_by TEXT`,
    `ALTER TABLE run ADD COLUMN spent_micros BIGINT NOT NULL DEFAULT 0`,
    `ALTER TABLE run ADD COLUMN spent_tokens BIGINT NOT NULL DEFAULT 0`,
    `DROP INDEX run_queue`,
    `CREATE INDEX run_queue ON run (workspace_id, lane, fair_tag, queued_at, id) WHERE state = 'queued'`,
    `CREATE INDEX run_due ON run (workspace_id, not_before) WHERE state = 'queued'`,
    `DROP INDEX run_active`,
    `CREATE INDEX run_active ON run (workspace_id, lane, root_id) WHERE state = 'running'`,
    `CREATE INDEX run_active_role ON run (workspace_id, role) WHERE state = 'running' AND role IS NOT NULL`,
    `CREATE INDEX run_tree_queue ON run (workspace_id, lane, root_id, fair_tag) WHERE state = 'queued'`,
    `CREATE INDEX run_waiting ON run (workspace_id, wait_until) WHERE state = 'waiting'`,
    `CREATE INDEX run_children ON run (parent_id) WHERE parent_id IS NOT NULL`,
    `CREATE INDEX run_tree ON run (root_id, queued_at) WHERE parent_id IS NOT NULL`,
    `CREATE INDEX run_collected ON run (collected_by) WHERE collected_by IS NOT NULL`,
    `ALTER TABLE lane ADD COLUMN fair_clock BIGINT NOT NULL DEFAULT 0`,
    `ALTER TABLE lane ADD COLUMN longest_queue BIGINT NOT NULL DEFAULT 10000`,
    `CREATE TABLE wait_on (run_id TEXT NOT NULL, target TEXT NOT NULL, workspace_id TEXT NOT NULL, PRIMARY KEY (run_id, target))`,
    `CREATE INDEX wait_target ON wait_on (target)`,
    // A result is told like an event, and is kept apart from events because somebody counts on it.
    `ALTER TABLE system_event ADD COLUMN result_of TEXT`,
    `CREATE INDEX system_event_result ON system_event (result_of) WHERE result_of IS NOT NULL`,
    `CREATE INDEX approval_owner ON approval (owner) WHERE state = 'pending'`,
    `CREATE TABLE spawn (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, request_key TEXT NOT NULL, state TEXT NOT NULL, rule TEXT, requester TEXT NOT NULL,
      parent_run_id TEXT, parent_session_key TEXT, child_run_id TEXT NOT NULL, child_session_key TEXT NOT NULL, agent_id TEXT NOT NULL,
      role TEXT, depth BIGINT NOT NULL, label TEXT, request TEXT NOT NULL, requested_at BIGINT NOT NULL, decided_at BIGINT, decided_by TEXT,
      deadline_at BIGINT, cleanup TEXT NOT NULL)`,
    `CREATE UNIQUE INDEX spawn_request ON spawn (workspace_id, request_key)`,
    `CREATE UNIQUE INDEX spawn_child ON spawn (child_run_id)`,
    `CREATE INDEX spawn_recent ON spawn (workspace_id, requested_at DESC)`,
    `CREATE INDEX spawn_parent ON spawn (parent_run_id, requested_at) WHERE parent_run_id IS NOT NULL`,
    `CREATE INDEX spawn_open_request ON spawn (workspace_id, deadline_at) WHERE state = 'awaiting_grant'`,
    `CREATE TABLE cron_job (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, name TEXT NOT NULL, enabled BIGINT NOT NULL, spec TEXT NOT NULL, created_at BIGINT NOT NULL,
      updated_at BIGINT NOT NULL, cursor_at BIGINT NOT NULL, next_at BIGINT, removed_at BIGINT)`,
    `CREATE INDEX cron_due ON cron_job (workspace_id, next_at) WHERE next_at IS NOT NULL AND removed_at IS NULL`,
    `CREATE TABLE cron_slot (
      job_id TEXT NOT NULL, scheduled_for BIGINT NOT NULL, workspace_id TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, run_id TEXT, session_id TEXT,
      decided_at BIGINT NOT NULL, settled_at BIGINT, PRIMARY KEY (job_id, scheduled_for))`,
    `CREATE INDEX cron_slot_run ON cron_slot (run_id) WHERE run_id IS NOT NULL`,
    `CREATE INDEX cron_slot_open ON cron_slot (workspace_id, job_id) WHERE settled_at IS NULL`,
    // Append-only: one row per model call. The counters beside it are its sums by day.
    `CREATE TABLE ledger (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, at BIGINT NOT NULL, day TEXT NOT NULL, run_id TEXT NOT NULL, root_id TEXT NOT NULL,
      session_key TEXT, agent_id TEXT NOT NULL, role TEXT, job_id TEXT, provider TEXT NOT NULL, model TEXT NOT NULL, input BIGINT NOT NULL,
      output BIGINT NOT NULL, cache_read BIGINT NOT NULL, cache_write BIGINT NOT NULL, micros BIGINT NOT NULL, priced BIGINT NOT NULL)`,
    `CREATE INDEX ledger_run ON ledger (run_id)`,
    `CREATE INDEX ledger_tree ON ledger (root_id)`,
    `CREATE TABLE spend (
      workspace_id TEXT NOT NULL, day TEXT NOT NULL, agent_id TEXT NOT NULL, role TEXT NOT NULL, job_id TEXT NOT NULL, provider TEXT NOT NULL,
      model TEXT NOT NULL, calls BIGINT NOT NULL, input BIGINT NOT NULL, output BIGINT NOT NULL, cache_read BIGINT NOT NULL,
      cache_write BIGINT NOT NULL, micros BIGINT NOT NULL, unpriced BIGINT NOT NULL,
      PRIMARY KEY (workspace_id, day, agent_id, role, job_id, provider, model))`,
    `CREATE TABLE reservation (
      run_id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, day TEXT NOT NULL, agent_id TEXT NOT NULL, role TEXT NOT NULL, job_id TEXT NOT NULL,
      root_id TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, micros BIGINT NOT NULL, tokens BIGINT NOT NULL, at BIGINT NOT NULL)`,
    `CREATE TABLE budget_note (
      workspace_id TEXT NOT NULL, scope TEXT NOT NULL, day TEXT NOT NULL, extra_micros BIGINT NOT NULL, warned_at BIGINT, approval_id TEXT,
      PRIMARY KEY (workspace_id, scope, day))`,
  ],
} as const;
