// The list of model APIs, and the way from a provider's name to a client. SDKs are loaded on first use.

import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { isLoopback } from '../../domain/model.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { own } from '../../kit/own.ts';
import type { ModelClient, ModelEndpoint, Models } from '../../ports/model.ts';
import { createCredentials } from './credentials.ts';

const APIS: Readonly<Record<ModelEndpoint['api'], (endpoint: ModelEndpoint) => Promise<ModelClient>>> = {
  'anthropic-messages': async (endpoint) => (await import('./anthropic.ts')).createAnthropic(endpoint),
  'openai-completions': async (endpoint) => (await import('./openai.ts')).createOpenai(endpoint),
};

/** Providers that need no entry in the configuration. */
const KNOWN: Readonly<Record<string, { readonly api: ModelEndpoint['api']; readonly baseUrl?: string }>> = {
  anthropic: { api: 'anthropic-messages' },
  openai: { api: 'openai-completions' },
  openrouter: { api: 'openai-completions', baseUrl: 'https://openrouter.ai/api/v1' },
  ollama: { api: 'openai-completions', baseUrl: 'http://127.0.0.1:11434/v1' },
};

interface ModelSources {
  readonly config: Config;
  readonly stateDir: string;
  readonly providerKeys: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Log;
}

export function createModels(sources: ModelSources): Models {
  const { config } = sources;
  const credentialsFor = createCredentials(sources);
  const clients = new Map<string, Promise<ModelClient>>();
  return {
    clientFor: (endpoint) => {
      const { api, baseUrl, headers, credential } = endpoint;
      const key = JSON.stringify([api, baseUrl, headers, credential]);
      let client = clients.get(key);
      if (!client) {
        client = APIS[api](endpoint);
        clients.set(key, client);
      }
      return client;
    },
    endpointsFor: async (provider, agentId) => {
      const entry = own(config.models.providers, provider);
      const known = own(KNOWN, provider);
      const api = entry?.api ?? known?.api ?? (entry ? 'openai-completions' : undefined);
      if (api === undefined) throw fault('model.unknown_provider', { provider });
      if (!(api in APIS)) throw fault('model.unknown_provider', { provider: `${provider} (api ${api})` });
      const baseUrl = entry?.baseUrl ?? known?.baseUrl;
      let credentials = await credentialsFor(provider, agentId);
      if (credentials.length === 0 && baseUrl !== undefined && isLoopback(baseUrl)) {
        credentials = [{ id: `${provider}:none`, kind: 'api_key', secret: 'none' }]; // local servers ask for no key
      }
      if (credentials.length === 0) throw fault('model.no_credential', { provider });
      return credentials.map((credential) => ({
        provider,
        api: api as ModelEndpoint['api'], // checked against APIS above
        baseUrl,
        headers: entry?.headers ?? {},
        idleMs: config.models.idleSeconds * 1000,
        credential,
      }));
    },
  };
}
