// Two gateways and three workers on one PostgreSQL, their clocks half a minute apart: each of them is killed or frozen, and the database too.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUNDLE, createInstallation } from '../support/installation.ts';
import type { PostgresServer } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { chaosConfig } from './alone.ts';
import { type Chance, pause, type Site, signalQuietly } from './round.ts';
import { SCENARIO } from './work.ts';

interface ClusterOptions {
  readonly dir: string;
  readonly server: PostgresServer;
}

const WORKERS = 3;
const SKEW_MS = 30_000;
const SKEW = fileURLToPath(new URL('../support/skew.mjs', import.meta.url));
/** Longer than a node may be silent before it is given up. */
const LONG_FREEZE_MS = 8000;

/** A process whose clock is wrong by this. */
const skewed = (ms: number) => ({ NODE_OPTIONS: `--import=file://${SKEW}?ms=${ms}` });

export const openCluster =
  ({ dir, server }: ClusterOptions) =>
  async ({ random }: Chance): Promise<Site> => {
    const database = new URL(await server.createDatabase());
    const proxy = await startProxy(Number(database.port));
    const url = new URL(database);
    url.port = String(proxy.port);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T; // none of the lists is empty

    const first = await createInstallation({
      dir: join(dir, 'a'),
      scenario: SCENARIO,
      config: { ...chaosConfig(join(dir, 'a')), store: { url: url.href } },
      env: skewed(SKEW_MS),
    });
    const { agents, ...rest } = chaosConfig(join(dir, 'b'));
    const second = await createInstallation({
      dir: join(dir, 'b'),
      config: {
        ...rest,
        agents: { defaults: { ...agents.defaults, workspace: first.workspace } },
        models: { providers: { simulator: { baseUrl: first.simulator.url, api: 'anthropic-messages', apiKey: 'none' } } },
        store: { url: url.href },
      },
      env: skewed(-SKEW_MS),
    });
    const started = [first, second].map(async (installation) => ({ installation, gateway: await installation.start() }));
    const gateways = await Promise.all(started).catch(async (error: unknown) => {
      for (const installation of [first, second]) await installation.close();
      proxy.close();
      throw error;
    });
    const ports = gateways.map(({ gateway }) => gateway.port);

    mkdirSync(join(dir, 'state'));
    const startWorker = (n: number): ChildProcess => {
      const args = ['worker', '--store', url.href, '--name', `w${n}`, '--workspace', `default=${first.workspace}`];
      const env = { ...first.environment, ...skewed((n - 1) * SKEW_MS), CLAWDBOT_STATE_DIR: join(dir, 'state'), SIMULATOR_API_KEY: 'none' };
      return spawn(process.execPath, [BUNDLE, ...args], { env, stdio: 'ignore' });
    };
    const workers = Array.from({ length: WORKERS }, (_, n) => startWorker(n));
    let closing = false;

    const restartGateway = async (signal: NodeJS.Signals) => {
      const one = pick(gateways);
      const { port } = one.gateway;
      one.gateway.child.kill(signal);
      await one.gateway.exited;
      for (let tries = 0; ; tries++) {
        try {
          one.gateway = await one.installation.start(['--port', String(port)]);
          return;
        } catch (error) {
          if (tries > 50 || closing) throw error; // the database may be away just now
          await pause(200);
        }
      }
    };
    const freezeGateway = async (ms: number) => {
      const { child } = pick(gateways).gateway;
      child.kill('SIGSTOP');
      await pause(ms);
      child.kill('SIGCONT');
    };
    const replaceWorker = async (signal: NodeJS.Signals) => {
      const n = Math.floor(random() * WORKERS);
      const dying = workers[n];
      const gone = new Promise((resolve) => (dying?.exitCode === null && dying.signalCode === null ? dying.once('exit', resolve) : resolve(0)));
      dying?.kill(signal);
      await gone;
      workers[n] = startWorker(n);
    };
    const freezeWorker = async () => {
      const { pid = 0 } = pick(workers);
      signalQuietly(pid, 'SIGSTOP');
      await pause(300 + random() * 1500);
      signalQuietly(pid, 'SIGCONT');
    };
    const restartDatabase = async () => {
      await server.kill('SIGKILL');
      await pause(random() * 500);
      await server.start();
    };
    const silence = async () => {
      proxy.silence();
      await pause(300 + random() * 1500);
      proxy.loud();
    };
    return {
      workspace: first.workspace,
      simulator: first.simulator,
      ports,
      blows: [
        ['gateway SIGKILL', () => restartGateway('SIGKILL')],
        ['gateway SIGKILL', () => restartGateway('SIGKILL')],
        ['gateway SIGTERM', () => restartGateway('SIGTERM')],
        ['gateway SIGSTOP', () => freezeGateway(300 + random() * 1500)],
        ['gateway SIGSTOP, given up', () => freezeGateway(LONG_FREEZE_MS)],
        ['worker SIGKILL', () => replaceWorker('SIGKILL')],
        ['worker SIGKILL', () => replaceWorker('SIGKILL')],
        ['worker SIGTERM', () => replaceWorker('SIGTERM')],
        ['worker SIGSTOP', freezeWorker],
        ['database SIGKILL', restartDatabase],
        ['lines cut', async () => proxy.cut()],
        ['lines silent', silence],
      ],
      close: async () => {
        closing = true;
        for (const worker of workers) worker.kill('SIGKILL');
        await Promise.all(gateways.map(({ installation }) => installation.close()));
        proxy.close();
      },
    };
  };
