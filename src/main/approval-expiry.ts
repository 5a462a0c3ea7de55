// Ends questions that nobody answered, at their deadline.

import { listApprovals } from '../features/approvals/ops.ts';
import { expireApprovals } from '../features/decisions/ops.ts';
import type { Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/fault.ts';
import type { Log } from '../kit/log.ts';
import type { Store } from '../ports/store.ts';

interface ExpiryOptions {
  readonly store: Store;
  readonly workspaceId: string;
  readonly clock: Clock;
  readonly log: Log;
}

const OPEN_AT_START = 500;
const RETRY_MS = 1000;

/** Also takes up what a gateway before this one left open. */
export function scheduleExpiry({ store, workspaceId, clock, log }: ExpiryOptions) {
  const timers = new Set<NodeJS.Timeout>();
  const at = (deadlineAt: number) => {
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        store.call(expireApprovals, { workspaceId }).catch((error: unknown) => {
          log.warn({ error: messageOf(error) }, 'approvals could not be expired; it is tried again');
          at(clock.now() + RETRY_MS);
        });
      },
      Math.max(0, deadlineAt - clock.now()) + 1,
    );
    timers.add(timer);
  };
  store.call(listApprovals, { workspaceId, limit: OPEN_AT_START }).then(
    (open) => {
      for (const { state, deadlineAt } of open) if (state === 'pending') at(deadlineAt);
    },
    (error: unknown) => log.warn({ error: messageOf(error) }, 'open approvals could not be looked up'),
  );
  return {
    at,
    stop: () => {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
