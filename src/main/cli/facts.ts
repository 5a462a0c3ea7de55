// Models and agents of an installation, from its files: what the command line shows without a gateway.

import { join, resolve } from 'node:path';
import { usableConfig } from '../../adapters/config/load.ts';
import { createModels } from '../../adapters/models/catalog.ts';
import { agentIds, type Config, defaultAgentId, variablesIn, workspaceOf } from '../../domain/config.ts';
import { contextWindowOf, isLoopback, type ModelRef, modelChain } from '../../domain/model.ts';
import type { AgentFacts, ModelFacts } from '../../doors/cli/world.ts';
import { systemClock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import { silentLog } from '../../kit/log.ts';
import { type Environment, expandHome, providerKeysIn } from '../environment.ts';

export function configOf({ configPath: path, variables }: Environment): Config {
  return usableConfig({ path, variables });
}

interface FoundCredential {
  readonly kind: string;
  readonly detail: string;
}

/** Where the credential of a provider comes from, or why there is none. */
export async function credentialOf(config: Config, { stateDir, variables }: Environment, provider: string): Promise<FoundCredential> {
  const providerKeys = providerKeysIn({ ...variablesIn(config), ...variables });
  const models = createModels({ config, stateDir, providerKeys, clock: systemClock, log: silentLog });
  try {
    const [first] = await models.endpointsFor(provider, defaultAgentId(config));
    return { kind: first?.credential.kind ?? 'missing', detail: first?.credential.id ?? '' };
  } catch (error) {
    return { kind: 'missing', detail: messageOf(error) };
  }
}

const nameOf = ({ provider, model }: ModelRef) => `${provider}/${model}`;

export async function modelFacts(environment: Environment): Promise<ModelFacts> {
  const config = configOf(environment);
  const { defaults } = config.agents;
  const chain = agentIds(config).flatMap((agentId) => modelChain(config, agentId, null));
  const described = Object.entries(config.models.providers).flatMap(([provider, { models = [] }]) => models.map(({ id }) => ({ provider, model: id })));
  const all = [...chain, ...described].filter((ref, i, list) => list.findIndex((other) => nameOf(other) === nameOf(ref)) === i);
  const providers = [...new Set(all.map(({ provider }) => provider))];
  const credentials = new Map(await Promise.all(providers.map(async (provider) => [provider, await credentialOf(config, environment, provider)] as const)));
  const available = (provider: string) => credentials.get(provider)?.kind !== 'missing';
  const [primary] = modelChain(config, defaultAgentId(config), null);
  const written = typeof defaults.model === 'string' ? { primary: defaults.model, fallbacks: [] } : { fallbacks: [], ...defaults.model };
  return {
    models: all.map((ref) => {
      const entry = config.models.providers[ref.provider];
      const about = entry?.models?.find(({ id }) => id === ref.model);
      return {
        key: nameOf(ref),
        name: about?.name ?? ref.model,
        input: (about?.input ?? ['text']).join('+'),
        contextWindow: contextWindowOf(ref, config),
        local: entry?.baseUrl !== undefined && isLoopback(entry.baseUrl),
        available: available(ref.provider),
        tags: [...(primary && nameOf(ref) === nameOf(primary) ? ['default'] : []), ...(about ? ['configured'] : [])],
        missing: false,
      };
    }),
    status: {
      configPath: environment.configPath,
      agentDir: join(environment.stateDir, 'agents', defaultAgentId(config), 'agent'),
      defaultModel: written.primary,
      resolvedDefault: primary ? nameOf(primary) : '',
      fallbacks: written.fallbacks ?? [],
      aliases: Object.fromEntries(Object.entries(defaults.models ?? {}).flatMap(([model, { alias }]) => (alias === undefined ? [] : [[alias, model]]))),
      auth: {
        missingProvidersInUse: [...new Set(chain.map(({ provider }) => provider))].filter((provider) => !available(provider)),
        providers: providers.map((provider) => ({ provider, effective: credentials.get(provider) ?? { kind: 'missing', detail: '' } })),
      },
    },
  };
}

export async function agentFacts(environment: Environment): Promise<readonly AgentFacts[]> {
  const config = configOf(environment);
  return agentIds(config).map((id) => {
    const [model] = modelChain(config, id, null);
    const isDefault = id === defaultAgentId(config);
    return {
      id,
      workspace: resolve(expandHome(workspaceOf(config, id), environment.home)),
      agentDir: join(environment.stateDir, 'agents', id, 'agent'),
      model: model ? nameOf(model) : '',
      bindings: 0,
      isDefault,
      routes: isDefault ? ['default (no explicit rules)'] : [],
    };
  });
}
