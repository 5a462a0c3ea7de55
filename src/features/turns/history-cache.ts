// Histories that a worker keeps between turns, so that a long session is not read again for each message.

import type { History } from './history.ts';

const MAX_CHARS = 48_000_000;

/** What a history shows: another beginning or another budget is another history. */
export interface HistoryView {
  readonly sessionId: string;
  readonly contextFrom: number;
  readonly budget: number;
}

export function createHistoryCache() {
  const known = new Map<string, History>();
  const keyOf = ({ sessionId, contextFrom, budget }: HistoryView) => `${sessionId} ${contextFrom} ${budget}`;
  return {
    /** Taken out while a turn uses it: a failed turn leaves no half-known history behind. */
    recall: (view: HistoryView): History | undefined => {
      const key = keyOf(view);
      const history = known.get(key);
      known.delete(key);
      return history;
    },
    remember: (view: HistoryView, history: History): void => {
      known.set(keyOf(view), history);
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
