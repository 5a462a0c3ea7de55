// sessions_spawn and sessions_await: an agent starts sub-agents, and waits for them without holding a slot.

import { z } from 'zod';
import { agentIds, type Config } from '../../domain/config.ts';
import { spawnRightsOf } from '../../domain/role.ts';
import { explainDenial } from '../../domain/spawn.ts';
import { roleOfAgent, rolePolicies, rolePolicy } from '../../domain/team.ts';
import type { ToolOutcome } from '../../domain/tool.ts';
import { isFault } from '../../kit/fault.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { childNames, orderOf, SpawnInput } from '../spawns/methods.ts';
import { childrenOf, requestSpawn } from '../spawns/ops.ts';
import type { SpawnView } from '../spawns/rows.ts';
import { durably } from '../turns/durably.ts';
import { type AgentToolWorld, answer, refuse, withoutEmpty } from './world.ts';

export function createSpawnTool({ store, config }: AgentToolWorld): Tool {
  return {
    spec: {
      name: 'sessions_spawn',
      about:
        'Start a sub-agent with a task in a session of its own. It works while you go on; what it finds is told to this conversation when it ends, or use sessions_await to wait for it.',
      schema: {
        type: 'object',
        properties: {
          commands: {
            type: 'array',
            description: 'For role worker-cmd: commands as lists of words, run in order without a shell; without a task no model is asked',
            items: {
              type: 'object',
              required: ['argv'],
              properties: { argv: { type: 'array', items: { type: 'string' } }, cwd: { type: 'string' }, timeoutSeconds: { type: 'number' } },
            },
          },
          task: { type: 'string', description: 'What it is to do, complete: it knows nothing of this conversation' },
          label: { type: 'string', description: 'A short name' },
          agentId: { type: 'string' },
          role: { type: 'string' },
          model: { type: 'string' },
          taskType: { type: 'string' },
          thinking: { type: 'string' },
          runTimeoutSeconds: { type: 'number' },
          timeoutSeconds: { type: 'number' },
          cleanup: { type: 'string', enum: ['delete', 'keep'] },
          idempotencyKey: { type: 'string' },
          priority: { type: 'string', enum: ['urgent', 'spawn', 'background'] },
          budget: { type: 'object', properties: { usd: { type: 'number' }, tokens: { type: 'number' } } },
          childPolicy: { type: 'string', enum: ['adopt', 'cancel', 'detach'] },
        },
      },
      idempotent: true,
      parallel: true,
    },
    run: async (input, context) => {
      const parsed = SpawnInput.safeParse(withoutEmpty(input));
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { workspaceId, agentId: own, runId, callId, sessionKey } = context;
      const { label, role, cleanup = 'keep', idempotencyKey } = parsed.data;
      const ofRole = role && agentIds(config).find((id) => roleOfAgent(config, id) === role);
      const agentId = parsed.data.agentId ?? ofRole ?? own;
      if (!agentIds(config).includes(agentId)) return answer({ status: 'error', error: `unknown agent id "${agentId}"` });
      const report = { name: label ?? 'Sub-agent', sessionKey, agentId: own, as: 'result', now: true } as const;
      try {
        const order = orderOf(parsed.data, config);
        const spawn = await durably(
          store,
          requestSpawn,
          {
            workspaceId,
            actor: `run:${runId}`,
            requestKey: idempotencyKey === undefined ? `${runId}:${callId}` : `${sessionKey}:${idempotencyKey}`,
            parentRunId: runId,
            spawnerRole: roleOfAgent(config, own),
            agentId,
            agentAllowed: agentId === own || agentId === ofRole || mayStart(config, own, agentId),
            role: role ?? null,
            label: label ?? null,
            order: { ...order, report },
            limits: config.agents.defaults.subagents,
            rights: spawnRightsOf(rolePolicies(config)),
            cleanup,
            ...childNames(agentId),
          },
          context.signal,
        );
        return answer({ ...toStatus(spawn, config, own), ...(parsed.data.model !== undefined && spawn.rule === null && { modelApplied: true }) });
      } catch (error) {
        return refuse(error, isFault(error));
      }
    },
  };
}

function toStatus(spawn: SpawnView, config: Config, own: string): Record<string, unknown> {
  const { childSessionKey, runId, rule, status, id } = spawn;
  if (rule === 'agent') {
    const allowed = allowedAgents(config, own);
    return { status: 'forbidden', rule, error: `${explainDenial(rule)} (allowed: ${allowed.length === 0 ? 'none' : allowed.join(', ')})` };
  }
  if (rule === 'role') {
    const may = Object.keys(rolePolicy(config, roleOfAgent(config, own) ?? 'reviewer').spawns);
    return { status: 'forbidden', rule, error: `${explainDenial(rule)}: name a role of ${may.join(', ') || 'none'}` };
  }
  if (rule !== null) return { status: 'forbidden', rule, error: explainDenial(rule) };
  if (status === 'awaiting_grant') return { status: 'awaiting_grant', spawnId: id, childSessionKey, runId };
  return { status: 'accepted', childSessionKey, runId, spawnId: id };
}

export function allowedAgents(config: Config, agentId: string): readonly string[] {
  return config.agents.list.find(({ id }) => id === agentId)?.subagents?.allowAgents ?? [];
}

function mayStart(config: Config, own: string, other: string): boolean {
  return allowedAgents(config, own).some((allowed) => allowed === '*' || allowed.toLowerCase() === other);
}

const AwaitInput = z.looseObject({
  runIds: z.array(z.string().min(1)).max(200).optional(),
  mode: z.enum(['all', 'any']).optional(),
  timeoutSeconds: z.coerce.number().min(0).max(86_400).optional(),
});
const RESULT_CHARS = 20_000;
const LONGEST_WAIT_S = 86_400;

export function createAwaitTool({ store, clock }: AgentToolWorld): Tool {
  return {
    spec: {
      name: 'sessions_await',
      about:
        'Wait until sub-agents that you started have ended, and get what they found. Without runIds: all that are open or not told yet. While you wait you take no place from others.',
      schema: {
        type: 'object',
        properties: {
          runIds: { type: 'array', items: { type: 'string' }, description: 'runId, spawnId or childSessionKey of each' },
          mode: { type: 'string', enum: ['all', 'any'], description: 'Whether to wait for all of them (default) or for the first' },
          timeoutSeconds: { type: 'number' },
        },
      },
      idempotent: true,
      parallel: false,
    },
    run: async (input, context) => {
      const parsed = AwaitInput.safeParse(withoutEmpty(input));
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { runIds: names = [], mode = 'all', timeoutSeconds = LONGEST_WAIT_S } = parsed.data;
      const { workspaceId, runId } = context;
      let children: readonly SpawnView[];
      try {
        children = await store.call(childrenOf, { workspaceId, runId, names });
      } catch (error) {
        return refuse(error, isFault(error, 'spawn.not_found'));
      }
      const wanted = names.length > 0 ? children : children.filter(({ target, delivery }) => target !== null || delivery === 'pending');
      const open = wanted.flatMap(({ target }) => target ?? []);
      const until = (context.waitingSince ?? clock.now()) + timeoutSeconds * 1000;
      if (open.length > 0 && (mode === 'all' || open.length === wanted.length) && clock.now() < until)
        return { text: '', isError: false, waits: { for: 'children', on: open, all: mode === 'all', until } };
      return tellResults(wanted, context);
    },
  };
}

/** The results that are there are told with this outcome, and with nothing else. */
function tellResults(children: readonly SpawnView[], { runId }: ToolContext): ToolOutcome {
  const results = children.map(({ label, status, runId: childRun, childSessionKey, runState, result, error }) => ({
    ...(label !== null && { label }),
    runId: childRun,
    childSessionKey,
    status: status === 'settled' ? (runState === 'succeeded' ? 'ok' : (runState ?? status)) : status,
    ...(result && { reply: result.text.slice(0, RESULT_CHARS) }),
    ...((result?.error ?? error) && { error: result?.error ?? error }),
  }));
  const tells = children.filter(({ parentRunId, status }) => parentRunId === runId && status === 'settled').map(({ childRunId }) => childRunId);
  return { ...answer({ status: children.some(({ target }) => target !== null) ? 'timeout' : 'ok', results }), tells };
}
