// The health answer, kept for a moment: thousands of callers a second cost a few looks at the store.

const FOR_MS = 2000;
const DIRTY_FOR_MS = 50;

/** A body that is computed again at most every 50 ms after something happened, every 2 s otherwise. */
export function createHealthSnapshot(compute: () => Promise<string>, now: () => number) {
  let body: Promise<string> | undefined;
  let at = 0;
  let isDirty = true;
  return {
    dirty: () => {
      isDirty = true;
    },
    body: (): Promise<string> => {
      const age = now() - at;
      if (body && age < (isDirty ? DIRTY_FOR_MS : FOR_MS)) return body;
      at = now();
      isDirty = false;
      const fresh = compute();
      fresh.catch(() => {
        body = undefined;
      });
      body = fresh;
      return fresh;
    },
  };
}
