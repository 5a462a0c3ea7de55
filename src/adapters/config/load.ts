// Decides which configuration the gateway runs: the file, else its last good revision, else the defaults. Never a stop.

import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, LoadedConfig } from '../../domain/config.ts';
import { keyFindings } from '../../domain/config-keys.ts';
import { type ConfigFinding, parseConfig } from '../../domain/config-schema.ts';
import { messageOf } from '../../kit/fault.ts';
import { newSecret, sha256Hex } from '../../kit/id.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import { evaluateConfig, readText } from './read.ts';
import { listRevisions, revisionText } from './revisions.ts';
import { keepTeam, readTeam } from './roles-file.ts';

export interface ConfigSource {
  readonly path: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

interface LoadOptions extends ConfigSource {
  readonly stateDir: string;
}

/** A configuration file as it stands; `config` is missing when the file is, or when it is not valid. */
export type ReadConfig = Omit<LoadedConfig, 'config' | 'source'> & Pick<Partial<LoadedConfig>, 'config'>;

/** Reads the file without changing anything. */
export function readConfigFile(source: ConfigSource): ReadConfig {
  try {
    const raw = readText(source.path);
    return raw === undefined ? broken(source, undefined, []) : readConfigText(raw, source);
  } catch (error) {
    return broken(source, undefined, [{ path: '', message: messageOf(error) }]);
  }
}

/** The same for a text that may become the file. */
export function readConfigText(raw: string, source: ConfigSource): ReadConfig {
  try {
    const { parsed, warnings: ofTeam } = withTeam(evaluateConfig(raw, source.path, source.variables), source.path);
    const result = parseConfig(parsed);
    if (!result.ok) return { ...broken(source, raw, result.issues), parsed };
    const warnings = [...keyFindings(parsed), ...result.warnings, ...ofTeam];
    return { path: source.path, raw, hash: sha256Hex(raw), parsed, config: result.config, issues: [], warnings };
  } catch (error) {
    return broken(source, raw, [{ path: '', message: messageOf(error) }]);
  }
}

/** The team's own file is a part of the configuration; what clawdbot.json itself says of the team goes first. */
function withTeam(parsed: unknown, path: string): { readonly parsed: unknown; readonly warnings: readonly ConfigFinding[] } {
  const { team, warnings } = readTeam(path);
  const isPlain = parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed) && !('team' in parsed);
  return { parsed: team !== undefined && isPlain ? { ...parsed, team } : parsed, warnings };
}

/** What can be used of the file by a program whose environment lacks some of its variables: those keys are left out. */
export function usableConfig(source: ConfigSource): Config {
  const { raw, config } = readConfigFile(source);
  if (config) return config;
  const dropped = raw === undefined ? undefined : lastGood(raw, source);
  return dropped?.ok ? dropped.config : defaultConfig();
}

function defaultConfig(): Config {
  const defaults = parseConfig({});
  if (!defaults.ok) throw new Error('the defaults are not a valid configuration');
  return defaults.config;
}

function broken({ path }: ConfigSource, raw: string | undefined, issues: readonly ConfigFinding[]): ReadConfig {
  return { path, raw, hash: raw === undefined ? undefined : sha256Hex(raw), parsed: undefined, issues, warnings: [] };
}

/**
 * The configuration to run. At a first start it writes a file with a fresh token; a file that is not valid is copied
 * aside and the last good revision runs in its place (the defaults on loopback when there is none).
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { path, stateDir } = options;
  if (!existsSync(path)) writeWhole(path, firstConfig());
  keepTeam(path);
  const read = readConfigFile(options);
  if (read.config) return { ...read, config: read.config, source: 'file' };
  setAside(options, read);
  for (const { id } of listRevisions(stateDir).toReversed()) {
    const result = lastGood(revisionText(stateDir, id), options);
    if (result?.ok) return { ...read, config: result.config, source: 'last-good' };
  }
  return { ...read, config: defaultConfig(), source: 'defaults' };
}

const REJECTED = /^rejected-[0-9a-f]*\.json5$/;
const REJECTED_KEPT = 20;

/** Keeps a copy of a file that does not run; the latest twenty stay. */
export function setAside({ path, stateDir }: LoadOptions, { raw, hash = '' }: ReadConfig): void {
  if (raw === undefined) return;
  const dir = join(stateDir, 'config');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  copyFileSync(path, join(dir, `rejected-${hash.slice(0, 12)}.json5`));
  const copies = readdirSync(dir)
    .filter((name) => REJECTED.test(name))
    .map((name) => ({ name, at: statSync(join(dir, name)).mtimeMs }));
  for (const { name } of copies.toSorted((a, b) => b.at - a.at).slice(REJECTED_KEPT)) rmSync(join(dir, name), { force: true });
}

function lastGood(text: string | undefined, { path, variables }: ConfigSource) {
  if (text === undefined) return undefined;
  try {
    return parseConfig(withTeam(evaluateConfig(text, path, variables, 'drop'), path).parsed);
  } catch {
    return undefined; // an include of the kept revision is gone as well: an older one, or the defaults, work
  }
}

function firstConfig(): string {
  return `// Written at the first start. The reference lists every key: docs/reference/configuration.md
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
}
