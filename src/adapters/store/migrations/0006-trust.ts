// Trust: what a task must prove, its submissions, the evidence and the verdicts.

export const trust = {
  version: 6,
  name: 'trust',
  statements: [
    `ALTER TABLE task ADD COLUMN spec TEXT`,
    `ALTER TABLE task ADD COLUMN request_id TEXT`,
    `CREATE TABLE validation_request (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, task_id TEXT NOT NULL, state TEXT NOT NULL, submission TEXT NOT NULL, head TEXT NOT NULL,
      policy_hash TEXT NOT NULL, worker TEXT NOT NULL, isolation TEXT, run_id TEXT, opened_at BIGINT NOT NULL, settled_at BIGINT)`,
    `CREATE INDEX validation_request_task ON validation_request (task_id, opened_at)`,
    `CREATE TABLE evidence (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, task_id TEXT NOT NULL, request_id TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL,
      produced_by TEXT NOT NULL, body TEXT NOT NULL, at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX evidence_digest ON evidence (request_id, digest)`,
    `CREATE INDEX evidence_task ON evidence (task_id, kind, at)`,
    `CREATE TABLE verdict (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, task_id TEXT NOT NULL, request_id TEXT NOT NULL, layer BIGINT NOT NULL, word TEXT NOT NULL,
      commit_id TEXT NOT NULL, policy_hash TEXT NOT NULL, gates TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, note TEXT, at BIGINT NOT NULL)`,
    `CREATE INDEX verdict_request ON verdict (request_id, layer)`,
  ],
} as const;
