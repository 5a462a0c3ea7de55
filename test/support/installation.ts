// A whole installation for a test or a bench: state folder, workspace, simulator, gateway process, client.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ScenarioFile } from '../../src/adapters/models/simulator/scenario.ts';
import { type Simulator, startSimulator } from '../../src/adapters/models/simulator/server.ts';
import { connect, type GatewayClient } from '../../src/doors/cli/client.ts';
import { systemClock } from '../../src/kit/clock.ts';

/** What users run. npm test builds it; so does npm run setup. */
export const BUNDLE = fileURLToPath(new URL('../../dist/clawdbot.mjs', import.meta.url));
export const TOKEN = 'test-token-0123456789abcdef';

export interface SeenEvent {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into payloads of many shapes
  readonly payload: any;
  readonly at: number;
}

export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

export interface InstallationOptions {
  readonly dir: string;
  readonly scenario?: ScenarioFile;
  /** Merged over the test's configuration, section by section. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

export type Installation = Awaited<ReturnType<typeof createInstallation>>;

export async function createInstallation({ dir, scenario, config = {}, env = {} }: InstallationOptions) {
  const home = join(dir, 'home');
  const stateDir = join(home, '.clawdbot');
  const workspace = join(dir, 'workspace');
  for (const folder of [stateDir, workspace]) mkdirSync(folder, { recursive: true });
  const simulator: Simulator | undefined = scenario && (await startSimulator({ scenario, clock: systemClock }));
  const { agents, ...sections } = config as { agents?: { defaults?: object; list?: unknown } };
  const file = {
    gateway: { mode: 'local', port: 0, auth: { mode: 'token', token: TOKEN }, drainSeconds: 5 },
    models: { providers: { simulator: { baseUrl: simulator?.url ?? 'http://127.0.0.1:9', api: 'anthropic-messages', apiKey: 'none' } } },
    agents: {
      ...agents,
      defaults: { workspace, model: 'simulator/any', maxConcurrent: 4, sandbox: { mode: 'off' }, ...agents?.defaults },
    },
    logging: { level: 'debug', dir: join(dir, 'logs') },
    ...sections,
  };
  writeFileSync(join(stateDir, 'clawdbot.json'), JSON.stringify(file, null, 2), { mode: 0o600 });
  const environment = { PATH: process.env['PATH'] ?? '', HOME: home, CLAWDBOT_STATE_DIR: stateDir, ...env };
  const started: GatewayProcess[] = [];

  const start = async (flags: readonly string[] = []): Promise<GatewayProcess> => {
    const gateway = await spawnGateway(BUNDLE, flags, environment);
    started.push(gateway);
    return gateway;
  };

  return {
    home,
    stateDir,
    workspace,
    environment,
    simulator: simulator as Simulator, // tests that pass no scenario do not use it
    start,
    /** Runs the command line against this installation. */
    cli: (args: readonly string[], extra: Readonly<Record<string, string>> = {}) =>
      runCommand(process.execPath, [BUNDLE, ...args], { ...environment, ...extra }),
    close: async () => {
      for (const { child, exited } of started) {
        child.kill('SIGKILL');
        await exited;
      }
      await simulator?.close();
    },
  };
}

function spawnGateway(bin: string, flags: readonly string[], env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [bin, 'gateway', ...(flags.includes('--port') ? [] : ['--port', '0']), ...flags], {
    env,
    cwd: env['HOME'],
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  // Its workers may live on for a moment, and hold the pipe: what counts is the process.
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const silent = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return new Promise((resolve, reject) => {
    const add = (chunk: Buffer) => {
      output += chunk.toString('utf8');
      const port = /listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      if (port) resolve({ child, port: Number(port), output: () => output, exited });
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    void silent.then((code) => reject(Object.assign(new Error(`the gateway ended with code ${code}: ${output}`), { exitCode: code, output })));
  });
}

export interface TestClient extends GatewayClient {
  readonly events: readonly SeenEvent[];
}

/** A connected client that keeps every event it gets. */
export async function connectClient(port: number, onEvent?: (seen: SeenEvent) => void): Promise<TestClient> {
  const events: SeenEvent[] = [];
  const client = await connectPlain(port, (event, payload) => {
    const seen = { event, payload, at: performance.now() };
    events.push(seen);
    onEvent?.(seen);
  });
  return { ...client, events };
}

/** A connected client that keeps nothing. */
export function connectPlain(port: number, onEvent?: (event: string, payload: unknown) => void): Promise<GatewayClient> {
  return connect({ url: `ws://127.0.0.1:${port}`, token: TOKEN, password: undefined, timeoutMs: 10_000, version: 'test', ...(onEvent && { onEvent }) });
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runCommand(file: string, args: readonly string[], env: Readonly<Record<string, string>>, cwd?: string): Promise<RunResult> {
  const child = spawn(file, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'], ...(cwd !== undefined && { cwd }) });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}
