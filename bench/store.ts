// Enqueue → claim → finish cycles through the store thread, FULL durability, 50 callers.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { connectToThread, type ThreadStore } from '../src/adapters/store/clients.ts';
import { NO_USAGE } from '../src/domain/transcript.ts';
import { claimRuns } from '../src/features/runs/claim.ts';
import { finishRun } from '../src/features/runs/lease-ops.ts';
import { setLanes, submitRun } from '../src/features/runs/ops.ts';
import { type Row, table } from './support.ts';

const THREAD = new URL('../dist/store.mjs', import.meta.url);
const CYCLES = 20_000;

export async function store(): Promise<void> {
  const rows: Row[] = [];
  for (const callers of [1, 50]) rows.push([`${callers} callers`, await cycles({ callers, count: callers === 1 ? 1000 : CYCLES })]);
  table('store: whole runs (submit, claim, finish: 3 durable ops, 3 events)', ['', 'cycles/s'], rows);
}

interface Load {
  readonly callers: number;
  readonly count: number;
  /** A database in place of a file. */
  readonly url?: string;
  /** Store threads that share it, as of several gateways. */
  readonly nodes?: number;
}

/** Whole runs a second. */
export async function cycles({ callers, count, url, nodes = 1 }: Load): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-store-'));
  const open = (n: number) => {
    const workerData = { path: join(dir, `store-${n}.sqlite`), socketPath: join(dir, `s${n}`), ...(url !== undefined && { url }) };
    return connectToThread(new Worker(THREAD, { workerData }), { onEvents: () => undefined, onLost: () => undefined });
  };
  const stores = await Promise.all(Array.from({ length: nodes }, (_, n) => open(n)));
  const [opened] = stores;
  await opened?.call(setLanes, { workspaceId: 'w', slots: { main: 1000 } });
  let next = 0;
  const since = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      const opened = stores[caller % nodes] as ThreadStore; // there are so many
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
  for (const store of stores) await store.close();
  rmSync(dir, { recursive: true, force: true });
  return perSecond;
}
