// Messages between the store and those who call it: a message port inside the gateway, a UNIX socket for workers.

import type { SealedEvent } from '../../domain/event.ts';
import type { Answer, Hint } from './engine.ts';

export interface StoreRequest {
  readonly id: number;
  readonly op: string;
  readonly args: unknown;
}

export interface StoreReply {
  readonly id: number;
  readonly answer: Answer;
}

/** To the store thread over its port. Requests of one turn of the event loop travel together. */
export type ToStoreThread =
  | { readonly kind: 'calls'; readonly calls: readonly StoreRequest[] }
  | { readonly kind: 'admit'; readonly workerId: string; readonly credential: string; readonly workspaceId: string }
  | { readonly kind: 'dismiss'; readonly workerId: string }
  | { readonly kind: 'tell'; readonly hint: Hint }
  | { readonly kind: 'close' };

export type FromStoreThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'answers'; readonly replies: readonly StoreReply[] }
  | { readonly kind: 'events'; readonly events: readonly SealedEvent[] }
  | { readonly kind: 'hint'; readonly hint: Hint }
  /** How far the store's clock is ahead of this machine's. */
  | { readonly kind: 'clock'; readonly aheadMs: number }
  | { readonly kind: 'closed' };

/** First line a worker writes on the socket. */
export interface WorkerHello {
  readonly workerId: string;
  readonly credential: string;
}

/** Lines the store writes on a worker's socket: replies, hints that there may be work, and how far the store's clock is ahead. */
export type ToWorkerLine = { readonly reply: StoreReply } | { readonly wake: true } | { readonly aheadMs: number };

/** Longest line on the workers' socket, in characters: far above any entry, far below memory. */
export const MAX_LINE = 64 * 1024 * 1024;
