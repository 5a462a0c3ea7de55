// Protocol 3 in numbers, and its error. The schemas of its frames are in frame.ts.

export const PROTOCOL = 3;
export const MAX_FRAME_BYTES = 524_288;
export const MAX_BUFFERED_BYTES = 1_572_864;
export const TICK_INTERVAL_MS = 30_000;
export const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly retryable?: boolean;
}
