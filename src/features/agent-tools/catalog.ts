// The list of the agents' tools whose work is in the store.

import type { Tool } from '../../ports/tool.ts';
import { createCronTool } from './cron.ts';
import { createInboxTool } from './inbox.ts';
import { createMessageTool } from './message.ts';
import { createPlanTool } from './plan.ts';
import { createSendTool } from './send.ts';
import { createAgentsListTool, createHistoryTool, createSessionsListTool, createStatusTool } from './sessions.ts';
import { createAwaitTool, createSpawnTool } from './spawn.ts';
import { createTaskTool } from './task.ts';
import type { AgentToolWorld } from './world.ts';

export function createAgentTools(world: AgentToolWorld): readonly Tool[] {
  return [
    createSpawnTool(world),
    createAwaitTool(world),
    createSessionsListTool(world),
    createHistoryTool(world),
    createSendTool(world),
    createStatusTool(world),
    createAgentsListTool(world),
    createCronTool(world),
    createInboxTool(world),
    createPlanTool(world),
    createTaskTool(world),
    // Without a channel there is nobody to write to.
    ...(world.config.channels.slack ? [createMessageTool(world)] : []),
  ];
}
