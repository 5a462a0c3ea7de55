// Waiting for a run to end, wherever it runs.

import { isTerminal, type RunView } from '../../domain/run.ts';
import type { MethodContext } from '../../ports/method.ts';
import { getRun } from './ops.ts';

/** Longest wait a timer can hold. */
export const NEVER_MS = 2 ** 31 - 1;

/** The run when it has ended, or as it is after `timeoutMs`; null when there is none. */
export async function waitForEnd(
  { store, workspaceId, gateway }: Pick<MethodContext, 'store' | 'workspaceId' | 'gateway'>,
  runKey: string,
  timeoutMs: number,
): Promise<RunView | null> {
  const ended = gateway.whenEnded(runKey, timeoutMs); // listening before looking: an end in between is not missed
  const run = await store.call(getRun, { workspaceId, runKey });
  if (run && isTerminal(run.state)) return run;
  return (await ended) ? store.call(getRun, { workspaceId, runKey }) : run;
}
