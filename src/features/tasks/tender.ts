// The room's loop: twice a minute, and when a sub-agent has ended, it looks after the tasks under way. It costs no model call.

import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { spawnRightsOf } from '../../domain/role.ts';
import { roleOfAgent, rolePolicies } from '../../domain/team.ts';
import { uuidOf } from '../../kit/id.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { orderOf } from '../spawns/methods.ts';
import { progressOf } from '../workspace/versions.ts';
import { type Due, restartTask, tendTasks } from './tend.ts';

interface TenderOptions extends LoopWorld {
  readonly isOn: () => boolean;
}

/** What stands still is found within a minute of standing still. */
const EVERY_MS = 30_000;
const PROGRESS_CHARS = 20_000;

export function startTender({ workspaceId, store, config, clock, log, isMine, isOn }: TenderOptions): Loop {
  const restart = async ({ task, attempt, order }: Due): Promise<void> => {
    const now = config();
    const progress = await store.call(progressOf, { workspaceId, task: task.name });
    const agentId = agentIds(now).find((id) => roleOfAgent(now, id) === 'worker-impl') ?? defaultAgentId(now);
    const name = uuidOf(`${workspaceId} ${task.id} attempt ${attempt} ${task.updatedAt}`);
    const parts = [
      order ?? `Task ${task.name} of ${task.project}: ${task.title}\n\n${task.original}`,
      `This is attempt ${attempt}: the worker before you is gone. Look at what it left before you go on.`,
      ...(progress ? [`Its notes (${progress.path}):\n\n${progress.text.slice(-PROGRESS_CHARS)}`] : []),
    ];
    const rule = await store.call(restartTask, {
      workspaceId,
      taskId: task.id,
      attempt,
      request: {
        workspaceId,
        actor: 'scheduler',
        requestKey: `task:${task.id}:${attempt}:${task.updatedAt}`,
        parentRunId: null,
        spawnerRole: null,
        agentId,
        agentAllowed: true,
        role: 'worker-impl',
        label: task.name,
        order: { ...orderOf({ task: parts.join('\n\n'), role: 'worker-impl' }, now), childPolicy: 'adopt' },
        limits: now.agents.defaults.subagents,
        rights: spawnRightsOf(rolePolicies(now)),
        cleanup: 'keep',
        childSessionKey: `agent:${agentId}:subagent:${name}`,
        childRunKey: uuidOf(`${name} run`),
      },
    });
    log.info({ task: task.name, attempt, ...(rule !== null && { denied: rule }) }, 'another attempt of a task whose worker is gone');
  };

  const run = async (): Promise<undefined> => {
    if (!isMine() || !isOn()) return;
    const { due, submitted, parked, orphans } = await store.call(tendTasks, { workspaceId });
    for (const one of due) await restart(one);
    if (submitted + parked + orphans.length > 0) log.info({ submitted, parked, orphans }, 'tasks under way were looked after');
  };
  return startLoop({ name: 'tasks', everyMs: EVERY_MS, run, clock, log });
}
