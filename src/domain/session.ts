// Session keys: agent:<agentId>:<rest>. `main` is an alias that the doors resolve once.

import { fault } from './fault-codes.ts';

const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const MAX_KEY_LENGTH = 512;

export interface SessionDefaults {
  readonly defaultAgentId: string;
  readonly mainKey: string;
}

function isAgentId(text: string): boolean {
  return AGENT_ID.test(text);
}

/** The agent that a canonical key belongs to, or undefined for keys outside the grammar. */
export function agentIdOf(key: string): string | undefined {
  const match = /^agent:([^:]+):./.exec(key);
  return match?.[1] !== undefined && isAgentId(match[1]) ? match[1] : undefined;
}

/**
 * The canonical key of what a client wrote: `main` and an empty key become the agent's main session,
 * a plain name becomes `agent:<agent>:<name>`, full keys are lower-cased.
 * @throws Fault `session.key_invalid`
 */
export function canonicalSessionKey(written: string, { defaultAgentId, mainKey }: SessionDefaults): string {
  const key = written.trim().toLowerCase();
  if (key.length > MAX_KEY_LENGTH || /[\u0000-\u001f\u007f]/.test(key)) throw fault('session.key_invalid', { key: key.slice(0, 80) });
  if (key === '' || key === 'main' || key === mainKey) return `agent:${defaultAgentId}:${mainKey}`;
  if (!key.startsWith('agent:')) return `agent:${defaultAgentId}:${key}`;
  if (agentIdOf(key) === undefined) throw fault('session.key_invalid', { key });
  return key.replace(SHORT_CHANNEL, '$1channel:$2');
}

/** `agent:main:slack:C0123ABC`, as older files have it, is the channel's own session. */
const SHORT_CHANNEL = /^(agent:[^:]+:slack:)([cg][a-z0-9]{7,})(?=$|:thread:)/;

/** `direct`, `group` or `cron`-like kinds as existing clients show them. */
export function sessionKind(key: string): 'direct' | 'group' {
  return /^agent:[^:]+:[^:]+:(group|channel):/.test(key) ? 'group' : 'direct';
}

export function isSubagentKey(key: string): boolean {
  return /^agent:[^:]+:subagent:/.test(key);
}
