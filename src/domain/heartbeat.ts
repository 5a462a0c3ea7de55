// Heartbeats: turns in which an agent looks whether something needs it.

import type { RunState } from './run.ts';

export const HEARTBEAT_MS = 1_800_000;
const HEARTBEAT_OK = 'HEARTBEAT_OK';
export const HEARTBEAT_PROMPT = `Look at HEARTBEAT.md in the workspace if there is one and do what it says. When nothing needs attention, answer ${HEARTBEAT_OK}.`;
/** An answer with the token and at most this much beside it is an acknowledgement, not news. */
export const ACK_MAX_CHARS = 300;

export type HeartbeatStatus = 'sent' | 'ok-empty' | 'ok-token' | 'failed';

/** What a heartbeat turn came to. */
export function heartbeatStatus(state: RunState, text: string): HeartbeatStatus {
  if (state !== 'succeeded') return 'failed';
  const said = text.trim();
  if (said === '') return 'ok-empty';
  const rest = said.replaceAll(HEARTBEAT_OK, '').trim();
  return said.includes(HEARTBEAT_OK) && rest.length <= ACK_MAX_CHARS ? 'ok-token' : 'sent';
}
