// The command line's composition root: fills the CLI's world, loading the heavy parts only for the verbs that need them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluateConfig, readText } from '../../adapters/config/read.ts';
import { existingToken, serviceToken } from '../../adapters/config/secrets.ts';
import { defaultAgentId, type LoadedConfig, variablesIn } from '../../domain/config.ts';
import { valueAt } from '../../domain/config-path.ts';
import { modelChain } from '../../domain/model.ts';
import { canonicalSessionKey } from '../../domain/session.ts';
import { WORKSPACE_ID } from '../../domain/workspace.ts';
import type { CliWorld, Profile, Target } from '../../doors/cli/world.ts';
import { systemClock } from '../../kit/clock.ts';
import { errorCode, messageOf } from '../../kit/fault.ts';
import { jitter } from '../../kit/id.ts';
import { silentLog } from '../../kit/log.ts';
import { startTimeOf } from '../../kit/process-ref.ts';
import { type Environment, providerKeysIn, readEnvironment } from '../environment.ts';
import { VERSION } from '../version.ts';

const CANNOT_RUN = 78;

export function createCliWorld(): CliWorld {
  return {
    version: process.env['CLAWDBOT_VERSION'] ?? VERSION,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    terminal: () => ({ input: process.stdin, output: process.stdout }),
    isTerminal: () => process.stdin.isTTY === true && process.stdout.isTTY === true,
    now: systemClock.now,
    pause: systemClock.sleep,
    target,
    runGateway,
    runWorker,
    copyStore: async (options) => (await import('./store-copy.ts')).copyStores(options),
    runningGateway: (profile) => runningGateway(readEnvironment(profile)),
    service,
    backups: async (profile) => (await import('./backup.ts')).createBackups(readEnvironment(profile), () => service(profile)),
    offline,
    readConfig: async (profile) => {
      const { readConfigFile } = await import('../../adapters/config/load.ts');
      const { path, raw, parsed, config, issues, warnings } = readConfigFile(fileOf(readEnvironment(profile)));
      return { path, exists: raw !== undefined, value: parsed, config, issues, warnings };
    },
    configFile: async (profile) => {
      const { openConfigFile } = await import('../../adapters/config/file.ts');
      const { stateDir, configPath: path, variables } = readEnvironment(profile);
      return openConfigFile({ path, stateDir, variables, clock: systemClock });
    },
    models: async (profile) => (await import('./facts.ts')).modelFacts(readEnvironment(profile)),
    agents: async (profile) => (await import('./facts.ts')).agentFacts(readEnvironment(profile)),
    examine: async (profile) => (await import('./doctor.ts')).examine(readEnvironment(profile), runningGateway(readEnvironment(profile))),
    exportSessions: async (profile, out) => (await import('./export.ts')).exportSessions(readEnvironment(profile), out),
    claudeCommand: async (profile) => (await import('./runtime-install.ts')).installedClaude(readEnvironment(profile)),
    installClaude: async (profile) => (await import('./runtime-install.ts')).installClaude(readEnvironment(profile)),
    runSimulator,
    runSlackSimulator,
  };
}

async function service(profile: Profile) {
  const environment = readEnvironment(profile);
  const { createService } = await import('./service.ts');
  return createService(environment, { profile: profile.profile, running: () => runningGateway(environment), stopProcess });
}

function fileOf({ configPath, variables }: Environment) {
  return { path: configPath, variables };
}

function target(profile: Profile): Target {
  const environment = readEnvironment(profile);
  const file = doorOf(environment);
  const port = environment.port ?? runningGateway(environment)?.port ?? file.port ?? 18_789;
  return {
    url: `ws://127.0.0.1:${port}`,
    token: environment.token ?? serviceToken(environment.stateDir) ?? file.token ?? existingToken(environment.stateDir),
    password: environment.password ?? file.password,
  };
}

/** What the file says of the door, without the whole schema: every command needs it, and building that takes time. */
function doorOf({ configPath, variables }: Environment): { readonly port?: number; readonly token?: string; readonly password?: string } {
  try {
    const raw = readText(configPath);
    const value = raw === undefined ? undefined : evaluateConfig(raw, configPath, variables, 'drop');
    const port = valueAt(value, ['gateway', 'port']);
    const [token, password] = ['token', 'password'].map((name) => valueAt(value, ['gateway', 'auth', name]));
    return { ...(typeof port === 'number' && { port }), ...(typeof token === 'string' && { token }), ...(typeof password === 'string' && { password }) };
  } catch {
    return {}; // a file that cannot be read says nothing; the commands that are about it say why
  }
}

function runningGateway({ stateDir }: Environment) {
  try {
    const { pid, pidStarted, port } = JSON.parse(readFileSync(join(stateDir, 'gateway.json'), 'utf8')) as Record<string, unknown>; // each is checked below
    if (typeof pid !== 'number' || typeof port !== 'number') return undefined;
    return startTimeOf(pid) === pidStarted ? { pid, port } : undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const runGateway: CliWorld['runGateway'] = async (profile, { onReady, ...options }) => {
  const [{ CannotRun, CannotRunYet }, { startGateway }] = await Promise.all([import('../state.ts'), import('../gateway.ts')]);
  const environment = readEnvironment(profile);
  const { createNotifier } = await import('../../adapters/service/notify.ts');
  const notifier = createNotifier(environment.variables);
  try {
    const gateway = await startGateway({ environment, ...options });
    notifier.ready();
    const { config } = gateway.config();
    const { model } = config.agents.defaults;
    onReady({
      url: gateway.url,
      pid: process.pid,
      model: typeof model === 'string' ? model : model.primary,
      logFile: gateway.logFile(),
      notices: await noticesFor(gateway.config(), environment),
    });
    return await untilStopped((reason) => {
      notifier.stopping();
      return gateway.stop(reason);
    });
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error;
    process.stderr.write(`The gateway cannot run: ${messageOf(error)}\n`);
    return error instanceof CannotRunYet ? 1 : CANNOT_RUN;
  }
};

const runWorker: CliWorld['runWorker'] = async (profile, { onReady, ...options }) => {
  const [{ CannotRun, CannotRunYet }, { startDistantWorker }] = await Promise.all([import('../state.ts'), import('../distant-worker.ts')]);
  try {
    const worker = await startDistantWorker({ environment: readEnvironment(profile), ...options });
    onReady({ id: worker.id, logFile: worker.logFile() });
    return await untilStopped(worker.stop);
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error;
    process.stderr.write(`The worker cannot run: ${messageOf(error)}\n`);
    return error instanceof CannotRunYet ? 1 : CANNOT_RUN;
  }
};

/** What a person who starts the gateway should know at once. */
async function noticesFor({ issues, source, path, config }: LoadedConfig, { stateDir, variables }: Environment): Promise<string[]> {
  const notices: string[] = [];
  if (issues.length > 0)
    notices.push(
      `attention: ${path} is not valid (${issues[0]?.message ?? ''}); running ${source === 'defaults' ? 'the defaults' : 'its last good revision'}. Check it with: clawdbot config validate`,
    );
  const { createModels } = await import('../../adapters/models/catalog.ts');
  const models = createModels({ config, stateDir, providerKeys: providerKeysIn({ ...variablesIn(config), ...variables }), clock: systemClock, log: silentLog });
  const agentId = defaultAgentId(config);
  const [primary] = modelChain(config, agentId, null);
  if (!primary) return notices;
  if (primary.writtenAs !== undefined) notices.push(`model: "${primary.writtenAs}" is served as ${primary.provider}/${primary.model}`);
  try {
    await models.endpointsFor(primary.provider, agentId);
  } catch (error) {
    notices.push(`attention: ${messageOf(error)}`);
  }
  return notices;
}

/** Runs until SIGTERM or SIGINT has been answered by a clean stop; a second signal ends at once. */
function untilStopped(stop: (reason: string) => Promise<void>): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = () => {
      if (stopping) process.exit(1);
      stopping = true;
      stop('gateway stopping').then(
        () => resolve(0),
        (error: unknown) => {
          process.stderr.write(`the stop failed: ${messageOf(error)}\n`);
          resolve(1);
        },
      );
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  });
}

const offline: CliWorld['offline'] = async (profile) => {
  const environment = readEnvironment(profile);
  const { answerHistory, answerSessions } = await import('../../features/sessions/methods.ts');
  const { usableConfig } = await import('../../adapters/config/load.ts');
  const config = usableConfig(fileOf(environment));
  const { stateDir } = environment;
  const { openReader } = await import('./reader.ts');
  const store = await openReader(stateDir, config);
  if (!store) return undefined;
  const now = systemClock.now();
  return {
    sessions: (activeMinutes) => answerSessions({ store, workspaceId: WORKSPACE_ID, config, stateDir, now }, { activeMinutes }),
    history: (sessionKey, limit) => {
      const key = canonicalSessionKey(sessionKey, { defaultAgentId: defaultAgentId(config), mainKey: config.session.mainKey });
      return answerHistory({ store, workspaceId: WORKSPACE_ID }, { written: sessionKey, key, limit });
    },
  };
};

async function stopProcess(pid: number, timeoutMs: number): Promise<boolean> {
  const born = startTimeOf(pid);
  process.kill(pid, 'SIGTERM');
  const until = systemClock.elapsed() + timeoutMs;
  while (systemClock.elapsed() < until) {
    if (startTimeOf(pid) !== born) return true;
    await systemClock.sleep(50);
  }
  return false;
}

const runSlackSimulator: CliWorld['runSlackSimulator'] = async ({ port, owner, onSaid, onReady }) => {
  const { startSlackSimulator } = await import('../../adapters/slack-simulator/server.ts');
  const { directOf } = await import('../../adapters/slack-simulator/workspace.ts');
  const { createInterface } = await import('node:readline');
  const simulator = await startSlackSimulator({ port, clock: systemClock, chance: jitter, onSaid });
  onReady(simulator.url);
  createInterface({ input: process.stdin }).on('line', (line) => {
    const [, channel = directOf(owner), text = ''] = /^(?:#([A-Z0-9]+)\s+)?(.*)$/.exec(line) ?? [];
    if (text !== '') simulator.say({ user: owner, channel, text });
  });
  return untilStopped(simulator.close);
};

const runSimulator: CliWorld['runSimulator'] = async ({ port, scenario, onReady }) => {
  const { startSimulator } = await import('../../adapters/models/simulator/server.ts');
  const { GREETER } = await import('../../adapters/models/simulator/scenario.ts');
  const { default: JSON5 } = await import('json5');
  const file = scenario === undefined ? GREETER : JSON5.parse(readFileSync(scenario, 'utf8'));
  const simulator = await startSimulator({ scenario: file, port, clock: systemClock });
  onReady(simulator.url);
  return untilStopped(simulator.close);
};
