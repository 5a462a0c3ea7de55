// Enqueue → claim → finish cycles through the store thread, FULL durability, 50 callers.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { connectToThread } from '../src/adapters/store/clients.ts';
import { NO_USAGE } from '../src/domain/transcript.ts';
import { claimRuns } from '../src/features/runs/claim.ts';
import { finishRun } from '../src/features/runs/lease-ops.ts';
import { setLanes, submitRun } from '../src/features/runs/ops.ts';
import { type Row, table } from './support.ts';

const THREAD = new URL('../dist/store.mjs', import.meta.url);
const CYCLES = 20_000;

export async function store(): Promise<void> {
  const rows: Row[] = [];
  for (const callers of [1, 50]) rows.push([`${callers} callers`, await cycles(callers, callers === 1 ? 1000 : CYCLES)]);
  table('store: whole runs (submit, claim, finish: 3 durable ops, 3 events)', ['', 'cycles/s'], rows);
}

async function cycles(callers: number, count: number): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-store-'));
  const thread = new Worker(THREAD, { workerData: { path: join(dir, 'store.sqlite'), socketPath: join(dir, 's') } });
  const opened = await connectToThread(thread, { onEvents: () => undefined, onLost: () => undefined });
  await opened.call(setLanes, { workspaceId: 'w', slots: { main: 1000 } });
  let next = 0;
  const since = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (next < count) {
        const n = next++;
        await opened.call(submitRun, {
          workspaceId: 'w',
          actor: 'bench',
          runKey: `k${n}`,
          sessionKey: `agent:main:s${n % 500}`,
          agentId: 'main',
          lane: 'main',
          priority: 40,
          timeoutMs: 60_000,
          input: { message: 'hello' },
        });
        for (const { runId, fence } of (await opened.call(claimRuns, { workspaceId: 'w', workerId: `w${caller}`, slots: 1 })).runs) {
          await opened.call(finishRun, {
            runId,
            fence,
            state: 'succeeded',
            outcome: { text: 'ok', stopReason: 'stop', usage: NO_USAGE, steps: 1 },
            entries: [],
          });
        }
      }
    }),
  );
  const perSecond = count / ((performance.now() - since) / 1000);
  await opened.close();
  rmSync(dir, { recursive: true, force: true });
  return perSecond;
}
