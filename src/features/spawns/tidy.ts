// The room's loop: sessions of sub-agents leave the lists when they have had no work for a while.

import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { tidySessions } from './ops.ts';

const EVERY_MS = 300_000;
const MINUTE_MS = 60_000;

export function startTidying({ workspaceId, store, config, clock, log, isMine }: LoopWorld): Loop {
  const run = async (): Promise<number | undefined> => {
    const minutes = config().agents.defaults.subagents.archiveAfterMinutes;
    if (minutes === 0 || !isMine()) return undefined;
    const taken = await store.call(tidySessions, { workspaceId, idleMs: minutes * MINUTE_MS });
    if (taken > 0) log.info({ sessions: taken }, 'sessions of sub-agents are archived');
    return undefined;
  };
  return startLoop({ name: 'tidy', everyMs: EVERY_MS, run, clock, log });
}
