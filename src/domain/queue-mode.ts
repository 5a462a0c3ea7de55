// What becomes of messages that come while an agent is busy.

import { own } from '../kit/own.ts';

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

interface SessionQueue {
  readonly queueMode?: QueueMode | undefined;
  readonly queueDebounceMs?: number | undefined;
  readonly queueCap?: number | undefined;
  readonly queueDrop?: QueueSettings['drop'] | undefined;
}

interface ConfiguredQueue extends Omit<QueueSettings, 'mode'> {
  readonly mode?: string | undefined;
  readonly byChannel?: Readonly<Record<string, string>> | undefined;
}

/** The clients of web chat and terminal look for an answer to each of their messages. */
const ONE_BY_ONE: ReadonlySet<string> = new Set(['webchat']);

/** How messages of a channel wait by the configuration. */
export function queueOfChannel({ mode, byChannel, debounceMs, cap, drop }: ConfiguredQueue, channel: string): QueueSettings {
  const written = own(byChannel ?? {}, channel) ?? mode ?? (ONE_BY_ONE.has(channel) ? 'followup' : 'collect');
  return { mode: queueModeNamed(written)?.mode ?? 'followup', debounceMs, cap, drop };
}

/** What holds for a session: its own settings, then those of the configuration. */
export function queueFor({ mode, debounceMs, cap, drop }: QueueSettings, session: SessionQueue): QueueSettings {
  return {
    mode: session.queueMode ?? mode,
    debounceMs: session.queueDebounceMs ?? debounceMs,
    cap: session.queueCap ?? cap,
    drop: session.queueDrop ?? drop,
  };
}

/** The mode a written name stands for, and whether it stands for itself. Undefined for no mode at all. */
export function queueModeNamed(written: string): { readonly mode: QueueMode; readonly exact: boolean } | undefined {
  const name = written.trim().toLowerCase();
  const known = QUEUE_MODES.find((mode) => mode === name);
  if (known) return { mode: known, exact: true };
  const alias = ALIASES[name];
  return alias && { mode: alias, exact: false };
}
