// The room's loop: goes the rounds when mail comes, when something is due, and once a minute whatever happened.

import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { putSetting } from '../settings/ops.ts';
import { boxesOf } from './methods.ts';
import { goRounds, type Unheard } from './rounds.ts';

interface PostmasterOptions extends LoopWorld {
  /** Looks for a job that plays the role of a box without an agent, and starts it. */
  readonly startJobFor: (unheard: Unheard) => Promise<void>;
}

const MINUTE_MS = 60_000;

export function startPostmaster({ workspaceId, store, config, clock, log, isMine, startJobFor }: PostmasterOptions): Loop {
  let told = '';
  const run = async () => {
    const boxes = boxesOf(config());
    const text = JSON.stringify(boxes);
    if (text !== told) await store.call(putSetting, { workspaceId, name: 'boxes', value: boxes, actor: 'gateway' });
    told = text;
    if (!isMine()) return MINUTE_MS;
    const timeoutMs = config().agents.defaults.timeoutSeconds * 1000;
    const { unheard, nextMs } = await store.call(goRounds, { workspaceId, timeoutMs });
    for (const box of unheard) await startJobFor(box);
    return Math.min(nextMs ?? MINUTE_MS, MINUTE_MS);
  };
  return startLoop({ name: 'postmaster', everyMs: MINUTE_MS, run, clock, log });
}
