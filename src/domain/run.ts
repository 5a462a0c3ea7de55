// A run is one thing to do in one session. It keeps its id for life; attempts come and go under it.

import type { Address } from './channel.ts';
import type { CommandList } from './command.ts';
import type { ToolOutcome, ToolPolicy } from './tool.ts';
import type { Attachment, EntryUsage } from './transcript.ts';
import type { Wait } from './wait.ts';

const LIVE_STATES = ['running', 'waiting'] as const;
const TERMINAL_STATES = ['succeeded', 'failed', 'timed_out', 'cancelled', 'lost', 'parked'] as const;

export type TerminalState = (typeof TERMINAL_STATES)[number];
/**
 * What a run is: a turn of a conversation (`turn`), one that a program asked for (`hook`), one the gateway asked for itself (`heartbeat`),
 * the work of a sub-agent (`spawn`), what came of that told to its parent (`announce`), a message of another agent (`nested`),
 * a scheduled job (`cron`), an agent's look into its inbox (`mail`), a proof or a merge (`proof`), one call of a tool without a model (`tool`), a chat command (`command`).
 */
export type RunKind = 'turn' | 'hook' | 'heartbeat' | 'spawn' | 'announce' | 'nested' | 'cron' | 'tool' | 'command' | 'mail' | 'proof';
export type RunState = 'queued' | (typeof LIVE_STATES)[number] | TerminalState;
/** Why an attempt ended. Only `died` and `expired` count against the run. */
export type AttemptEnd = 'done' | 'waited' | 'died' | 'expired' | 'drained' | 'gateway_restart' | 'operator';

/** What becomes of a child when its parent ends without success: it ends too, goes on and tells nobody, or tells the session above. */
export const CHILD_POLICIES = ['adopt', 'cancel', 'detach'] as const;
export type ChildPolicy = (typeof CHILD_POLICIES)[number];

/** After these events a worker may find something to claim. */
export const MAKES_WORK: ReadonlySet<string> = new Set(['run.queued', 'run.ended', 'run.requeued', 'run.resumed', 'run.waiting']);

export const LEASE_MS = 12_000;
export const RENEW_EVERY_MS = 4_000;
export const DEATH_LIMIT = 5;

export function isTerminal(state: RunState): state is TerminalState {
  return (TERMINAL_STATES as readonly string[]).includes(state);
}

interface DeadAttempt {
  readonly end: AttemptEnd;
  /** Deaths of this run before this one. */
  readonly deaths: number;
  readonly deadlineAt: number | null;
  readonly abortRequested: boolean;
  readonly now: number;
}

export type AfterAttempt =
  | { readonly kind: 'requeue'; readonly deaths: number; readonly notBefore: number }
  | { readonly kind: 'end'; readonly state: 'cancelled' | 'timed_out' | 'lost'; readonly deaths: number };

/** What becomes of a run whose attempt ended without an outcome. Back-off begins with the second death. */
export function decideAfterAttempt({ end, deaths, deadlineAt, abortRequested, now }: DeadAttempt): AfterAttempt {
  const counted = end === 'died' || end === 'expired' ? deaths + 1 : deaths;
  if (abortRequested) return { kind: 'end', state: 'cancelled', deaths: counted };
  if (deadlineAt !== null && deadlineAt <= now) return { kind: 'end', state: 'timed_out', deaths: counted };
  if (counted >= DEATH_LIMIT) return { kind: 'end', state: 'lost', deaths: counted };
  const backOff = counted > deaths && counted >= 2 ? 1000 * 2 ** (counted - 2) : 0;
  return { kind: 'requeue', deaths: counted, notBefore: now + backOff };
}

export interface Money {
  readonly usd?: number;
  /** Output and uncached input tokens. */
  readonly tokens?: number;
}

/** Who hears what came of a run. */
export interface Report {
  readonly name: string;
  readonly sessionKey: string;
  readonly agentId: string;
  /** Told with the session's next turn (`event`), or with a turn of its own as the result of a sub-agent (`result`). */
  readonly as: 'event' | 'result';
  /** For an event: whether the session looks at it at once. */
  readonly now: boolean;
  /** Longest text that is told. */
  readonly maxChars?: number;
}

/** Two agents answer each other until one has nothing to add or the turns are used up. */
export interface Replies {
  /** The session whose agent answers next. */
  readonly sessionKey: string;
  readonly agentId: string;
  readonly left: number;
}

/** What a run of kind `proof` does: layer 0, the checks that the worker never saw, the merge, layer 0 once more to compare. */
export type ProofStep = 'prove' | 'held-out' | 'merge' | 'replay';

export interface Work {
  readonly taskId: string;
  readonly planId: string | null;
}

/** Where the answer goes, and the message that it answers. */
export interface Delivery {
  readonly to: Address;
  /** The message that shows that work is under way, and by which reaction. */
  readonly ack?: { readonly messageId: string; readonly emoji: string };
}

export interface RunInput {
  readonly message: string;
  /** Sends the answer through a channel. */
  readonly deliver?: Delivery;
  /** What the one who asked may make the agent use; whatever it starts may use no more. */
  readonly tools?: ToolPolicy;
  readonly attachments?: readonly Attachment[];
  readonly model?: string;
  readonly extraSystemPrompt?: string;
  readonly thinking?: string;
  /** Where the outcome is told, if anywhere. */
  readonly report?: Report;
  /** A message that may be answered together with others that wait for the same session; above `cap` the oldest are shortened. */
  readonly collect?: { readonly cap: number };
  /** Most that this run and everything below it may spend. */
  readonly budget?: Money;
  /** The task that it works on: what it spends counts there, and for the plan above it. */
  readonly work?: Work;
  /** The commands that it runs, and nothing else. */
  readonly commands?: CommandList;
  /** Its session leaves the lists when it ends. */
  readonly archive?: boolean;
  /** A conversation between two agents: how often each may still answer. */
  readonly replies?: Replies;
  /** What a run of kind `proof` does. */
  readonly proof?: { readonly requestId: string; readonly step: ProofStep };
  /** The tool to call, for runs of kind `tool`. */
  readonly tool?: { readonly name: string; readonly args: Readonly<Record<string, unknown>>; readonly sessionKey: string };
}

/** How the run ended. Written once, with the terminal state. */
export interface RunOutcome {
  /** The agent's answer; on an abort the part that had arrived. */
  readonly text: string;
  readonly stopReason: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly provider?: string;
  readonly model?: string;
  readonly usage: EntryUsage;
  /** Model calls made. */
  readonly steps: number;
  /** What the tool answered, for runs of kind `tool`. */
  readonly tool?: ToolOutcome;
  /** Key of the run that answered this message together with its own. */
  readonly collectedBy?: string;
}

/** A run as methods answer it. */
export interface RunView {
  readonly id: string;
  readonly runKey: string;
  readonly kind: RunKind;
  readonly sessionKey: string | null;
  readonly agentId: string;
  readonly lane: string;
  readonly state: RunState;
  readonly priority: number;
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly deadlineAt: number | null;
  readonly attempts: number;
  readonly deaths: number;
  readonly worker: string | null;
  readonly outcome: RunOutcome | null;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly depth: number;
  readonly role: string | null;
  readonly jobId: string | null;
  /** What a waiting run waits for, and since when. */
  readonly wait: Wait | null;
}
