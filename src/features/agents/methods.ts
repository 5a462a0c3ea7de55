// What can be asked about agents and models.

import { z } from 'zod';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { modelChain } from '../../domain/model.ts';
import { agentIdOf } from '../../domain/session.ts';
import { method } from '../../ports/method.ts';
import { resolveKey } from '../sessions/methods.ts';

const NoInput = z.strictObject({});

export const agentsList = method({
  name: 'agents.list',
  scope: 'operator.read',
  about: 'The configured agents.',
  input: NoInput,
  output: z.record(z.string(), z.unknown()),
  run: async ({ gateway }) => {
    const { config } = gateway.config();
    return {
      defaultId: defaultAgentId(config),
      mainKey: config.session.mainKey,
      scope: config.session.scope,
      agents: agentIds(config).map((id) => {
        const { name, identity } = config.agents.list.find((agent) => agent.id === id) ?? {};
        return { id, ...(name !== undefined && { name }), ...(identity && { identity }) };
      }),
    };
  },
});

export const agentIdentity = method({
  name: 'agent.identity.get',
  scope: 'operator.read',
  about: 'Name and avatar of an agent, as its configuration says.',
  input: z.strictObject({ agentId: z.string().optional(), sessionKey: z.string().optional() }),
  output: z.object({ agentId: z.string(), name: z.string(), avatar: z.string() }),
  run: async (context, { agentId: asked, sessionKey }) => {
    const { config } = context.gateway.config();
    const agentId = asked ?? (sessionKey === undefined ? undefined : agentIdOf(resolveKey(context, sessionKey))) ?? defaultAgentId(config);
    if (!agentIds(config).includes(agentId)) throw fault('agent.unknown', { agentId });
    const { name: plain, identity } = config.agents.list.find((agent) => agent.id === agentId) ?? {};
    const name = identity?.name ?? plain ?? 'Assistant';
    return { agentId, name, avatar: identity?.avatar ?? identity?.emoji ?? name.slice(0, 1).toUpperCase() };
  },
});

export const modelsList = method({
  name: 'models.list',
  scope: 'operator.read',
  about: 'The models that agents use here and those the configuration describes.',
  input: NoInput,
  output: z.object({ models: z.array(z.record(z.string(), z.unknown())) }),
  run: async ({ gateway }) => {
    const { config } = gateway.config();
    const described = Object.entries(config.models.providers).flatMap(([provider, { models = [] }]) =>
      models.map(({ id, name, contextWindow, reasoning, input }) => ({
        id,
        name: name ?? id,
        provider,
        contextWindow: contextWindow ?? config.agents.defaults.contextTokens,
        reasoning: reasoning ?? false,
        input: input ?? ['text'],
      })),
    );
    const used = agentIds(config)
      .flatMap((agentId) => modelChain(config, agentId, null))
      .map(({ provider, model }) => ({
        id: model,
        name: model,
        provider,
        contextWindow: config.agents.defaults.contextTokens,
        reasoning: false,
        input: ['text', 'image'],
      }));
    const all = [...described, ...used];
    return { models: all.filter(({ provider, id }, i) => all.findIndex((other) => other.provider === provider && other.id === id) === i) };
  },
});
