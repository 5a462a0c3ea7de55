// What happened, in the order of its commit. Streams are per run and per session; sealedSeq is the public cursor.

import type { Approval } from './approval.ts';
import type { OutboxState } from './channel.ts';
import type { MessageState } from './inbox.ts';
import type { ItemKind, ItemState } from './plan.ts';
import type { AttemptEnd, RunKind, TerminalState } from './run.ts';
import type { SpawnFact } from './spawn.ts';
import type { TaskState } from './task.ts';
import type { EntryUsage } from './transcript.ts';
import type { Wait } from './wait.ts';

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
  /** What kind of run it was. */
  readonly run: RunKind;
  readonly state: TerminalState;
  readonly text: string;
  readonly error?: string;
  readonly stopReason?: string;
  readonly usage?: EntryUsage;
  readonly startedAt?: number;
  /** Key of the run that answered this message together with its own. */
  readonly collectedBy?: string;
  /** Keys of the messages that were answered together with its own. */
  readonly collected?: readonly string[];
  readonly jobId?: string;
}

export interface CronEvent {
  readonly kind: 'cron';
  readonly jobId: string;
  readonly action: 'added' | 'updated' | 'removed' | 'started' | 'finished';
  readonly runAtMs?: number;
  readonly durationMs?: number;
  readonly status?: 'ok' | 'error' | 'skipped';
  readonly error?: string;
  readonly summary?: string;
  readonly nextRunAtMs?: number;
}

/** Something to be sent through a channel came into another state. */
export interface OutboxEvent {
  readonly kind: 'outbox';
  readonly id: string;
  readonly channel: string;
  readonly state: OutboxState;
  readonly error?: string;
}

/** A message of an inbox came into another state. */
export interface MessageEvent {
  readonly kind: 'message';
  readonly id: string;
  readonly box: string;
  readonly state: MessageState;
  readonly priority: number;
  readonly from: string;
}

/** A task came into another state, or something about it changed. */
export interface TaskEvent {
  readonly kind: 'task';
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly from: TaskState | null;
  readonly state: TaskState;
  readonly attempts: number;
  readonly note?: string;
}

/** A plan, an epic or a story came into another state, or something about it changed. */
export interface PlanEvent {
  readonly kind: 'plan';
  readonly id: string;
  readonly item: ItemKind;
  readonly name: string;
  readonly from: ItemState | null;
  readonly state: ItemState;
  readonly note?: string;
}

export type EventBody =
  | RunQueued
  | RunStarted
  | RunStep
  | RunRequeued
  | RunEnded
  | { readonly kind: 'run.abort_requested'; readonly reason: string }
  | { readonly kind: 'run.waiting'; readonly for: Wait['for']; readonly on: readonly string[] }
  | { readonly kind: 'run.resumed'; readonly by: string }
  | CronEvent
  | { readonly kind: 'budget.warned'; readonly scope: string; readonly spentUsd: number; readonly limitUsd: number }
  | { readonly kind: 'budget.funded'; readonly scope: string; readonly usd: number }
  | { readonly kind: 'spawn.requested' | 'spawn.decided'; readonly spawn: SpawnFact }
  | { readonly kind: 'device.paired'; readonly deviceId: string }
  | { readonly kind: 'device.token_rotated' | 'device.token_revoked'; readonly deviceId: string; readonly role: string }
  | { readonly kind: 'pairing.requested'; readonly request: PairingRequest }
  | { readonly kind: 'pairing.resolved'; readonly requestId: string; readonly deviceId: string; readonly decision: 'approved' | 'rejected' | 'expired' }
  | { readonly kind: 'approval.requested' | 'approval.resolved'; readonly approval: Approval }
  | { readonly kind: 'session.reset' | 'session.deleted' | 'session.patched' | 'session.compacted'; readonly sessionId: string }
  | { readonly kind: 'session.said'; readonly text: string }
  | OutboxEvent
  | MessageEvent
  | TaskEvent
  | PlanEvent
  /** A piece of evidence or a verdict, by its digest: what stands in its table must be this. */
  | { readonly kind: 'proof.recorded'; readonly record: 'evidence' | 'verdict'; readonly id: string; readonly digest: string }
  | { readonly kind: 'setting.changed'; readonly name: string; readonly value: unknown }
  | { readonly kind: 'gateway.started' | 'gateway.stopped'; readonly pid: number; readonly resumed?: number };

/** A device that asks to be let in. */
export interface PairingRequest {
  readonly requestId: string;
  readonly deviceId: string;
  readonly publicKey: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly about: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly deadlineAt: number;
}

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
