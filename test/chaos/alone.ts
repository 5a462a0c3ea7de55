// One gateway with its file: killed, stopped and started again; its workers hang and die; its disk fills up.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInstallation } from '../support/installation.ts';
import { type Chance, pause, type Site, signalQuietly } from './round.ts';
import { SCENARIO } from './work.ts';

interface AloneOptions {
  readonly dir: string;
  /** Kills that take a while: workers that hang until their leases run out. */
  readonly hangs: boolean;
  /** The folder is a small disk that may be filled up. */
  readonly smallDisk: boolean;
}

export function chaosConfig(dir: string) {
  const lanes = { maxConcurrent: 8, subagents: { maxConcurrent: 8 } };
  return {
    agents: { defaults: { ...lanes, maxOutputTokens: 200 } },
    cron: { maxConcurrentRuns: 4 },
    logging: { level: 'warn', dir: join(dir, 'logs') },
  };
}

export const openAlone =
  ({ dir, hangs, smallDisk }: AloneOptions) =>
  async ({ random, askAt }: Chance): Promise<Site> => {
    const installation = await createInstallation({ dir, scenario: SCENARIO, config: chaosConfig(dir) });
    let gateway = await installation.start();
    const { port } = gateway;
    const restart = async (signal: NodeJS.Signals) => {
      gateway.child.kill(signal);
      await gateway.exited;
      gateway = await installation.start(['--port', String(port)]);
    };
    const strikeWorkers = async (signal: NodeJS.Signals) => {
      const { workers } = (await askAt(port, 'health', {})) as { workers: { pid: number }[] };
      for (const { pid } of workers) signalQuietly(pid, signal);
    };
    const freeze = async () => {
      gateway.child.kill('SIGSTOP');
      await pause(300 + random() * 1500);
      gateway.child.kill('SIGCONT');
    };
    const fillDisk = async () => {
      const ballast = join(dir, 'ballast');
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=16k'], { stdio: 'ignore' });
      await pause(200 + random() * 600);
      rmSync(ballast);
    };
    return {
      workspace: installation.workspace,
      simulator: installation.simulator,
      ports: [port],
      blows: [
        ['worker SIGKILL', () => strikeWorkers('SIGKILL')],
        ['worker SIGKILL', () => strikeWorkers('SIGKILL')],
        ['gateway SIGKILL', () => restart('SIGKILL')],
        ['gateway SIGKILL', () => restart('SIGKILL')],
        ['gateway SIGTERM', () => restart('SIGTERM')],
        ['gateway SIGSTOP', freeze],
        ...(hangs ? ([['worker SIGSTOP', () => strikeWorkers('SIGSTOP')]] as const) : []),
        ...(smallDisk ? ([['disk full', fillDisk]] as const) : []),
      ],
      close: installation.close,
    };
  };
