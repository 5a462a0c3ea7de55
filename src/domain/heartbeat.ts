// Heartbeats: turns in which an agent looks whether something needs it. A model is asked only when code finds a reason.

import { agentIds, type Config, defaultAgentId } from './config.ts';
import { durationMs } from './duration.ts';
import type { RunState } from './run.ts';

const HEARTBEAT_OK = 'HEARTBEAT_OK';
export const HEARTBEAT_PROMPT = `Look at HEARTBEAT.md in the workspace if there is one and do what it says. When nothing needs attention, answer ${HEARTBEAT_OK}.`;
/** An answer with the token and at most this much beside it is an acknowledgement, not news. */
export const ACK_MAX_CHARS = 300;
const EVERY = '30m';

export interface HeartbeatPlan {
  readonly agentId: string;
  readonly enabled: boolean;
  /** As written. */
  readonly every: string;
  /** Shortest time between two of them, whatever caused them. */
  readonly everyMs: number;
  readonly prompt: string;
  readonly model: string | undefined;
  readonly check: 'changes' | 'always';
  readonly activeHours: { readonly start: string; readonly end: string; readonly timezone?: string | undefined } | undefined;
}

/** How an agent's heart beats. Where agents have sections of their own only those agents have heartbeats, otherwise the default one. */
export function heartbeatPlan(config: Config, agentId: string): HeartbeatPlan {
  const own = config.agents.list.find(({ id }) => id === agentId)?.heartbeat;
  const chosen = config.agents.list.some(({ heartbeat }) => heartbeat) ? own !== undefined : agentId === defaultAgentId(config);
  const { every = EVERY, prompt = HEARTBEAT_PROMPT, model, check = 'changes', activeHours } = { ...config.agents.defaults.heartbeat, ...own };
  const everyMs = durationMs(every, 'm');
  return { agentId, enabled: chosen && everyMs > 0, every, everyMs, prompt, model, check, activeHours };
}

export function heartbeatPlans(config: Config): HeartbeatPlan[] {
  return agentIds(config)
    .map((agentId) => heartbeatPlan(config, agentId))
    .filter(({ enabled }) => enabled);
}

/** Whether a HEARTBEAT.md asks for anything: more than headings, comments and empty boxes. */
export function asksForSomething(text: string): boolean {
  return text
    .replace(/<!--[\s\S]*?-->/g, '')
    .split('\n')
    .some((line) => !/^\s*(#.*|[-*+]?\s*(\[[ x]?\])?\s*)$/i.test(line));
}

/** Whether a time of day, `18:30`, lies in the active hours; they may pass midnight. */
export function isActive({ activeHours }: HeartbeatPlan, timeOfDay: string): boolean {
  if (!activeHours) return true;
  const { start, end } = activeHours;
  return start <= end ? timeOfDay >= start && timeOfDay < end : timeOfDay >= start || timeOfDay < end;
}

export type HeartbeatStatus = 'sent' | 'ok-empty' | 'ok-token' | 'failed';

/** What a heartbeat turn came to. */
export function heartbeatStatus(state: RunState, text: string): HeartbeatStatus {
  if (state !== 'succeeded') return 'failed';
  const said = text.trim();
  if (said === '') return 'ok-empty';
  const rest = said.replaceAll(HEARTBEAT_OK, '').trim();
  return said.includes(HEARTBEAT_OK) && rest.length <= ACK_MAX_CHARS ? 'ok-token' : 'sent';
}
