// How calls wait while the server is away.

import type { AnyOp } from '../../../ports/store.ts';
import type { Call } from '../engine.ts';

export interface Waiting {
  readonly call: Call;
  readonly op: AnyOp;
  /** By the monotonic clock. */
  readonly since: number;
}

/** How long a write waits for a server that is away; and a read, behind which people often wait. */
export const PATIENCE_MS = 20_000;
export const READ_PATIENCE_MS = 6000;
export const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

export function nextPause(pauseMs: number): number {
  return Math.min(Math.max(pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
}
