// Process start to the first health reply, with an empty store and with 10,000 sessions.

import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { connectClient } from '../test/support/installation.ts';
import { cpuOfTree, percentile, table, withInstallation } from './support.ts';

const BUNDLE = new URL('../dist/clawdbot.mjs', import.meta.url).pathname;
const PORT = 28_955;

export async function coldStart(): Promise<void> {
  await withInstallation({}, async (installation) => {
    const measure = async () => {
      const wall: number[] = [];
      const cpu: number[] = [];
      for (let i = 0; i < 7; i++) {
        const since = performance.now();
        const child = spawn(process.execPath, [BUNDLE, 'gateway', '--port', String(PORT)], { env: installation.environment, stdio: 'ignore' });
        while (!(await answers())) await pause(1);
        wall.push(performance.now() - since);
        cpu.push(cpuOfTree(child.pid ?? 0));
        child.kill('SIGTERM');
        await new Promise((resolve) => child.once('exit', resolve));
      }
      return [percentile(wall, 0.5), Math.max(...wall), percentile(cpu, 0.5)];
    };
    const empty = await measure();
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    let next = 0;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (next < 10_000) {
          const n = next++;
          await client.call('agent', { message: 'hi', sessionKey: `s${n}`, idempotencyKey: `k${n}` }, { expectFinal: true, timeoutMs: 120_000 });
        }
      }),
    );
    client.close();
    gateway.child.kill('SIGTERM');
    await gateway.exited;
    const full = await measure();
    table(
      'cold start: process start to first /health reply',
      ['store', 'p50 ms', 'max ms', 'CPU s'],
      [
        ['empty', ...empty],
        ['10,000 sessions', ...full],
      ],
    );
  });
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${PORT}/health`)).ok;
  } catch {
    return false; // not listening yet
  }
}
