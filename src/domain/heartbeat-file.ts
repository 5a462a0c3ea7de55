// Heartbeat files: hints about who works on what, in every spelling. Their times are invented: what counts is when the file changed.

type Json = Readonly<Record<string, unknown>>;

export interface WrittenHeartbeat {
  readonly task: string;
  readonly sessionKey: string | null;
  readonly status: string | null;
  readonly progress: string | null;
}

/** A file that did not change for this long tells of nobody who works. */
export const STALE_AFTER_MS = 1_200_000;

function textOf(json: Json, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = json[name];
    if (typeof value === 'string' && value.trim() !== '') return value.trim().slice(0, 2000);
    if (typeof value === 'number') return String(value);
  }
  return null;
}

/** Undefined when the value is no object. The name of the file stands in for a task that nobody named. */
export function readHeartbeat(value: unknown, fileName: string): WrittenHeartbeat | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const json = value as Json; // checked above
  return {
    task: textOf(json, 'taskId', 'task_id', 'task', 'id') ?? fileName.replace(/\.json$/i, ''),
    sessionKey: textOf(json, 'sessionKey', 'sessionId', 'session', 'agentSession', 'worker'),
    status: textOf(json, 'status', 'state'),
    progress: textOf(json, 'progress', 'currentStep', 'step', 'message', 'notes'),
  };
}

/** Whether the one who wrote it says that the work is over. */
export function saysItIsOver(status: string | null): boolean {
  return status !== null && /^(complete|done|finish|failed|cancel|validated|closed|stopped|dead|error)/i.test(status);
}
