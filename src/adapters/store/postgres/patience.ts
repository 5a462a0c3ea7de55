// How calls wait while the server is away.

import type { AnyOp } from '../../../ports/store.ts';
import type { Call } from '../engine.ts';

export interface Waiting {
  readonly call: Call;
  readonly op: AnyOp;
  /** By the monotonic clock. */
  readonly since: number;
}

/** How long a call waits for a server that is away. */
export const PATIENCE_MS = 20_000;
export const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

export function nextPause(pauseMs: number): number {
  return Math.min(Math.max(pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
}
