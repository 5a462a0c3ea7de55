// Message channels: what came in, where people wait for answers, what is to be sent, who may speak. And alerts.

export const channels = {
  version: 8,
  name: 'channels',
  statements: [
    `ALTER TABLE session ADD COLUMN route TEXT`,
    `CREATE TABLE inbound (
      workspace_id TEXT NOT NULL, channel TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, at BIGINT NOT NULL, fate TEXT NOT NULL, place TEXT NOT NULL,
      thread TEXT, sender TEXT NOT NULL, session_key TEXT, run_id TEXT, text TEXT, PRIMARY KEY (workspace_id, channel, account, key))`,
    `CREATE INDEX inbound_heard ON inbound (workspace_id, channel, account, place, at) WHERE fate = 'heard'`,
    `CREATE INDEX inbound_age ON inbound (at)`,
    `CREATE TABLE place (
      workspace_id TEXT NOT NULL, channel TEXT NOT NULL, account TEXT NOT NULL, place TEXT NOT NULL, thread TEXT NOT NULL, last_at BIGINT NOT NULL,
      PRIMARY KEY (workspace_id, channel, account, place, thread))`,
    `CREATE TABLE outbox (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, channel TEXT NOT NULL, account TEXT NOT NULL, place TEXT NOT NULL, address TEXT NOT NULL, body TEXT NOT NULL,
      intent TEXT NOT NULL, state TEXT NOT NULL, parts TEXT NOT NULL, attempts INTEGER NOT NULL, not_before BIGINT NOT NULL, created_at BIGINT NOT NULL,
      settled_at BIGINT, error TEXT, actor TEXT NOT NULL, run_id TEXT)`,
    `CREATE UNIQUE INDEX outbox_intent ON outbox (workspace_id, intent)`,
    `CREATE INDEX outbox_open ON outbox (workspace_id, id) WHERE state = 'queued'`,
    `CREATE INDEX outbox_settled ON outbox (settled_at)`,
    `CREATE TABLE peer (
      workspace_id TEXT NOT NULL, channel TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL, name TEXT, state TEXT NOT NULL, code TEXT, place TEXT NOT NULL,
      asked_at BIGINT NOT NULL, deadline_at BIGINT NOT NULL, decided_by TEXT, PRIMARY KEY (workspace_id, channel, account, id))`,
    `CREATE TABLE alert (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, check_id TEXT NOT NULL, severity TEXT NOT NULL, evidence TEXT NOT NULL, fix TEXT NOT NULL,
      opened_at BIGINT NOT NULL, told_at BIGINT, told_severity TEXT, resolved_at BIGINT)`,
    `CREATE UNIQUE INDEX alert_open ON alert (workspace_id, check_id) WHERE resolved_at IS NULL`,
    `CREATE INDEX alert_recent ON alert (workspace_id, opened_at)`,
  ],
} as const;
