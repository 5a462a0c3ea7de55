// The only place that reads the time. Everything else takes a Clock, so tests move it by hand.

export interface Clock {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Milliseconds from an arbitrary origin, never going back. For measuring, not for storing. */
  readonly elapsed: () => number;
  /** Resolves after `ms`, or at once when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    }),
};

export interface StoreClock extends Clock {
  /** How far the store's clock is ahead of this machine's, in milliseconds. */
  readonly setAhead: (ms: number) => void;
}

/** The time of a store on another machine, kept here: every node means the same instant by the same number. */
export function createStoreClock(base: Clock): StoreClock {
  let ahead = 0;
  return {
    ...base,
    now: () => base.now() + ahead,
    setAhead: (ms) => {
      ahead = ms;
    },
  };
}

/** Local calendar day `YYYY-MM-DD` of an instant, as used in log file names. */
export function localDay(atMs: number): string {
  const day = new Date(atMs);
  const pad = (n: number) => String(n).padStart(2, '0');
  return `${day.getFullYear()}-${pad(day.getMonth() + 1)}-${pad(day.getDate())}`;
}
