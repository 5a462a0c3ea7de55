// The worker's loop: claims runs up to its slots, drives each, keeps their leases, stops them when told.

import { RENEW_EVERY_MS } from '../../domain/run.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import type { Log } from '../../kit/log.ts';
import { startLoop } from '../../kit/loop.ts';
import type { Store } from '../../ports/store.ts';
import { type Assignment, claimRuns } from '../runs/claim.ts';
import { renewLeases } from '../runs/lease-ops.ts';
import type { StopReason } from './turn.ts';

interface RunnerOptions {
  readonly workspaceId: string;
  readonly workerId: string;
  readonly slots: number;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Drives a run until it is settled. */
  readonly drive: (run: Assignment, signal: AbortSignal) => Promise<unknown>;
}

const POLL_MS = 1000;

export type Runner = ReturnType<typeof startRunner>;

export function startRunner({ workspaceId, workerId, slots, store, clock, log, drive }: RunnerOptions) {
  const driven = new Map<string, { readonly run: Assignment; readonly stop: AbortController; readonly ended: Promise<void> }>();
  let draining = false;

  const follow = async (run: Assignment, stop: AbortController) => {
    const deadline = setTimeout(() => stop.abort('timeout' satisfies StopReason), Math.max(0, run.deadlineAt - clock.now()));
    try {
      await drive(run, stop.signal);
    } catch (error) {
      log.error({ run: run.runKey, error: messageOf(error) }, 'a turn could not be settled; its lease will run out and it goes on elsewhere');
    } finally {
      clearTimeout(deadline);
      driven.delete(run.runId);
    }
  };

  const claims = startLoop({
    name: 'claim',
    everyMs: POLL_MS,
    clock,
    log,
    run: async () => {
      const free = slots - driven.size;
      if (draining || free <= 0) return POLL_MS;
      const { runs, nextDueMs } = await store.call(claimRuns, { workspaceId, workerId, slots: free });
      for (const run of runs) {
        const stop = new AbortController();
        driven.set(run.runId, { run, stop, ended: follow(run, stop) });
      }
      return nextDueMs === null ? POLL_MS : Math.min(nextDueMs, POLL_MS);
    },
  });

  const renewals = startLoop({
    name: 'renew',
    everyMs: RENEW_EVERY_MS,
    clock,
    log,
    run: async () => {
      const held = [...driven.values()].map(({ run }) => ({ runId: run.runId, fence: run.fence }));
      if (held.length === 0) return;
      const { stale, aborted } = await store.call(renewLeases, { held });
      for (const runId of stale) driven.get(runId)?.stop.abort('stale' satisfies StopReason);
      for (const runId of aborted) driven.get(runId)?.stop.abort('abort' satisfies StopReason);
    },
  });

  return {
    wake: claims.poke,
    abort: (runId: string) => driven.get(runId)?.stop.abort('abort' satisfies StopReason),
    /** Takes nothing new, gives what runs `graceMs` to end, hands back the rest, and resolves when nothing is driven. */
    drain: async (graceMs: number) => {
      draining = true;
      await claims.stop();
      const all = () => Promise.all([...driven.values()].map(({ ended }) => ended));
      const early = new AbortController();
      await Promise.race([all(), clock.sleep(graceMs, early.signal)]);
      early.abort();
      for (const { stop } of driven.values()) stop.abort('drain' satisfies StopReason);
      await all();
      await renewals.stop();
    },
  };
}
