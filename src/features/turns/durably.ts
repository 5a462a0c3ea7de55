// Store calls of a worker that are worth waiting for: a finished step is not thrown away because the disk is full for a while.

import { isFault } from '../../kit/fault.ts';
import type { Op, Store } from '../../ports/store.ts';

const RETRY_STORE_MS = 500;
const WORTH_WAITING = ['store.full', 'store.failed', 'store.unreachable'];

/** Repeats an op while the disk is full or the store is busy. Ops with a fence are safe to repeat. */
export async function durably<A, R>(store: Store, op: Op<A, R>, args: A, signal: AbortSignal | undefined): Promise<R> {
  for (;;) {
    try {
      return await store.call(op, args);
    } catch (error) {
      if (!WORTH_WAITING.some((code) => isFault(error, code))) throw error;
      if (signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_STORE_MS));
    }
  }
}
