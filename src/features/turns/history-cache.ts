// Histories that a worker keeps between turns, so that a long session is not read again for each message.

import type { History } from './history.ts';

const MAX_CHARS = 48_000_000;

export function createHistoryCache() {
  const known = new Map<string, History>();
  const keyOf = (sessionId: string, budget: number) => `${sessionId} ${budget}`;
  return {
    /** Taken out while a turn uses it: a failed turn leaves no half-known history behind. */
    recall: (sessionId: string, budget: number): History | undefined => {
      const key = keyOf(sessionId, budget);
      const history = known.get(key);
      known.delete(key);
      return history;
    },
    remember: (sessionId: string, budget: number, history: History): void => {
      known.set(keyOf(sessionId, budget), history);
      let chars = 0;
      for (const { chars: size } of known.values()) chars += size();
      for (const [key, { chars: size }] of known) {
        if (chars <= MAX_CHARS) break;
        chars -= size();
        known.delete(key);
      }
    },
  };
}
