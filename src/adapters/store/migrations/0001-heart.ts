// The first tables: sessions, transcripts, runs, leases, workers, events, devices.
// Written in the SQL that SQLite and PostgreSQL share.

export const heart = {
  version: 1,
  name: 'heart',
  statements: [
    `CREATE TABLE session (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, key TEXT NOT NULL, agent_id TEXT NOT NULL, incarnation TEXT NOT NULL,
      label TEXT, model_override TEXT, last_seq BIGINT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL,
      context_tokens BIGINT NOT NULL, last_model TEXT, aborted_last_run BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX session_key ON session (workspace_id, key)`,
    `CREATE INDEX session_recent ON session (workspace_id, updated_at DESC)`,
    `CREATE INDEX session_incarnation ON session (workspace_id, incarnation)`,
    `CREATE TABLE entry (
      session_id TEXT NOT NULL, seq BIGINT NOT NULL, workspace_id TEXT NOT NULL, run_id TEXT, kind TEXT NOT NULL, body TEXT NOT NULL,
      at BIGINT NOT NULL, PRIMARY KEY (session_id, seq))`,
    `CREATE TABLE run (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, client_key TEXT NOT NULL, session_id TEXT NOT NULL, session_key TEXT NOT NULL,
      agent_id TEXT NOT NULL, lane TEXT NOT NULL, priority BIGINT NOT NULL, state TEXT NOT NULL, actor TEXT NOT NULL, input TEXT NOT NULL,
      outcome TEXT, timeout_ms BIGINT NOT NULL, deadline_at BIGINT, not_before BIGINT NOT NULL, queued_at BIGINT NOT NULL,
      started_at BIGINT, ended_at BIGINT, fence BIGINT NOT NULL, worker_id TEXT, lease_until BIGINT, deaths BIGINT NOT NULL,
      abort_reason TEXT, user_seq BIGINT)`,
    `CREATE UNIQUE INDEX run_client_key ON run (workspace_id, client_key)`,
    `CREATE UNIQUE INDEX run_one_turn ON run (session_id) WHERE state IN ('running', 'waiting')`,
    `CREATE INDEX run_queue ON run (workspace_id, lane, priority DESC, queued_at, id) WHERE state = 'queued'`,
    `CREATE INDEX run_session_queue ON run (session_id, queued_at, id) WHERE state = 'queued'`,
    `CREATE INDEX run_active ON run (workspace_id, lane) WHERE state = 'running'`,
    `CREATE INDEX run_worker ON run (worker_id) WHERE state IN ('running', 'waiting')`,
    `CREATE INDEX run_recent ON run (workspace_id, queued_at DESC)`,
    `CREATE TABLE attempt (
      id TEXT PRIMARY KEY, run_id TEXT NOT NULL, workspace_id TEXT NOT NULL, fence BIGINT NOT NULL, worker_id TEXT NOT NULL,
      started_at BIGINT NOT NULL, ended_at BIGINT, ended TEXT)`,
    `CREATE UNIQUE INDEX attempt_fence ON attempt (run_id, fence)`,
    `CREATE TABLE lane (name TEXT NOT NULL, workspace_id TEXT NOT NULL, slots BIGINT NOT NULL, PRIMARY KEY (workspace_id, name))`,
    `CREATE TABLE worker (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, gateway_id TEXT NOT NULL, pid BIGINT NOT NULL, pid_started TEXT NOT NULL,
      started_at BIGINT NOT NULL, ended_at BIGINT)`,
    `CREATE TABLE process (
      pid BIGINT NOT NULL, pid_started TEXT NOT NULL, workspace_id TEXT NOT NULL, worker_id TEXT NOT NULL, run_id TEXT,
      started_at BIGINT NOT NULL, PRIMARY KEY (pid, pid_started))`,
    `CREATE TABLE gateway (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, pid BIGINT NOT NULL, pid_started TEXT NOT NULL, started_at BIGINT NOT NULL,
      ended_at BIGINT)`,
    `CREATE TABLE stream (name TEXT NOT NULL, workspace_id TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (workspace_id, name))`,
    `CREATE TABLE event (
      stream TEXT NOT NULL, seq BIGINT NOT NULL, workspace_id TEXT NOT NULL, sealed_seq BIGINT, hash TEXT, actor TEXT NOT NULL,
      session_key TEXT, run_key TEXT, body TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (workspace_id, stream, seq))`,
    `CREATE UNIQUE INDEX event_sealed ON event (sealed_seq) WHERE sealed_seq IS NOT NULL`,
    `CREATE INDEX event_unsealed ON event (at) WHERE sealed_seq IS NULL`,
    `CREATE TABLE chain (id BIGINT PRIMARY KEY, workspace_id TEXT NOT NULL, sealed_seq BIGINT NOT NULL, hash TEXT NOT NULL)`,
    `CREATE TABLE device (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, public_key TEXT NOT NULL, about TEXT NOT NULL, created_at BIGINT NOT NULL,
      approved_at BIGINT NOT NULL)`,
    `CREATE TABLE device_token (
      device_id TEXT NOT NULL, role TEXT NOT NULL, workspace_id TEXT NOT NULL, generation BIGINT NOT NULL, scopes TEXT NOT NULL,
      created_at BIGINT NOT NULL, rotated_at BIGINT, last_used_at BIGINT, revoked_at BIGINT, PRIMARY KEY (device_id, role))`,
    `CREATE TABLE refusal (
      credential TEXT NOT NULL, model TEXT NOT NULL, workspace_id TEXT NOT NULL, reason TEXT NOT NULL, until BIGINT NOT NULL,
      PRIMARY KEY (credential, model))`,
  ],
} as const;
