// What a turn spends: set aside before each call, and handed to the ledger with the next step.

import { type Charge, dayIn, limitsFor, nextDayIn } from '../../domain/budget.ts';
import type { Config } from '../../domain/config.ts';
import type { ModelRef } from '../../domain/model.ts';
import type { Wait } from '../../domain/wait.ts';
import type { Clock } from '../../kit/clock.ts';
import { localZone } from '../../kit/cron-time.ts';
import type { Store } from '../../ports/store.ts';
import type { TurnAssignment } from '../runs/claim.ts';
import { type Held, reserveCall } from '../runs/lease-ops.ts';
import { durably } from './durably.ts';

const HOUR_MS = 3_600_000;
/** Pause while other calls in flight have set aside what a budget has left. */
const BUSY_MS = 150;
/** An expired question ends the run by itself; this is for the case that it did not. */
const ANSWER_MARGIN_MS = 60_000;

/** A call was not made because a budget is used up. */
export class BudgetSpent extends Error {
  readonly wait: Wait;
  constructor(wait: Wait) {
    super(`${wait.on.join(', ')} is used up`);
    this.wait = wait;
  }
}

interface SpendingWorld {
  readonly store: Store;
  readonly config: Config;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export function createSpending(run: TurnAssignment, held: Held, { store, config, clock, signal }: SpendingWorld) {
  const charges: Charge[] = [];
  const zone = config.agents.defaults.userTimezone ?? localZone();
  const today = () => dayIn(zone, clock.now());
  return {
    onCharge: (charge: Charge): void => {
      charges.push(charge);
    },
    /** What goes into the ledger with the next step. */
    spent: () => ({ charges: charges.splice(0), day: today() }),
    /** @throws BudgetSpent with what the run is to wait for */
    reserve: async (ref: ModelRef, most: { readonly micros: number; readonly tokens: number }): Promise<void> => {
      const { warnAt, askForHours } = config.budgets;
      const wanted = {
        ...most,
        day: today(),
        provider: ref.provider,
        model: ref.model,
        limits: limitsFor(config, run),
        warnAt,
        askForMs: askForHours * HOUR_MS,
      };
      for (;;) {
        const reserved = await durably(store, reserveCall, { ...held, wanted }, signal);
        if (reserved.ok) return;
        if (!reserved.busy) {
          const now = clock.now();
          const until = Math.min(reserved.deadlineAt + ANSWER_MARGIN_MS, nextDayIn(zone, now));
          throw new BudgetSpent({ for: 'budget', on: [`budget:${reserved.scope}`], all: true, calls: [], since: now, until });
        }
        await clock.sleep(BUSY_MS, signal);
        signal.throwIfAborted();
      }
    },
  };
}
