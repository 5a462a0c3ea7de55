// Plans: plans, epics and stories, what was said of them, and which task waits for which.

export const plans = {
  version: 7,
  name: 'plans',
  statements: [
    `CREATE TABLE plan_item (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, kind TEXT NOT NULL, parent_id TEXT, plan_id TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
      state TEXT NOT NULL, risk TEXT NOT NULL, body TEXT NOT NULL, author TEXT NOT NULL, origin TEXT NOT NULL, findings TEXT NOT NULL,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX plan_item_name ON plan_item (workspace_id, name)`,
    `CREATE INDEX plan_item_plan ON plan_item (plan_id, created_at)`,
    `CREATE TABLE plan_comment (id TEXT PRIMARY KEY, item_id TEXT NOT NULL, actor TEXT NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL, at BIGINT NOT NULL)`,
    `CREATE INDEX plan_comment_item ON plan_comment (item_id, at)`,
    `ALTER TABLE task ADD COLUMN story_id TEXT`,
    `ALTER TABLE task ADD COLUMN budget TEXT`,
    `CREATE INDEX task_story ON task (story_id, state)`,
    `CREATE TABLE dependency (task_id TEXT NOT NULL, on_id TEXT NOT NULL, PRIMARY KEY (task_id, on_id))`,
    `CREATE INDEX dependency_on ON dependency (on_id)`,
    `CREATE TABLE work_spend (scope TEXT PRIMARY KEY, micros BIGINT NOT NULL, tokens BIGINT NOT NULL)`,
    `ALTER TABLE reservation ADD COLUMN task_id TEXT NOT NULL DEFAULT ''`,
    `ALTER TABLE reservation ADD COLUMN plan_id TEXT NOT NULL DEFAULT ''`,
    `CREATE TABLE incident (
      id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL, opened_at BIGINT NOT NULL,
      resolved_at BIGINT)`,
    `CREATE INDEX incident_open ON incident (workspace_id, state, subject)`,
  ],
} as const;
