// What the loops of a workspace share.

import type { Config } from '../domain/config.ts';
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import type { Store } from './store.ts';

export interface LoopWorld {
  readonly workspaceId: string;
  readonly store: Store;
  readonly config: () => Config;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this node is the one that does it now. */
  readonly isMine: () => boolean;
}
