// A background loop that survives its own errors: runs, waits, runs again; `poke` cuts the wait short.

import type { Clock } from './clock.ts';
import { messageOf } from './fault.ts';
import type { Log } from './log.ts';

export interface Loop {
  /** Runs once more as soon as possible. Many pokes while it runs make one more run. */
  readonly poke: () => void;
  /** Stops after the run in progress. */
  readonly stop: () => Promise<void>;
}

interface LoopOptions {
  readonly name: string;
  readonly everyMs: number;
  /** Answers how long to wait, in milliseconds, when that is not `everyMs`. */
  readonly run: () => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Log;
}

export function startLoop({ name, everyMs, run, clock, log }: LoopOptions): Loop {
  const stopping = new AbortController();
  let poked = false;
  let nap = new AbortController();
  const finished = (async () => {
    while (!stopping.signal.aborted) {
      poked = false;
      let waitMs = everyMs;
      try {
        waitMs = (await run()) ?? everyMs;
      } catch (error) {
        log.warn({ loop: name, error: messageOf(error) }, 'a loop round failed; it goes on');
      }
      if (poked || stopping.signal.aborted) continue;
      nap = new AbortController();
      await clock.sleep(waitMs, nap.signal);
    }
  })();
  return {
    poke: () => {
      poked = true;
      nap.abort();
    },
    stop: async () => {
      stopping.abort();
      nap.abort();
      await finished;
    },
  };
}
