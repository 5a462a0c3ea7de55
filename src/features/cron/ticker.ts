// The room's loop: decides slots when they are due. Its clock is a timer; what is due is told by the store.

import type { Phases } from '../../domain/phase.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { cronHome } from './methods.ts';
import { settleCron, tickCron } from './ops.ts';

interface TickerOptions extends LoopWorld {
  readonly phases: () => Phases;
}

/** A clock that was set, or a machine that slept, is noticed within this time. */
const LONGEST_WAIT_MS = 30_000;

/** Poke it when jobs have changed or a run of one has ended. */
export function startTicker({ workspaceId, store, config, clock, log, phases, isMine }: TickerOptions): Loop {
  const run = async () => {
    if (!config().cron.enabled || phases().cron !== 'on' || !isMine()) return LONGEST_WAIT_MS;
    await store.call(settleCron, { workspaceId });
    const { decided, nextAt } = await store.call(tickCron, cronHome(config(), workspaceId, phases()));
    if (decided > 0) log.debug({ slots: decided }, 'slots of cron jobs were decided');
    return nextAt === null ? LONGEST_WAIT_MS : Math.max(0, Math.min(LONGEST_WAIT_MS, nextAt - clock.now()));
  };
  return startLoop({ name: 'cron', everyMs: LONGEST_WAIT_MS, run, clock, log });
}
