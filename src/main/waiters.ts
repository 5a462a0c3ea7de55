// Those who wait for something to be settled, told by the event that settles it.

/** Waiters by name: `settled` tells them all, `wait` answers undefined after its time. */
export function createWaiters<T>() {
  const waiting = new Map<string, Set<(value: T) => void>>();
  return {
    settled: (name: string, value: T) => {
      for (const tell of waiting.get(name) ?? []) tell(value);
      waiting.delete(name);
    },
    wait: (name: string, timeoutMs: number): Promise<T | undefined> =>
      new Promise((resolve) => {
        const told = (value: T) => {
          clearTimeout(timer);
          resolve(value);
        };
        const timer = setTimeout(() => {
          waiting.get(name)?.delete(told);
          if (waiting.get(name)?.size === 0) waiting.delete(name);
          resolve(undefined);
        }, timeoutMs);
        timer.unref();
        const those = waiting.get(name) ?? new Set();
        waiting.set(name, those.add(told));
      }),
  };
}
