// A run is one thing to do in one session. It keeps its id for life; attempts come and go under it.

import type { ToolOutcome } from './tool.ts';
import type { Attachment, EntryUsage } from './transcript.ts';

const LIVE_STATES = ['running', 'waiting'] as const;
const TERMINAL_STATES = ['succeeded', 'failed', 'timed_out', 'cancelled', 'lost', 'parked'] as const;

export type TerminalState = (typeof TERMINAL_STATES)[number];
/** What a run is: a turn of a conversation, one that a program asked for, one the gateway asked for itself, one call of a tool without a model, a chat command. */
export type RunKind = 'turn' | 'hook' | 'heartbeat' | 'tool' | 'command';
export type RunState = 'queued' | (typeof LIVE_STATES)[number] | TerminalState;
/** Why an attempt ended. Only `died` and `expired` count against the run. */
export type AttemptEnd = 'done' | 'died' | 'expired' | 'drained' | 'gateway_restart' | 'operator';

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

/** What the run is asked to do, as submitted. */
export interface RunInput {
  readonly message: string;
  readonly attachments?: readonly Attachment[];
  readonly model?: string;
  readonly extraSystemPrompt?: string;
  readonly thinking?: string;
  /** Where the outcome of a `hook` is told as a system event, and whether that session looks at it at once. */
  readonly report?: { readonly name: string; readonly sessionKey: string; readonly agentId: string; readonly now: boolean };
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
}
