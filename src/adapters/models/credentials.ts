// Where credentials come from: auth-profiles.json of the agent, the configuration, the environment. OAuth is refreshed here.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { Clock } from '../../kit/clock.ts';
import { errorCode, messageOf } from '../../kit/fault.ts';
import type { Log } from '../../kit/log.ts';
import { own } from '../../kit/own.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import type { Credential } from '../../ports/model.ts';

const Profile = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('api_key'), provider: z.string(), key: z.string().min(1) }),
  z.looseObject({ type: z.literal('token'), provider: z.string(), token: z.string().min(1), expires: z.number().optional() }),
  z.looseObject({ type: z.literal('oauth'), provider: z.string(), access: z.string(), refresh: z.string(), expires: z.number() }),
]);
type Profile = z.infer<typeof Profile>;
type OauthProfile = Extract<Profile, { type: 'oauth' }>;

const ProfileFile = z.looseObject({ profiles: z.record(z.string(), z.unknown()).default({}) });
const TokenReply = z.looseObject({ access_token: z.string().min(1), refresh_token: z.string().optional(), expires_in: z.number().positive() });

const DEFAULT_OAUTH: Readonly<Record<string, { tokenUrl: string; clientId: string }>> = {
  anthropic: { tokenUrl: 'https://console.anthropic.com/v1/oauth/token', clientId: '9d1c250a-e61b-44d9-88ed-5944d1962f5e' },
};
const REFRESH_EARLY_MS = 60_000;
const REFRESH_TIMEOUT_MS = 15_000;

interface CredentialSources {
  readonly config: Config;
  readonly stateDir: string;
  readonly providerKeys: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Log;
}

export function createCredentials({ config, stateDir, providerKeys, clock, log }: CredentialSources) {
  const refreshing = new Map<string, Promise<OauthProfile>>();
  const renewed = new Map<string, OauthProfile>();
  const ownCopy = (id: string) => join(stateDir, 'credentials', `oauth-${id.replace(/[^a-z0-9_.-]/gi, '_')}.json`);

  const refresh = async (id: string, profile: OauthProfile): Promise<OauthProfile> => {
    const endpoint = own(config.models.providers, profile.provider)?.oauth ?? own(DEFAULT_OAUTH, profile.provider);
    if (!endpoint) throw fault('model.auth', { reason: `no token address is known for ${profile.provider}: set models.providers.${profile.provider}.oauth` });
    const response = await fetch(endpoint.tokenUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: profile.refresh, client_id: endpoint.clientId }),
      signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS),
    });
    if (!response.ok) throw fault('model.auth', { reason: `the sign-in "${id}" has expired and could not be renewed (${response.status}): sign in again` });
    const reply = TokenReply.parse(await response.json());
    const fresh: OauthProfile = {
      ...profile,
      access: reply.access_token,
      refresh: reply.refresh_token ?? profile.refresh,
      expires: clock.now() + reply.expires_in * 1000,
    };
    // Kept beside the original's file, which stays as it is: the newer of the two is used.
    renewed.set(id, fresh);
    try {
      writeWhole(ownCopy(id), JSON.stringify(fresh));
      log.info({ profile: id }, 'an OAuth sign-in was renewed');
    } catch (error) {
      log.error({ profile: id, err: error }, 'a renewed OAuth sign-in could not be written: it is known until this process ends');
    }
    return fresh;
  };

  const current = async (id: string, written: OauthProfile): Promise<OauthProfile> => {
    const kept = Profile.safeParse(await readJson(ownCopy(id)));
    const known = [written, renewed.get(id), kept.success && kept.data.type === 'oauth' ? kept.data : undefined];
    const newest = known.reduce<OauthProfile>((best, one) => (one && one.expires > best.expires ? one : best), written);
    if (newest.expires - REFRESH_EARLY_MS > clock.now()) return newest;
    const running = refreshing.get(id) ?? refresh(id, newest).finally(() => refreshing.delete(id));
    refreshing.set(id, running);
    return running;
  };

  const fromProfile = async (id: string, profile: Profile): Promise<Credential | undefined> => {
    if (profile.type === 'api_key') return { id, kind: 'api_key', secret: profile.key };
    if (profile.type === 'oauth') return { id, kind: 'token', secret: (await current(id, profile)).access };
    if (profile.expires !== undefined && profile.expires <= clock.now()) {
      log.warn({ profile: id }, 'a model token has expired: sign in again or replace it in auth-profiles.json');
      return undefined;
    }
    return { id, kind: 'token', secret: profile.token };
  };

  /** Every credential for the provider that is good now, best first. */
  return async (provider: string, agentId: string): Promise<readonly Credential[]> => {
    const found: Credential[] = [];
    const problems: string[] = [];
    const file = ProfileFile.safeParse(await readJson(join(stateDir, 'agents', agentId, 'agent', 'auth-profiles.json')));
    const profiles = Object.entries(file.success ? file.data.profiles : {}).flatMap(([id, value]) => {
      const profile = Profile.safeParse(value);
      return profile.success && profile.data.provider === provider ? [{ id, profile: profile.data }] : [];
    });
    const order = own(config.auth.order, provider) ?? [];
    const rank = (id: string) => (order.includes(id) ? order.indexOf(id) : order.length);
    for (const { id, profile } of profiles.sort((a, b) => rank(a.id) - rank(b.id))) {
      try {
        const credential = await fromProfile(id, profile);
        if (credential) found.push(credential);
      } catch (error) {
        problems.push(messageOf(error));
        log.warn({ profile: id, error: messageOf(error) }, 'a model credential cannot be used');
      }
    }
    const stated = own(config.models.providers, provider)?.apiKey;
    if (stated) found.push({ id: `${provider}:config`, kind: 'api_key', secret: stated });
    const fromEnvironment = own(providerKeys, provider);
    if (fromEnvironment) found.push({ id: `${provider}:env`, kind: 'api_key', secret: fromEnvironment });
    if (found.length === 0 && problems.length > 0) throw fault('model.auth', { reason: problems.join('; ') });
    return found;
  };
}

/** The parsed file, or undefined when it is missing or unreadable as JSON. */
async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the zod parse of the caller treats it like a missing file
  }
}
