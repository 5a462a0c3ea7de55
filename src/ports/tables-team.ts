// The tables of the team, as types: messages, tasks, shared files. See tables.ts.

import type { MessageState } from '../domain/inbox.ts';
import type { TaskState } from '../domain/task.ts';

export interface MessageTable {
  id: string;
  workspace_id: string;
  /** The agent it is for. */
  box: string;
  /** The agent it is from. */
  sender: string;
  /** The sender's name as written, where a file told it. */
  sender_name: string | null;
  type: string;
  subject: string;
  /** JSON. */
  content: string;
  priority: number;
  /** Its place in the box: see domain/inbox. */
  rank: number;
  state: MessageState;
  digest: string;
  fold_key: string | null;
  /** Equal ones that came after it and are told with it. */
  folded: number;
  claimed_id: string | null;
  claimed_at: string | null;
  clock_off: number;
  reply_to: string | null;
  thread: string;
  /** The message whose file was edited. */
  amends: string | null;
  origin: 'file' | 'call';
  actor: string;
  /** Where its file lies, from the inboxes folder. */
  file: string | null;
  /** The bytes of its file as they came, as text. */
  original: string | null;
  needs_ack: number;
  ack_by: number | null;
  expires_at: number | null;
  arrived_at: number;
  delivered_at: number | null;
  run_id: string | null;
  read_at: number | null;
  acked_at: number | null;
  acked_by: string | null;
  /** The only run it is for: a later one under the same name must not hear it. */
  only_run: string | null;
  failures: number;
  escalations: number;
  /** When it was said that nobody reads it. */
  reported_at: number | null;
}

export interface TaskTable {
  id: string;
  workspace_id: string;
  /** Names are those of a project: `p1-2-a` exists in three. */
  project: string;
  name: string;
  title: string;
  owner: string | null;
  state: TaskState;
  /** The state in the words of the file it came from. */
  said: string | null;
  /** The task as it was written. */
  original: string;
  /** The file it came from, or `call`. */
  source: string;
  attempts: number;
  /** Its latest run. */
  run_id: string | null;
  /** JSON of Blocked. */
  blocked: string | null;
  /** JSON of TaskSpec: what it must prove, and where. */
  spec: string | null;
  /** Its latest submission. */
  request_id: string | null;
  story_id: string | null;
  /** JSON of Money: most that all its attempts may spend. */
  budget: string | null;
  created_at: number;
  updated_at: number;
}

export interface FileVersionTable {
  workspace_id: string;
  /** From the workspace's folder. */
  path: string;
  seq: number;
  hash: string;
  text: string;
  actor: string;
  note: string | null;
  at: number;
}

/** Another key under which a spawn was asked for while it was under way. */
export interface SpawnAliasTable {
  workspace_id: string;
  request_key: string;
  spawn_id: string;
}

/** What a heartbeat file says: a hint, never the truth. */
export interface HeartbeatTable {
  workspace_id: string;
  task: string;
  session_key: string | null;
  status: string | null;
  progress: string | null;
  /** When the file changed. */
  seen_at: number;
  stale_at: number | null;
  settled: string | null;
}
