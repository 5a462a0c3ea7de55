// What the process and the machine say of themselves, for the checks.

import { statfsSync } from 'node:fs';
import type { HostMeasures } from '../domain/checks.ts';
import type { Config } from '../domain/config.ts';
import { agentIds } from '../domain/config.ts';
import type { Clock } from '../kit/clock.ts';
import type { Gateway } from '../ports/method.ts';
import type { Backups } from './backups.ts';

interface HostOptions {
  readonly gateway: Gateway;
  readonly config: () => Config;
  readonly clock: Clock;
  readonly backups: () => Backups | undefined;
  /** Delay of the event loop, p99 of the last while, in milliseconds. */
  readonly loopDelayMs: () => number;
  /** How far the store's clock is ahead of this machine's. */
  readonly clockAheadMs: () => number;
}

export function createHost({ gateway, config, clock, backups, loopDelayMs, clockAheadMs }: HostOptions): (storeMs: number) => HostMeasures {
  return (storeMs) => {
    const { bavail, blocks, bsize } = statfsSync(gateway.stateDir);
    const { lastAt = null, problem = null } = backups()?.state() ?? {};
    const { everyHours } = config().backups;
    return {
      storeMs,
      diskFreeBytes: bavail * bsize,
      diskBytes: blocks * bsize,
      diskPath: gateway.stateDir,
      memoryBytes: process.memoryUsage.rss(),
      loopP99Ms: loopDelayMs(),
      clockAheadMs: clockAheadMs(),
      workers: gateway.workers().length,
      wantedWorkers: config().gateway.workers,
      sandboxes: Object.fromEntries(agentIds(config()).map((agentId) => [agentId, gateway.sandbox(agentId)])),
      channels: gateway.channels().map(({ channel, account, settings, state }) => ({
        name: `${channel.id}/${account}`,
        state: state?.state ?? 'starting',
        problem: state?.problem ?? null,
        forMs: state === undefined ? 0 : clock.now() - state.sinceMs,
        isWanted: settings.enabled && state !== undefined,
      })),
      backup: { lastAt, problem, everyHours: backups() === undefined ? 0 : everyHours },
      uptimeMs: clock.now() - gateway.startedAt,
      now: clock.now(),
    };
  };
}
