// Those who wait for a run to end, told by the event of its end.

import type { RunEnded } from '../domain/event.ts';

export function createEndWaiters() {
  const waiting = new Map<string, Set<(ended: RunEnded) => void>>();
  return {
    ended: (runKey: string, body: RunEnded) => {
      for (const tell of waiting.get(runKey) ?? []) tell(body);
      waiting.delete(runKey);
    },
    whenEnded: (runKey: string, timeoutMs: number): Promise<RunEnded | undefined> =>
      new Promise((resolve) => {
        const told = (body: RunEnded) => {
          clearTimeout(timer);
          resolve(body);
        };
        const timer = setTimeout(() => {
          waiting.get(runKey)?.delete(told);
          if (waiting.get(runKey)?.size === 0) waiting.delete(runKey);
          resolve(undefined);
        }, timeoutMs);
        timer.unref();
        const those = waiting.get(runKey) ?? new Set();
        waiting.set(runKey, those.add(told));
      }),
  };
}
