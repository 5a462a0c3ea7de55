// The team: messages between agents, tasks, and versions of the files that agents share.

export const team = {
  version: 5,
  name: 'team',
  statements: [
    `CREATE TABLE message (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, box TEXT NOT NULL, sender TEXT NOT NULL, sender_name TEXT, type TEXT NOT NULL,
      subject TEXT NOT NULL, content TEXT NOT NULL, priority BIGINT NOT NULL, rank BIGINT NOT NULL, state TEXT NOT NULL,
      digest TEXT NOT NULL, fold_key TEXT, folded BIGINT NOT NULL, claimed_id TEXT, claimed_at TEXT, clock_off BIGINT NOT NULL,
      reply_to TEXT, thread TEXT NOT NULL, amends TEXT, origin TEXT NOT NULL, actor TEXT NOT NULL, file TEXT, original TEXT,
      needs_ack BIGINT NOT NULL, ack_by BIGINT, expires_at BIGINT, arrived_at BIGINT NOT NULL, delivered_at BIGINT, run_id TEXT,
      read_at BIGINT, acked_at BIGINT, acked_by TEXT, only_run TEXT, failures BIGINT NOT NULL, escalations BIGINT NOT NULL, reported_at BIGINT)`,
    `CREATE UNIQUE INDEX message_digest ON message (workspace_id, box, digest)`,
    `CREATE INDEX message_queue ON message (workspace_id, box, rank, id) WHERE state = 'queued'`,
    `CREATE INDEX message_box ON message (workspace_id, box, arrived_at)`,
    `CREATE INDEX message_run ON message (run_id) WHERE state = 'delivered'`,
    `CREATE INDEX message_thread ON message (workspace_id, thread)`,
    `CREATE INDEX message_claimed ON message (workspace_id, claimed_id) WHERE claimed_id IS NOT NULL`,
    `CREATE INDEX message_fold ON message (workspace_id, box, fold_key) WHERE fold_key IS NOT NULL`,
    `CREATE INDEX message_ack ON message (workspace_id, ack_by) WHERE ack_by IS NOT NULL AND acked_at IS NULL`,
    `CREATE INDEX message_file ON message (workspace_id, file) WHERE file IS NOT NULL`,
    `CREATE TABLE task (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, owner TEXT,
      state TEXT NOT NULL, said TEXT, original TEXT NOT NULL, source TEXT NOT NULL, attempts BIGINT NOT NULL, run_id TEXT,
      blocked TEXT, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX task_name ON task (workspace_id, project, name)`,
    `CREATE INDEX task_state ON task (workspace_id, state)`,
    `CREATE INDEX task_run ON task (run_id) WHERE run_id IS NOT NULL`,
    `CREATE TABLE file_version (
      workspace_id TEXT NOT NULL, path TEXT NOT NULL, seq BIGINT NOT NULL, hash TEXT NOT NULL, text TEXT NOT NULL, actor TEXT NOT NULL,
      note TEXT, at BIGINT NOT NULL, PRIMARY KEY (workspace_id, path, seq))`,
    `CREATE TABLE spawn_alias (workspace_id TEXT NOT NULL, request_key TEXT NOT NULL, spawn_id TEXT NOT NULL, PRIMARY KEY (workspace_id, request_key))`,
    `CREATE INDEX spawn_label ON spawn (workspace_id, label) WHERE label IS NOT NULL`,
    `CREATE TABLE heartbeat (
      workspace_id TEXT NOT NULL, task TEXT NOT NULL, session_key TEXT, status TEXT, progress TEXT, seen_at BIGINT NOT NULL,
      stale_at BIGINT, settled TEXT, PRIMARY KEY (workspace_id, task))`,
  ],
} as const;
