// sessions_list, sessions_history, session_status, agents_list: what an agent can see of the conversations around it.

import { z } from 'zod';
import { agentIds, type Config } from '../../domain/config.ts';
import { resolveModel } from '../../domain/model.ts';
import { agentIdOf, canonicalSessionKey } from '../../domain/session.ts';
import { isFault } from '../../kit/fault.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { setModelOverride } from '../chat/ops.ts';
import { statusCard } from '../runs/status-card.ts';
import { getSessionById, listSessions, readLatestEntries, searchEntries } from '../sessions/ops.ts';
import { sessionRow, toMessage, withinBytes } from '../sessions/views.ts';
import { allowedAgents } from './spawn.ts';
import { type AgentToolWorld, answer, refuse } from './world.ts';

const MINUTE_MS = 60_000;
const MOST = 200;
const MOST_CHARS = 80_000;

/** Whether an agent may look into, and write to, a session of another agent. */
export function mayReach(config: Config, own: string, key: string): boolean {
  const other = agentIdOf(key);
  if (other === undefined || other === own) return true;
  const { enabled, allow = ['*'] } = config.tools.agentToAgent;
  return enabled && [own, other].every((id) => allow.includes('*') || allow.includes(id));
}

/** The key of a session that an agent names by key or id. @throws Fault `session.*` */
export async function keyNamed({ store, config }: AgentToolWorld, { workspaceId, agentId }: ToolContext, named: string): Promise<string> {
  const byId = named.startsWith('sess_') ? await store.call(getSessionById, { workspaceId, id: named }) : null;
  return byId?.key ?? canonicalSessionKey(named, { defaultAgentId: agentId, mainKey: config.session.mainKey });
}

/** main, group, cron, hook, node or other, as existing agents filter by. */
function kindOf(key: string, mainKey: string): string {
  const [, , rest = '', more] = key.split(':');
  if (rest === mainKey) return 'main';
  if (rest === 'cron' || rest === 'hook' || rest === 'subagent') return rest;
  return more === 'group' || more === 'channel' ? 'group' : 'other';
}

const ListInput = z.looseObject({
  kinds: z.array(z.string()).optional(),
  limit: z.coerce.number().int().min(1).max(MOST).optional(),
  activeMinutes: z.coerce.number().min(0).optional(),
  messageLimit: z.coerce.number().int().min(0).max(20).optional(),
});

export function createSessionsListTool(world: AgentToolWorld): Tool {
  const { store, config, clock } = world;
  return {
    spec: {
      name: 'sessions_list',
      about: 'List conversations, the latest first, with their last messages if wanted.',
      schema: {
        type: 'object',
        properties: {
          kinds: { type: 'array', items: { type: 'string' } },
          limit: { type: 'number' },
          activeMinutes: { type: 'number' },
          messageLimit: { type: 'number' },
        },
      },
      idempotent: true,
      parallel: true,
    },
    run: async (input, { workspaceId, agentId }) => {
      const parsed = ListInput.safeParse(input);
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { kinds = [], limit = 50, activeMinutes, messageLimit = 0 } = parsed.data;
      const since = activeMinutes ? clock.now() - activeMinutes * MINUTE_MS : 0;
      const { rows } = await store.call(listSessions, { workspaceId, since, limit: MOST });
      const shown = rows
        .filter(({ key }) => mayReach(config, agentId, key) && (kinds.length === 0 || kinds.includes(kindOf(key, config.session.mainKey))))
        .slice(0, limit);
      const sessions = await Promise.all(
        shown.map(async (row) => ({
          ...sessionRow(row, config),
          kind: kindOf(row.key, config.session.mainKey),
          ...(messageLimit > 0 && { messages: await messagesOf(world, workspaceId, row.key, messageLimit, false) }),
        })),
      );
      return answer({ count: sessions.length, sessions });
    },
  };
}

async function messagesOf({ store }: AgentToolWorld, workspaceId: string, key: string, limit: number, includeTools: boolean) {
  const { entries } = await store.call(readLatestEntries, { workspaceId, key, limit: limit * 4 });
  const messages = entries.filter(({ body }) => includeTools || (body.kind !== 'tool_result' && body.text !== '')).map(toMessage);
  return withinBytes(messages.slice(-limit), MOST_CHARS);
}

const HistoryInput = z.looseObject({
  sessionKey: z.string().min(1),
  limit: z.coerce.number().int().min(1).max(MOST).optional(),
  includeTools: z.boolean().optional(),
  search: z.string().min(1).max(200).optional(),
});

export function createHistoryTool(world: AgentToolWorld): Tool {
  return {
    spec: {
      name: 'sessions_history',
      about: 'Read the messages of a conversation; with search, those that contain a text, however long ago, also of this conversation (sessionKey: this).',
      schema: {
        type: 'object',
        required: ['sessionKey'],
        properties: {
          sessionKey: { type: 'string' },
          limit: { type: 'number' },
          includeTools: { type: 'boolean' },
          search: { type: 'string', description: 'Only messages that contain this text' },
        },
      },
      idempotent: true,
      parallel: true,
    },
    run: async (input, context) => {
      const parsed = HistoryInput.safeParse(input);
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { sessionKey, limit = 50, includeTools = false, search } = parsed.data;
      try {
        const key = sessionKey === 'this' ? context.sessionKey : await keyNamed(world, context, sessionKey);
        if (!mayReach(world.config, context.agentId, key))
          return answer({ status: 'forbidden', error: 'sessions of other agents are closed: tools.agentToAgent.enabled' });
        const { workspaceId } = context;
        if (search === undefined) return answer({ sessionKey: key, messages: await messagesOf(world, workspaceId, key, limit, includeTools) });
        const found = await world.store.call(searchEntries, { workspaceId, key, text: search, limit });
        return answer({ sessionKey: key, messages: found.map(toMessage) });
      } catch (error) {
        return refuse(error, isFault(error));
      }
    },
  };
}

const StatusInput = z.looseObject({ sessionKey: z.string().optional(), model: z.string().optional() });

export function createStatusTool(world: AgentToolWorld): Tool {
  const { store, config, version } = world;
  return {
    spec: {
      name: 'session_status',
      about: 'Show model, tokens, context and queue of a conversation; with model, change its model (default resets it).',
      schema: { type: 'object', properties: { sessionKey: { type: 'string' }, model: { type: 'string' } } },
      idempotent: true,
      parallel: true,
    },
    run: async (input, context) => {
      const parsed = StatusInput.safeParse(input);
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { workspaceId, agentId } = context;
      try {
        const key = parsed.data.sessionKey ? await keyNamed(world, context, parsed.data.sessionKey) : context.sessionKey;
        if (!mayReach(config, agentId, key)) return answer({ status: 'forbidden', error: 'sessions of other agents are closed' });
        const { model } = parsed.data;
        if (model) {
          const { provider, model: name } = resolveModel(model, config);
          await store.call(setModelOverride, { workspaceId, key, model: model === 'default' ? null : `${provider}/${name}`, actor: `run:${context.runId}` });
        }
        const text = await statusCard({ store, workspaceId, config, version, key });
        return { text, isError: false, details: { ok: true, sessionKey: key, changedModel: Boolean(model), statusText: text } };
      } catch (error) {
        return refuse(error, isFault(error));
      }
    },
  };
}

export function createAgentsListTool({ config }: AgentToolWorld): Tool {
  return {
    spec: {
      name: 'agents_list',
      about: 'The agents whose sub-agents you may start with sessions_spawn.',
      schema: { type: 'object', properties: {} },
      idempotent: true,
      parallel: true,
    },
    run: async (_input, { agentId }) => {
      const allowed = allowedAgents(config, agentId);
      const allowAny = allowed.includes('*');
      const ids = [...new Set([agentId, ...(allowAny ? agentIds(config) : allowed)])];
      return answer({ requester: agentId, allowAny, agents: ids.map((id) => ({ id, configured: agentIds(config).includes(id) })) });
    },
  };
}
