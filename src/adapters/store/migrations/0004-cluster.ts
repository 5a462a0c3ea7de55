// Several programs on one store: its nodes, what only one of them may do at a time, and how far each writer has come.
// Written in the SQL that SQLite and PostgreSQL share.

export const cluster = {
  version: 4,
  name: 'cluster',
  statements: [
    // A node is one life of a gateway or of a worker on a machine of its own; home names the place it lives in, over all its lives.
    `ALTER TABLE gateway RENAME TO node`,
    `ALTER TABLE node ADD COLUMN kind TEXT NOT NULL DEFAULT 'gateway'`,
    `ALTER TABLE node ADD COLUMN home TEXT NOT NULL DEFAULT ''`,
    `ALTER TABLE node ADD COLUMN host TEXT NOT NULL DEFAULT ''`,
    `ALTER TABLE node ADD COLUMN url TEXT`,
    `ALTER TABLE node ADD COLUMN version TEXT NOT NULL DEFAULT ''`,
    `ALTER TABLE node ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0`,
    `CREATE INDEX node_live ON node (lease_until) WHERE ended_at IS NULL`,
    `ALTER TABLE worker RENAME COLUMN gateway_id TO node_id`,
    `CREATE INDEX worker_live ON worker (node_id) WHERE ended_at IS NULL`,
    // Events of one batch are numbered in the order in which they were appended, not by their names.
    `ALTER TABLE event ADD COLUMN ord BIGINT NOT NULL DEFAULT 0`,
    `DROP INDEX event_unsealed`,
    `CREATE INDEX event_unsealed ON event (ord) WHERE sealed_seq IS NULL`,
    // Two machines may start a process with the same pid at the same time.
    `CREATE TABLE process_new (
      worker_id TEXT NOT NULL, pid BIGINT NOT NULL, pid_started TEXT NOT NULL, workspace_id TEXT NOT NULL, run_id TEXT,
      started_at BIGINT NOT NULL, PRIMARY KEY (worker_id, pid, pid_started))`,
    `INSERT INTO process_new SELECT worker_id, pid, pid_started, workspace_id, run_id, started_at FROM process`,
    `DROP TABLE process`,
    `ALTER TABLE process_new RENAME TO process`,
    // The same device, and the same credential, may be known in several workspaces.
    `CREATE TABLE device_new (
      id TEXT NOT NULL, workspace_id TEXT NOT NULL, public_key TEXT NOT NULL, about TEXT NOT NULL, created_at BIGINT NOT NULL,
      approved_at BIGINT NOT NULL, PRIMARY KEY (workspace_id, id))`,
    `INSERT INTO device_new SELECT id, workspace_id, public_key, about, created_at, approved_at FROM device`,
    `DROP TABLE device`,
    `ALTER TABLE device_new RENAME TO device`,
    `CREATE TABLE device_token_new (
      device_id TEXT NOT NULL, role TEXT NOT NULL, workspace_id TEXT NOT NULL, generation BIGINT NOT NULL, scopes TEXT NOT NULL,
      created_at BIGINT NOT NULL, rotated_at BIGINT, last_used_at BIGINT, revoked_at BIGINT, PRIMARY KEY (workspace_id, device_id, role))`,
    `INSERT INTO device_token_new SELECT device_id, role, workspace_id, generation, scopes, created_at, rotated_at, last_used_at, revoked_at FROM device_token`,
    `DROP TABLE device_token`,
    `ALTER TABLE device_token_new RENAME TO device_token`,
    `CREATE TABLE refusal_new (
      credential TEXT NOT NULL, model TEXT NOT NULL, workspace_id TEXT NOT NULL, reason TEXT NOT NULL, until BIGINT NOT NULL,
      PRIMARY KEY (workspace_id, credential, model))`,
    `INSERT INTO refusal_new SELECT credential, model, workspace_id, reason, until FROM refusal`,
    `DROP TABLE refusal`,
    `ALTER TABLE refusal_new RENAME TO refusal`,
    `CREATE TABLE lease (
      name TEXT NOT NULL, workspace_id TEXT NOT NULL, owner TEXT NOT NULL, fence BIGINT NOT NULL, lease_until BIGINT NOT NULL,
      PRIMARY KEY (workspace_id, name))`,
    // The last batch a writer has committed: tells a batch that was committed from one that was not, when the answer got lost.
    `CREATE TABLE writer (id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, batch BIGINT NOT NULL, at BIGINT NOT NULL)`,
  ],
} as const;
