// The room's loop: at each agent's interval it asks, in code, whether the agent's heart has a reason to beat.

import { asksForSomething, type HeartbeatPlan, heartbeatPlans, isActive } from '../../domain/heartbeat.ts';
import { localZone, timeOfDay } from '../../kit/cron-time.ts';
import { newUuid, sha256Hex } from '../../kit/id.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { beatHeart } from './ops.ts';

interface PacemakerOptions extends LoopWorld {
  /** HEARTBEAT.md of an agent, or undefined when there is none. */
  readonly readFile: (agentId: string) => Promise<string | undefined>;
}

const LONGEST_WAIT_MS = 3_600_000;
const FIRST_MS = 60_000;

export function startPacemaker({ workspaceId, store, config, clock, log, isMine, readFile }: PacemakerOptions): Loop {
  let begun = false;
  const beat = async (plan: HeartbeatPlan): Promise<number> => {
    const { agentId, everyMs, prompt, model, check, activeHours } = plan;
    const now = config();
    const zone = activeHours?.timezone ?? now.agents.defaults.userTimezone ?? localZone();
    if (!isActive(plan, timeOfDay(clock.now(), zone))) return Math.min(everyMs, LONGEST_WAIT_MS);
    const text = await readFile(agentId);
    const { reason, nextMs } = await store.call(beatHeart, {
      workspaceId,
      agentId,
      sessionKey: `agent:${agentId}:${now.session.mainKey}`,
      everyMs,
      prompt,
      model,
      timeoutMs: now.agents.defaults.timeoutSeconds * 1000,
      runKey: newUuid(),
      fileHash: text !== undefined && asksForSomething(text) ? sha256Hex(text) : null,
      always: check === 'always',
    });
    log.debug({ agent: agentId, reason }, 'heartbeat');
    return nextMs;
  };
  const run = async () => {
    if (!begun) {
      begun = true;
      return FIRST_MS; // a start has other things to do
    }
    if (!isMine()) return FIRST_MS;
    let waitMs = LONGEST_WAIT_MS;
    for (const plan of heartbeatPlans(config())) waitMs = Math.min(waitMs, await beat(plan));
    return Math.max(1000, waitMs);
  };
  return startLoop({ name: 'heartbeats', everyMs: FIRST_MS, run, clock, log });
}
