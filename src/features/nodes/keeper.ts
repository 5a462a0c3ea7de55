// The room's loop: says that this node lives, and knows what only this one may do now.

import { KEEP_EVERY_MS } from '../../domain/node.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { startLoop } from '../../kit/loop.ts';
import type { Store } from '../../ports/store.ts';
import { keepNode, type Lease } from './ops.ts';

interface KeeperOptions {
  readonly workspaceId: string;
  readonly nodeId: string;
  /** Where clients reach it, once they do. */
  readonly url?: string;
  /** Names of what one node of all does at a time. */
  readonly leases: readonly Lease[];
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Leases have come to this node. */
  readonly onTaken?: () => void;
  /** Others had given this node up: its workers hold nothing any more. */
  readonly onGivenUp: () => void;
}

/** A lease is used for this long after it was confirmed: less than it is held in the store. */
const TRUST_MS = 4500;

export interface Keeper {
  readonly holds: (workspaceId: string, name: string) => boolean;
  readonly stop: () => Promise<void>;
}

/** Of a node that shares its store with nobody. */
export const ALONE: Keeper = { holds: () => true, stop: async () => undefined };

export function startKeeper({ workspaceId, nodeId, url, leases, store, clock, log, onTaken, onGivenUp }: KeeperOptions): Keeper {
  let held: readonly Lease[] = [];
  let confirmedAt = Number.NEGATIVE_INFINITY;
  const run = async (): Promise<undefined> => {
    const askedAt = clock.elapsed();
    const kept = await store.call(keepNode, { workspaceId, nodeId, url: url ?? null, leases });
    const fresh = kept.leases.filter((lease) => !has(held, lease));
    held = kept.leases;
    confirmedAt = askedAt;
    for (const { nodeId: id, host, requeued } of kept.givenUp)
      log.warn({ node: id, host, requeued }, 'a node was silent for too long; its runs go on elsewhere');
    if (kept.wasGivenUp) {
      log.warn({ node: nodeId }, 'other nodes had given this one up; it begins anew');
      onGivenUp();
    }
    if (fresh.length === 0) return;
    log.info({ leases: fresh }, 'this node does from now on what only one may do');
    onTaken?.();
  };
  const loop = startLoop({ name: 'keep', everyMs: KEEP_EVERY_MS, run, clock, log });
  return {
    holds: (ofWorkspace, name) => has(held, { workspaceId: ofWorkspace, name }) && clock.elapsed() - confirmedAt < TRUST_MS,
    stop: loop.stop,
  };
}

function has(leases: readonly Lease[], { workspaceId, name }: Lease): boolean {
  return leases.some((lease) => lease.workspaceId === workspaceId && lease.name === name);
}
