// What credentials were refused, as a worker knows it: read again now and then, because it changes rarely and is asked before every call.

import type { Clock } from '../../kit/clock.ts';
import type { Store } from '../../ports/store.ts';
import { listRefusals, noteRefusal, type Refusal } from './ops.ts';

const FRESH_MS = 10_000;

export type Refusals = ReturnType<typeof createRefusals>;

export function createRefusals({ store, clock }: { readonly store: Store; readonly clock: Clock }) {
  let known: { readonly at: number; readonly workspaceId: string; readonly list: readonly Refusal[] } | undefined;
  return {
    /** Another worker's refusals are known within ten seconds, this one's at once. */
    list: async (workspaceId: string): Promise<readonly Refusal[]> => {
      if (known?.workspaceId === workspaceId && clock.elapsed() - known.at < FRESH_MS) return known.list;
      const list = await store.call(listRefusals, { workspaceId });
      known = { at: clock.elapsed(), workspaceId, list };
      return list;
    },
    note: async (workspaceId: string, refusal: Refusal, forMs: number): Promise<void> => {
      await store.call(noteRefusal, { workspaceId, ...refusal, forMs });
      known = undefined;
    },
  };
}
