// The only reader of process.env. Everything else gets what it needs as an argument.

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

interface Profile {
  readonly dev?: boolean;
  readonly profile?: string;
  readonly inWorkspace?: string | undefined;
}

export interface Environment {
  readonly home: string;
  readonly stateDir: string;
  /** True when the state folder is the one that everybody uses. */
  readonly defaultState: boolean;
  readonly configPath: string;
  readonly port: number | undefined;
  readonly token: string | undefined;
  readonly password: string | undefined;
  readonly version: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export function readEnvironment(flags: Profile = {}): Environment {
  const { env } = process;
  const home = env['HOME'] || homedir();
  const profile = flags.dev ? 'dev' : (flags.profile ?? env['CLAWDBOT_PROFILE']);
  const usual = join(home, profile && profile !== 'default' ? `.clawdbot-${profile}` : '.clawdbot');
  const stateDir = resolve(expandHome(env['CLAWDBOT_STATE_DIR'] || usual, home));
  if (flags.inWorkspace !== undefined) return insideOf(readEnvironment({ ...flags, inWorkspace: undefined }), flags.inWorkspace, undefined);
  const port = Number(env['CLAWDBOT_GATEWAY_PORT'] ?? (flags.dev ? 19_001 : Number.NaN));
  return {
    home,
    stateDir,
    defaultState: stateDir === join(home, '.clawdbot'),
    configPath: resolve(expandHome(env['CLAWDBOT_CONFIG_PATH'] || join(stateDir, 'clawdbot.json'), home)),
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined,
    token: env['CLAWDBOT_GATEWAY_TOKEN'] || credential(env['CREDENTIALS_DIRECTORY'], 'gateway-token'),
    password: env['CLAWDBOT_GATEWAY_PASSWORD'] || undefined,
    version: env['CLAWDBOT_VERSION'] || undefined,
    variables: { ...env },
  };
}

/** What a service manager hands over as a file that only this process can read. */
function credential(directory: string | undefined, name: string): string | undefined {
  if (directory === undefined || !existsSync(join(directory, name))) return undefined;
  return readFileSync(join(directory, name), 'utf8').trim() || undefined;
}

/** The environment of a further workspace. Nothing of the owner's is handed on: its keys and tokens are the owner's. */
export function insideOf(environment: Environment, id: string, written: string | undefined): Environment {
  const stateDir = written === undefined ? join(environment.stateDir, 'workspaces', id) : resolve(expandHome(written, environment.home));
  const configPath = join(stateDir, 'clawdbot.json');
  return { ...environment, stateDir, configPath, defaultState: false, port: undefined, token: undefined, password: undefined, variables: {} };
}

export function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? home + path.slice(1) : path;
}

const PASSED_ON = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TERM'];
const FOR_WORKERS = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'SSL_CERT_FILE'];

const pick = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));

/** The environment of commands: an allow-list, so that no secret of the gateway's gets there. */
export function baseEnvironment(): Record<string, string> {
  return pick(PASSED_ON);
}

/** The environment of worker processes: the same, and what outgoing connections need. */
export function workerEnvironment(): Record<string, string> {
  return pick([...PASSED_ON, ...FOR_WORKERS]);
}

const KEY_NAME = /^([A-Z][A-Z0-9_]*)_API_KEY$/;

/** API keys by provider: ANTHROPIC_API_KEY is the key of `anthropic`, MY_HOST_API_KEY that of `my-host`. */
export function providerKeysIn(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const keys: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    const provider = KEY_NAME.exec(name)?.[1];
    if (provider && value) keys[provider.toLowerCase().replaceAll('_', '-')] = value;
  }
  return keys;
}
