// The room's loop: ends attempts whose lease ran out and runs past their deadline.

import { LEASE_MS, RENEW_EVERY_MS } from '../../domain/run.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import type { Store } from '../../ports/store.ts';
import { reapRuns } from './lease-ops.ts';

interface ReaperOptions {
  readonly workspaceId: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** A worker that let its leases run out hangs: it is to be stopped. */
  readonly onHung: (workerId: string) => void;
}

const EVERY_MS = 1000;
/** With no run under way: a lease that begins right now does not end before the next look. */
const IDLE_MS = LEASE_MS / 2;
const PAUSE_MS = 3000;

export function startReaper({ workspaceId, store, clock, log, onHung }: ReaperOptions): Loop {
  let dueAt = clock.now();
  const run = async () => {
    const pausedMs = clock.now() - dueAt;
    // This machine slept, or its clock was set: workers get the time to renew before their leases are judged.
    if (pausedMs > PAUSE_MS) await clock.sleep(RENEW_EVERY_MS + EVERY_MS);
    const { hung, isIdle } = await store.call(reapRuns, { workspaceId });
    for (const workerId of hung) {
      log.warn({ worker: workerId }, 'a worker let its leases run out; it is stopped');
      onHung(workerId);
    }
    const waitMs = isIdle ? IDLE_MS : EVERY_MS;
    dueAt = clock.now() + waitMs;
    return waitMs;
  };
  return startLoop({ name: 'reap', everyMs: EVERY_MS, run, clock, log });
}
