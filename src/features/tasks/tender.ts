// The room's loop: twice a minute, and when a sub-agent has ended, it looks after the tasks under way. It costs no model call.

import { uuidOf } from '../../kit/id.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { progressOf } from '../workspace/versions.ts';
import { workerRequest } from './hand-out.ts';
import { workOrder } from './lease.ts';
import { type Due, restartTask, tendTasks } from './tend.ts';

interface TenderOptions extends LoopWorld {
  readonly isOn: () => boolean;
}

/** What stands still is found within a minute of standing still. */
const EVERY_MS = 30_000;

export function startTender({ workspaceId, store, config, clock, log, isMine, isOn }: TenderOptions): Loop {
  const restart = async ({ task, attempt, order }: Due): Promise<void> => {
    const now = config();
    const notes = await store.call(progressOf, { workspaceId, task: task.name });
    const work = await store.call(workOrder, { workspaceId, name: task.id });
    const again = `This is attempt ${attempt}: the worker before you is gone, or ended without submitting. Look at what it left before you go on.`;
    const request = workerRequest(work, now, { workspaceId, actor: 'scheduler', notes, again, first: order });
    const name = uuidOf(`${workspaceId} ${task.id} attempt ${attempt} ${task.updatedAt}`);
    const childSessionKey = `agent:${request.agentId}:subagent:${name}`;
    const requestKey = `task:${task.id}:${attempt}:${task.updatedAt}`;
    const asked = { ...request, requestKey, childSessionKey, childRunKey: uuidOf(`${name} run`) };
    const rule = await store.call(restartTask, { workspaceId, taskId: task.id, attempt, request: asked });
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
