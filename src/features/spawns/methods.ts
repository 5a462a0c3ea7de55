// What people and programs can ask about sub-agents. Agents ask through their tools.

import { z } from 'zod';
import { describeCommands } from '../../domain/command.ts';
import { agentIds, type Config, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { PRIORITY, type PriorityName } from '../../domain/lane.ts';
import { modelForRole, ROLES, type RolePolicy, spawnRightsOf } from '../../domain/role.ts';
import { CHILD_POLICIES } from '../../domain/run.ts';
import { agentIdOf } from '../../domain/session.ts';
import type { SpawnOrder } from '../../domain/spawn.ts';
import { rolePolicies, rolePolicy, usesBuiltInModels } from '../../domain/team.ts';
import { newUuid } from '../../kit/id.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { NEVER_MS, waitForEnd } from '../runs/wait.ts';
import { resolveKey } from '../sessions/methods.ts';
import { cancelSpawn, getSpawn, listSpawns, requestSpawn } from './ops.ts';
import type { SpawnView } from './rows.ts';

const MAX_TASK_CHARS = 200_000;
const DAY_SECONDS = 86_400;
const Spawn = z.custom<SpawnView>();

/** What is asked for a child, by agents and people alike. */
export const SpawnInput = z.strictObject({
  task: z.string().trim().max(MAX_TASK_CHARS).default('').describe('What the sub-agent is to do. May be left out where every command is listed.'),
  commands: z
    .array(
      z.strictObject({
        argv: z.array(z.string().max(10_000)).min(1).max(200),
        cwd: z.string().max(1000).optional(),
        timeoutSeconds: z.number().positive().max(DAY_SECONDS).optional(),
      }),
    )
    .min(1)
    .max(50)
    .optional()
    .describe('Commands as lists of words, run in order without a shell. Without a task no model is asked at all.'),
  label: z.string().trim().min(1).max(200).optional(),
  agentId: z.string().min(1).optional(),
  role: z.enum(ROLES).optional(),
  model: z.string().min(1).optional(),
  thinking: z.enum(['off', 'minimal', 'low', 'medium', 'high']).optional(),
  runTimeoutSeconds: z.number().min(0).max(DAY_SECONDS).optional().describe('Longest time it may take; 0 or left out: a day.'),
  timeoutSeconds: z.number().min(0).max(DAY_SECONDS).optional().describe('The older name of runTimeoutSeconds.'),
  cleanup: z.enum(['keep', 'delete']).optional().describe('delete: its session leaves the lists when it ends.'),
  idempotencyKey: z.string().min(1).max(200).optional().describe('Sent twice it starts one sub-agent.'),
  taskType: z.string().max(100).optional().describe('What sort of task it is, where the role has models by type: planning, monitoring.'),
  priority: z.enum(['urgent', 'spawn', 'background']).optional(),
  budget: z
    .strictObject({ usd: z.number().min(0).optional(), tokens: z.int().min(0).optional() })
    .optional()
    .describe('Most that it and its own sub-agents may spend.'),
  childPolicy: z
    .enum(CHILD_POLICIES)
    .optional()
    .describe('When the one who asked fails or is stopped: adopt tells the session above, cancel stops it, detach tells nobody.'),
});
export type SpawnInput = z.infer<typeof SpawnInput>;

/** By the policy of a role. Its built-in models are those of one maker, and hold where that maker's models are used. */
function roleModel(config: Config, policy: RolePolicy, { role, model: asked, taskType }: Pick<SpawnInput, 'role' | 'model' | 'taskType'>): string | undefined {
  const own = role && config.team.roles[role];
  const isTheirs = own?.model !== undefined || usesBuiltInModels(config);
  return isTheirs || asked !== undefined ? modelForRole(policy, { asked, taskType }).model : undefined;
}

/** The order for a child, without who hears of it. @throws Fault `request.refused` when there is nothing to do */
export function orderOf(input: SpawnInput, config: Config): SpawnOrder {
  if (input.task === '' && !input.commands) throw fault('request.refused', { reason: 'a sub-agent needs a task, or a list of commands' });
  if (input.role === 'worker-cmd' && !input.commands)
    throw fault('request.refused', {
      reason: 'worker-cmd runs only what its task lists: give commands, as [{ "argv": ["npm", "test"] }], or ask for a worker-impl',
    });
  const policy = input.role && rolePolicy(config, input.role);
  const model = (policy && roleModel(config, policy, input)) ?? input.model ?? config.agents.defaults.subagents.model;
  const seconds = input.runTimeoutSeconds || input.timeoutSeconds || policy?.limits?.timeoutSeconds || DAY_SECONDS;
  const priority: PriorityName = input.priority ?? 'spawn';
  const { usd, tokens } = input.budget ?? {};
  const commands = input.commands && { list: input.commands, withModel: input.task !== '' };
  return {
    task: commands ? describeCommands(commands, input.task) : input.task,
    ...(commands && { commands }),
    timeoutMs: Math.round(seconds * 1000),
    priority: PRIORITY[priority],
    childPolicy: input.childPolicy ?? 'adopt',
    ...(model !== undefined && { model }),
    ...(input.thinking !== undefined && { thinking: input.thinking }),
    ...(input.budget && { budget: { ...(usd !== undefined && { usd }), ...(tokens !== undefined && { tokens }) } }),
  };
}

/** Names for a new child. */
export function childNames(agentId: string) {
  return { childSessionKey: `agent:${agentId}:subagent:${newUuid()}`, childRunKey: newUuid() };
}

export const spawnsRequest = method({
  name: 'spawns.request',
  scope: 'operator.write',
  about:
    'Starts a sub-agent in a session of its own. Its request, session and run are one durable step; the answer says where they are, or the rule that denied it.',
  input: SpawnInput.extend({
    sessionKey: z.string().optional().describe('The session that is told what came of it. Left out: nobody is told, see spawns.wait.'),
  }),
  output: z.object({ spawn: Spawn }),
  run: async (context, { sessionKey, ...input }) => {
    const { config } = context.gateway.config();
    const agentId = input.agentId ?? defaultAgentId(config);
    if (!agentIds(config).includes(agentId)) throw fault('agent.unknown', { agentId });
    const order = orderOf(input, config);
    const key = sessionKey === undefined ? undefined : resolveKey(context, sessionKey);
    const spawn = await context.store.call(requestSpawn, {
      workspaceId: context.workspaceId,
      actor: context.principal.actor,
      requestKey: input.idempotencyKey ?? newUuid(),
      parentRunId: null,
      spawnerRole: null,
      agentId,
      agentAllowed: true,
      role: input.role ?? null,
      label: input.label ?? null,
      order: {
        ...order,
        ...(key !== undefined && {
          report: { name: input.label ?? 'Sub-agent', sessionKey: key, agentId: agentIdOf(key) ?? agentId, as: 'result' as const, now: true },
        }),
      },
      limits: config.agents.defaults.subagents,
      rights: spawnRightsOf(rolePolicies(config)),
      cleanup: input.cleanup ?? 'keep',
      ...childNames(agentId),
    });
    return { spawn };
  },
});

const Named = z.strictObject({ id: z.string().min(1).describe('The spawn by its id or key, or its child by run or session key.') });

export const spawnsGet = method({
  name: 'spawns.get',
  scope: 'operator.read',
  about: 'One spawn: its request, its child, and what came of it.',
  input: Named,
  output: z.object({ spawn: Spawn }),
  run: async ({ store, workspaceId }, { id }) => ({ spawn: await store.call(getSpawn, { workspaceId, name: id }) }),
});

export const spawnsList = method({
  name: 'spawns.list',
  scope: 'operator.read',
  about: 'The latest spawns.',
  input: z.strictObject({ limit: z.int().min(1).max(500).optional() }),
  output: z.object({ spawns: z.array(Spawn) }),
  run: async ({ store, workspaceId }, { limit = 50 }) => ({ spawns: await store.call(listSpawns, { workspaceId, limit }) }),
});

export const spawnsCancel = method({
  name: 'spawns.cancel',
  scope: 'operator.write',
  about: 'Takes back a request that waits, or stops the sub-agent.',
  input: Named,
  output: z.object({ spawn: Spawn, cancelled: z.boolean() }),
  run: ({ store, workspaceId, principal }, { id }) => store.call(cancelSpawn, { workspaceId, name: id, actor: principal.actor }),
});

export const spawnsWait = method({
  name: 'spawns.wait',
  scope: 'operator.read',
  about: 'Waits until a sub-agent has ended, at most timeoutMs, and answers what came of it.',
  input: Named.extend({ timeoutMs: z.int().min(0).max(NEVER_MS).optional() }),
  output: z.object({ spawn: Spawn }),
  run: async (context, { id, timeoutMs = NEVER_MS }) => {
    const { store, workspaceId } = context;
    const spawn = await store.call(getSpawn, { workspaceId, name: id });
    await whenSettled(context, spawn, timeoutMs);
    return { spawn: await store.call(getSpawn, { workspaceId, name: spawn.id }) };
  },
});

/** A request that waits for its grant first waits for that. */
async function whenSettled(context: MethodContext, { target, runId }: SpawnView, timeoutMs: number): Promise<void> {
  if (target === null) return;
  const since = context.clock.elapsed();
  if (target.startsWith('approval:')) await context.gateway.whenDecided(target.slice('approval:'.length), timeoutMs);
  await waitForEnd(context, runId, Math.max(0, timeoutMs - (context.clock.elapsed() - since)));
}
