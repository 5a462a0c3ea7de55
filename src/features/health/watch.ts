// The room's loop: looks at everything every few seconds, and sees that what is wrong is told.

import { homeOf } from '../../domain/channel.ts';
import { type Degraded, degradedBy, examine, type Finding, type HostMeasures } from '../../domain/checks.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { OWNER_BOX } from '../inbox/methods.ts';
import { settleAlerts } from './alerts.ts';
import { measureHealth } from './measure.ts';

const EVERY_MS = 10_000;
const FIRST_AFTER_MS = 2000;

export interface Watch extends Loop {
  /** What the last look found. */
  readonly last: () => { readonly at: number; readonly findings: readonly Finding[]; readonly degraded: Degraded } | undefined;
}

interface WatchOptions extends LoopWorld {
  /** What the process and the machine say; the answer of the store has just taken `storeMs`. */
  readonly host: (storeMs: number) => HostMeasures;
}

export function startWatch({ workspaceId, store, config, clock, log, isMine, host }: WatchOptions): Watch {
  let last: { at: number; findings: readonly Finding[]; degraded: Degraded } | undefined;
  const startedAt = clock.elapsed();
  const run = async (): Promise<number | undefined> => {
    const wait = startedAt + FIRST_AFTER_MS - clock.elapsed();
    if (wait > 0) return wait; // whatever is looked at is only coming up
    const since = clock.elapsed();
    const measures = await store.call(measureHealth, { workspaceId, ownerBox: OWNER_BOX, cronEnabled: config().cron.enabled });
    const machine = host(clock.elapsed() - since);
    const findings = examine(measures, machine);
    const degraded = degradedBy(findings);
    last = { at: clock.now(), findings, degraded };
    if (!isMine()) return undefined;
    const home = homeOf(config());
    const isUp = home !== undefined && machine.channels.some(({ name, state }) => name === `${home.channel}/${home.account}` && state === 'connected');
    const told = await store.call(settleAlerts, { workspaceId, findings, degraded, home: isUp ? home : null, ownerBox: OWNER_BOX });
    if (told > 0) log.warn({ told, modes: degraded.modes.map(({ mode }) => mode) }, 'the owner was told of what is wrong, or is well again');
    return undefined;
  };
  return { ...startLoop({ name: 'watch', everyMs: EVERY_MS, run, clock, log }), last: () => last };
}
