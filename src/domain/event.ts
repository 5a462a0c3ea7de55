// What happened, in the order of its commit. Streams are per run and per session; sealedSeq is the public cursor.

import type { AttemptEnd, TerminalState } from './run.ts';
import type { EntryUsage } from './transcript.ts';

export interface RunQueued {
  readonly kind: 'run.queued';
  readonly lane: string;
}
export interface RunStarted {
  readonly kind: 'run.started';
  readonly attempt: number;
  readonly worker: string;
}
export interface RunStep {
  readonly kind: 'run.step';
  readonly entries: readonly { readonly seq: number; readonly kind: string }[];
}
export interface RunRequeued {
  readonly kind: 'run.requeued';
  readonly reason: AttemptEnd;
}
export interface RunEnded {
  readonly kind: 'run.ended';
  readonly state: TerminalState;
  readonly text: string;
  readonly error?: string;
  readonly stopReason?: string;
  readonly usage?: EntryUsage;
  readonly startedAt?: number;
}

export type EventBody =
  | RunQueued
  | RunStarted
  | RunStep
  | RunRequeued
  | RunEnded
  | { readonly kind: 'run.abort_requested'; readonly reason: string }
  | { readonly kind: 'device.paired' | 'device.revoked'; readonly deviceId: string }
  | { readonly kind: 'gateway.started' | 'gateway.stopped'; readonly pid: number; readonly resumed?: number };

/** A sealed event as clients and the fan-out see it. */
export interface SealedEvent {
  readonly workspaceId: string;
  readonly stream: string;
  readonly seq: number;
  readonly sealedSeq: number;
  readonly at: number;
  readonly actor: string;
  /** The session key and the client's run id, where the event belongs to a run. */
  readonly sessionKey: string | null;
  readonly runKey: string | null;
  readonly body: EventBody;
  readonly hash: string;
}
