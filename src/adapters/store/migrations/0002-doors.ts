// What the doors need: a session row per incarnation, runs without a session, approvals, pairing requests, system events, settings.
// Written in the SQL that SQLite and PostgreSQL share.

export const doors = {
  version: 2,
  name: 'doors',
  statements: [
    // A reset archives the row and begins a new one under the same key: the row's id is what clients call the session id.
    `DROP INDEX session_incarnation`,
    `DROP INDEX session_key`,
    `ALTER TABLE session DROP COLUMN incarnation`,
    `ALTER TABLE session ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'`,
    `ALTER TABLE session ADD COLUMN spawned_by TEXT`,
    `ALTER TABLE session ADD COLUMN context_from BIGINT NOT NULL DEFAULT 1`,
    `ALTER TABLE session ADD COLUMN archived_at BIGINT`,
    `CREATE UNIQUE INDEX session_key ON session (workspace_id, key) WHERE archived_at IS NULL`,
    `DROP INDEX session_recent`,
    `CREATE INDEX session_recent ON session (workspace_id, updated_at DESC) WHERE archived_at IS NULL`,
    `CREATE UNIQUE INDEX session_label ON session (workspace_id, label) WHERE archived_at IS NULL AND label IS NOT NULL`,
    `CREATE TABLE run_new (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, client_key TEXT NOT NULL, kind TEXT NOT NULL, session_id TEXT, session_key TEXT,
      agent_id TEXT NOT NULL, lane TEXT NOT NULL, priority BIGINT NOT NULL, state TEXT NOT NULL, actor TEXT NOT NULL, input TEXT NOT NULL,
      outcome TEXT, timeout_ms BIGINT NOT NULL, deadline_at BIGINT, not_before BIGINT NOT NULL, queued_at BIGINT NOT NULL,
      started_at BIGINT, ended_at BIGINT, fence BIGINT NOT NULL, worker_id TEXT, lease_until BIGINT, deaths BIGINT NOT NULL,
      abort_reason TEXT, user_seq BIGINT)`,
    `INSERT INTO run_new SELECT id, workspace_id, client_key, 'turn', session_id, session_key, agent_id, lane, priority, state, actor, input,
      outcome, timeout_ms, deadline_at, not_before, queued_at, started_at, ended_at, fence, worker_id, lease_until, deaths, abort_reason, user_seq FROM run`,
    `DROP TABLE run`,
    `ALTER TABLE run_new RENAME TO run`,
    `CREATE UNIQUE INDEX run_client_key ON run (workspace_id, client_key)`,
    `CREATE UNIQUE INDEX run_one_turn ON run (workspace_id, session_key) WHERE state IN ('running', 'waiting')`,
    `CREATE INDEX run_queue ON run (workspace_id, lane, priority DESC, queued_at, id) WHERE state = 'queued'`,
    `CREATE INDEX run_session_queue ON run (workspace_id, session_key, queued_at, id) WHERE state = 'queued'`,
    `CREATE INDEX run_active ON run (workspace_id, lane) WHERE state = 'running'`,
    `CREATE INDEX run_worker ON run (worker_id) WHERE state IN ('running', 'waiting')`,
    `CREATE INDEX run_recent ON run (workspace_id, queued_at DESC)`,
    `CREATE INDEX run_heartbeat ON run (workspace_id, ended_at) WHERE kind = 'heartbeat'`,
    `CREATE TABLE system_event (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, session_key TEXT NOT NULL, text TEXT NOT NULL, at BIGINT NOT NULL, run_id TEXT)`,
    `CREATE INDEX system_event_pending ON system_event (workspace_id, session_key, at, id) WHERE run_id IS NULL`,
    `CREATE TABLE approval (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, request TEXT NOT NULL, owner TEXT NOT NULL,
      default_decision TEXT, created_at BIGINT NOT NULL, deadline_at BIGINT NOT NULL, decision TEXT, decided_by TEXT, decided_at BIGINT)`,
    `CREATE INDEX approval_pending ON approval (workspace_id, deadline_at) WHERE state = 'pending'`,
    `CREATE TABLE pairing_request (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, device_id TEXT NOT NULL, role TEXT NOT NULL, public_key TEXT NOT NULL, about TEXT NOT NULL,
      scopes TEXT NOT NULL, state TEXT NOT NULL, created_at BIGINT NOT NULL, deadline_at BIGINT NOT NULL, decided_by TEXT, decided_at BIGINT)`,
    `CREATE UNIQUE INDEX pairing_pending ON pairing_request (workspace_id, device_id, role) WHERE state = 'pending'`,
    `CREATE TABLE setting (name TEXT NOT NULL, workspace_id TEXT NOT NULL, value TEXT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (workspace_id, name))`,
  ],
} as const;
