// What becomes of messages that come while an agent is busy.

export const QUEUE_MODES = ['collect', 'followup', 'interrupt'] as const;
export type QueueMode = (typeof QUEUE_MODES)[number];
/** Names of the original that mean another one here. `steer` is not built yet: such messages follow one by one. */
const ALIASES: Readonly<Record<string, QueueMode>> = { steer: 'followup', 'steer-backlog': 'followup', steer_backlog: 'followup', queue: 'followup' };

export interface QueueSettings {
  readonly mode: QueueMode;
  readonly debounceMs: number;
  /** Messages that may wait for one session. */
  readonly cap: number;
  /** What gives way above the cap: the oldest, the newest, or the oldest shortened to a line. */
  readonly drop: 'old' | 'new' | 'summarize';
}

/** The mode a written name stands for, and whether it stands for itself. Undefined for no mode at all. */
export function queueModeNamed(written: string): { readonly mode: QueueMode; readonly exact: boolean } | undefined {
  const name = written.trim().toLowerCase();
  const known = QUEUE_MODES.find((mode) => mode === name);
  if (known) return { mode: known, exact: true };
  const alias = ALIASES[name];
  return alias && { mode: alias, exact: false };
}
