// A spawn: a request for a sub-agent, decided by rules that have names.

import type { CommandList } from './command.ts';
import { type Role, type Spawner, type SpawnRights, spawnRight } from './role.ts';
import type { ChildPolicy, Money, Report, Work } from './run.ts';

/** What a request itself can be. Whether its child has started or ended is told by the child's run. */
export type SpawnState = 'awaiting_grant' | 'denied' | 'queued' | 'expired' | 'cancelled';
/** A spawn as people see it: its request and its child in one word. */
export type SpawnStatus = SpawnState | 'started' | 'waiting' | 'settled';
export type SpawnRule = 'role' | 'agent' | 'depth' | 'fan_out' | 'rate' | 'budget' | 'parent';

/** What the child is to do and how. */
export interface SpawnOrder {
  readonly task: string;
  readonly model?: string;
  readonly thinking?: string;
  readonly timeoutMs: number;
  readonly priority: number;
  /** Most that the child and everything below it may spend. */
  readonly budget?: Money;
  readonly childPolicy: ChildPolicy;
  readonly report?: Report;
  readonly extraSystemPrompt?: string;
  readonly commands?: CommandList;
  readonly work?: Work;
}

export interface SpawnFact {
  readonly id: string;
  readonly state: SpawnState;
  readonly rule: string | null;
  readonly childSessionKey: string;
  readonly childRunId: string;
  readonly label: string | null;
  readonly agentId: string;
  readonly role: string | null;
  readonly approvalId?: string;
}

export interface SpawnLimits {
  readonly maxDepth: number;
  /** Open children of one run. 0 is unlimited. */
  readonly fanOut: number;
  /** Spawns of one tree of work within a minute. 0 is unlimited. */
  readonly perMinute: number;
  /** Whether requests are granted within the limits, or a person is asked. */
  readonly grants: 'auto' | 'ask';
}

interface SpawnQuestion {
  readonly rights: SpawnRights;
  readonly spawner: Spawner;
  readonly role: Role | null;
  /** Depth of the child. */
  readonly depth: number;
  readonly openChildren: number;
  /** Open children of the spawner in the wanted role. */
  readonly openInRole: number;
  readonly inLastMinute: number;
  /** The spawner's agent may start agents of the wanted id. */
  readonly agentAllowed: boolean;
  /** The runs above have as much left as it asks for. */
  readonly budgetFits: boolean;
  readonly limits: SpawnLimits;
}

export type SpawnDecision = { readonly kind: 'queue' } | { readonly kind: 'ask' } | { readonly kind: 'deny'; readonly rule: SpawnRule };

/** Decides a request. The first rule that fails is named. */
export function decideSpawn({
  rights,
  spawner,
  role,
  depth,
  openChildren,
  openInRole,
  inLastMinute,
  agentAllowed,
  budgetFits,
  limits,
}: SpawnQuestion): SpawnDecision {
  const right = spawnRight(rights, spawner, role);
  const deny = (rule: SpawnRule): SpawnDecision => ({ kind: 'deny', rule });
  if (right === undefined) return deny('role');
  if (!agentAllowed) return deny('agent');
  if (depth > limits.maxDepth) return deny('depth');
  if (typeof right === 'object' && openInRole >= right.atMost) return deny('fan_out');
  if (limits.fanOut > 0 && openChildren >= limits.fanOut) return deny('fan_out');
  if (limits.perMinute > 0 && inLastMinute >= limits.perMinute) return deny('rate');
  if (!budgetFits) return deny('budget');
  return right === 'request' && limits.grants === 'ask' ? { kind: 'ask' } : { kind: 'queue' };
}

const SAID: Readonly<Record<SpawnRule, string>> = {
  role: 'this role may not start such a sub-agent',
  agent: 'agentId is not allowed for sessions_spawn',
  depth: 'the tree of sub-agents is as deep as it may be: do the work yourself',
  fan_out: 'as many sub-agents as allowed are open: wait for one to end (sessions_await)',
  rate: 'too many sub-agents were started within a minute: wait a little',
  budget: "the budget of the sub-agent is larger than what is left of its parent's",
  parent: 'the run that asked has ended',
};

/** Why a request was denied, and what to do. */
export function explainDenial(rule: string): string {
  return (SAID as Readonly<Record<string, string>>)[rule] ?? rule;
}

export interface Finding {
  readonly label: string | null;
  readonly state: string;
  readonly text: string;
  readonly error: string | null;
  readonly stats: string;
}

/** What a parent is told of a child that has ended. */
export function describeResult({ label, state, text, error, stats }: Finding): string {
  const name = label === null ? 'A sub-agent' : `The sub-agent "${label}"`;
  const how = state === 'succeeded' ? 'has finished' : state === 'timed_out' ? 'ran out of time' : state === 'cancelled' ? 'was stopped' : 'has failed';
  return [
    `${name} ${how}${error ? `: ${error}` : ''}.`,
    text === '' ? '(It said nothing.)' : `Its findings:\n\n${text}`,
    stats,
    'Tell the one you work for what matters of this, briefly. Answer NO_REPLY when there is nothing to tell.',
  ].join('\n\n');
}
