// The configuration as everybody reads it. Its schema is in config-schema.ts.

import type { z } from 'zod';
import type { ConfigFinding, ConfigSchema } from './config-schema.ts';

export type Config = z.infer<typeof ConfigSchema>;

/** Variables of the file's env section, written as env.NAME or env.vars.NAME. The real environment goes first. */
export function variablesIn({ env = {} }: Config): Record<string, string> {
  const vars = (env['vars'] ?? {}) as Record<string, unknown>; // only its strings are taken
  return Object.fromEntries(Object.entries({ ...env, ...vars }).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}

export function defaultAgentId(config: Config): string {
  return (config.agents.list.find((agent) => agent.default === true) ?? config.agents.list[0])?.id ?? 'main';
}

/** Ids of all agents; there is always one, `main` when the file lists none. */
export function agentIds(config: Config): readonly string[] {
  return config.agents.list.length > 0 ? config.agents.list.map((agent) => agent.id) : ['main'];
}

/** The workspace path of an agent as written (`~` not yet expanded). */
export function workspaceOf(config: Config, agentId: string): string {
  return config.agents.list.find((agent) => agent.id === agentId)?.workspace ?? config.agents.defaults.workspace;
}

const SECRET_KEY = /token$|password|secret|apikey|^key$/i;
/** An address with a password in it. */
const SECRET_URL = /^[a-z]+:\/\/[^/@\s:]*:([^/@\s]+)@/i;

/** Whether a value under this key is a credential. */
export function isCredentialKey(key: string): boolean {
  return SECRET_KEY.test(key);
}

/** Every string in the configuration that is a credential, for the scrubber. */
export function secretsIn(config: Config): readonly string[] {
  const found: string[] = [];
  const walk = (value: unknown, key: string) => {
    if (typeof value === 'string') {
      if (isCredentialKey(key)) found.push(value);
      const password = SECRET_URL.exec(value)?.[1];
      if (password !== undefined) found.push(password, decodeURIComponent(password));
    } else if (Array.isArray(value)) {
      for (const item of value) walk(item, key);
    } else if (value !== null && typeof value === 'object') {
      for (const [name, inner] of Object.entries(value)) walk(inner, name);
    }
  };
  walk(config, '');
  return found;
}

/** A configuration that runs, and where it came from. */
export interface LoadedConfig {
  readonly path: string;
  /** Text of the file as it stands, valid or not. */
  readonly raw: string | undefined;
  /** sha256 of the file's bytes. */
  readonly hash: string | undefined;
  readonly parsed: unknown;
  readonly config: Config;
  readonly source: 'file' | 'last-good' | 'defaults';
  /** What is wrong with the file, when it does not run. */
  readonly issues: readonly ConfigFinding[];
  readonly warnings: readonly ConfigFinding[];
}

/** What stands in place of a credential in answers. Written back it means: as before. */
export const MASKED = '[secret]';
const REFERENCE = /^\$\{[A-Z_][A-Z0-9_]*\}$/;

/** A copy without any credential, for where others read it. */
export function withoutCredentials(config: Config): Config {
  const strip = (value: unknown, key: string): unknown => {
    if (typeof value === 'string') return isCredentialKey(key) || SECRET_URL.test(value) ? undefined : value;
    if (Array.isArray(value)) return value.map((item) => strip(item, key)).filter((item) => item !== undefined);
    if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, strip(inner, name)]));
    return value;
  };
  return strip(config, '') as Config; // only optional keys hold credentials
}

/** A copy with every credential masked, for answers and logs. A reference to a variable is none. */
export function redactConfig(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return (isCredentialKey(key) && !REFERENCE.test(value)) || SECRET_URL.test(value) ? MASKED : value;
  if (Array.isArray(value)) return value.map((item) => redactConfig(item, key));
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, redactConfig(inner, name)]));
  return value;
}
