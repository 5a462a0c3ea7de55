// Decides which configuration the gateway runs: the file, else its last good revision, else the defaults. Never a stop.

import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../../domain/config.ts';
import { type ConfigFinding, parseConfig } from '../../domain/config.ts';
import { messageOf } from '../../kit/fault.ts';
import { newSecret, sha256Hex } from '../../kit/id.ts';
import { evaluateConfig, readText } from './read.ts';

interface LoadOptions {
  readonly path: string;
  readonly stateDir: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const lastGoodPath = (stateDir: string) => join(stateDir, 'config', 'last-good.json5');
const secretPath = (stateDir: string, name: string) => join(stateDir, 'credentials', name);
const TOKEN = 'gateway-token';

/** Reads the file without changing anything; `config` is undefined when it is missing or not valid. */
export function readConfigFile({
  path,
  variables,
}: Pick<LoadOptions, 'path' | 'variables'>): Omit<LoadedConfig, 'config' | 'source'> & Pick<Partial<LoadedConfig>, 'config'> {
  let raw: string | undefined;
  const broken = (issues: readonly ConfigFinding[]) => ({
    path,
    raw,
    hash: raw === undefined ? undefined : sha256Hex(raw),
    parsed: undefined,
    issues,
    warnings: [],
  });
  try {
    raw = readText(path);
    if (raw === undefined) return broken([]);
    const parsed = evaluateConfig(raw, path, variables);
    const result = parseConfig(parsed);
    if (!result.ok) return { ...broken(result.issues), parsed };
    return { path, raw, hash: sha256Hex(raw), parsed, config: result.config, issues: [], warnings: result.warnings };
  } catch (error) {
    return broken([{ path: '', message: messageOf(error) }]);
  }
}

/**
 * The configuration to run. At a first start it writes a file with a fresh token; a file that is not valid is copied
 * aside and the last good revision runs in its place (the defaults on loopback when there is none).
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { path, stateDir } = options;
  if (!existsSync(path)) writeFirstConfig(path);
  const read = readConfigFile(options);
  if (read.config && read.raw !== undefined) {
    keepLastGood(stateDir, read.raw);
    return { ...read, config: read.config, source: 'file' };
  }
  if (read.raw !== undefined) copyFileSync(path, join(stateDir, 'config', `rejected-${(read.hash ?? '').slice(0, 12)}.json5`));
  const kept = readText(lastGoodPath(stateDir));
  if (kept !== undefined) {
    try {
      const result = parseConfig(evaluateConfig(kept, path, options.variables, 'drop'));
      if (result.ok) return { ...read, config: result.config, source: 'last-good' };
    } catch {
      // an include of the kept revision is gone as well: the defaults always work
    }
  }
  const defaults = parseConfig({});
  if (!defaults.ok) throw new Error('the defaults are not a valid configuration');
  return { ...read, config: defaults.config, source: 'defaults' };
}

/** A secret of this gateway by name: made once, 256 bit, mode 0600. */
export function storedSecret(stateDir: string, name: string): string {
  const path = secretPath(stateDir, name);
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const secret = newSecret(32);
  writeWhole(path, `${secret}\n`);
  return secret;
}

/** The gateway's token when the configuration names none. */
export function ownToken(stateDir: string): string {
  return storedSecret(stateDir, TOKEN);
}

/** The token a client on this machine uses, if there is one. Reads only. */
export function existingToken(stateDir: string): string | undefined {
  return readText(secretPath(stateDir, TOKEN))?.trim();
}

function writeFirstConfig(path: string): void {
  const text = `// Written at the first start. The reference lists every key: docs/reference/configuration.md
{
  gateway: {
    mode: "local",
    port: 18789,
    bind: "loopback",
    auth: { mode: "token", token: "${newSecret(32)}" },
  },
  agents: {
    defaults: {
      workspace: "~/clawd",
      // Commands of agents run in bubblewrap. "off" runs them with your own rights, "auto" takes the best there is.
      sandbox: { mode: "all" },
    },
  },
}
`;
  writeWhole(path, text);
}

function keepLastGood(stateDir: string, raw: string): void {
  const path = lastGoodPath(stateDir);
  if (readText(path) !== raw) writeWhole(path, raw);
}

function writeWhole(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  const draft = `${path}.${newSecret(4)}.new`;
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  renameSync(draft, path);
}
