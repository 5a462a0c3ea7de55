// Heartbeat files: hints about who works on what, in every spelling. Their times are invented: what counts is when the file changed.

import { isObject, textIn } from '../kit/json.ts';

export interface WrittenHeartbeat {
  readonly task: string;
  readonly sessionKey: string | null;
  readonly status: string | null;
  readonly progress: string | null;
}

/** A file that did not change for this long tells of nobody who works. */
export const STALE_AFTER_MS = 1_200_000;

/** Undefined when the value is no object. The name of the file stands in for a task that nobody named. */
export function readHeartbeat(value: unknown, fileName: string): WrittenHeartbeat | undefined {
  if (!isObject(value)) return undefined;
  return {
    task: textIn(value, 'taskId', 'task_id', 'task', 'id') ?? fileName.replace(/\.json$/i, ''),
    sessionKey: textIn(value, 'sessionKey', 'sessionId', 'session', 'agentSession', 'worker'),
    status: textIn(value, 'status', 'state'),
    progress: textIn(value, 'progress', 'currentStep', 'step', 'message', 'notes'),
  };
}

/** Whether the one who wrote it says that the work is over. */
export function saysItIsOver(status: string | null): boolean {
  return status !== null && /^(complete|done|finish|failed|cancel|validated|closed|stopped|dead|error)/i.test(status);
}
