// SQLite and PostgreSQL side by side, and what more nodes and workers bring.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BUNDLE, connectClient, type TestClient } from '../test/support/installation.ts';
import { type PostgresServer, startPostgres } from '../test/support/postgres.ts';
import { spawnTimes } from './spawns.ts';
import { cycles } from './store.ts';
import { percentile, type Row, table, withInstallation } from './support.ts';

const COUNT = 4000;

export async function cluster(): Promise<void> {
  const server = await startPostgres();
  if (!server) return;
  try {
    await engines(server);
    await fanOut(server);
    await growth(server);
  } finally {
    await server.stop();
  }
}

async function engines(server: PostgresServer): Promise<void> {
  const url = () => server.createDatabase();
  table(
    'whole runs (submit, claim, finish), each op durable',
    ['', 'runs/s'],
    [
      ['SQLite, 1 caller', await cycles({ callers: 1, count: 500 })],
      ['PostgreSQL, 1 caller', await cycles({ callers: 1, count: 500, url: await url() })],
      ['SQLite, 50 callers', await cycles({ callers: 50, count: COUNT })],
      ['PostgreSQL, 50 callers', await cycles({ callers: 50, count: COUNT, url: await url() })],
      ['PostgreSQL, 50 callers at two nodes', await cycles({ callers: 50, count: COUNT, url: await url(), nodes: 2 })],
    ],
  );
  const rows: Row[] = [];
  for (const [name, config] of [
    ['SQLite', {}],
    ['PostgreSQL', { store: { url: await url() } }],
  ] as const) {
    const { starts, returns } = await spawnTimes(config);
    rows.push([`${name}: tool call -> first request of the child`, percentile(starts, 0.5), percentile(starts, 0.99)]);
    rows.push([`${name}: child finished -> next request of its parent`, percentile(returns, 0.5), percentile(returns, 0.99)]);
  }
  table('spawn, the model a simulator without delay', ['', 'p50 ms', 'p99 ms'], rows);
}

/** From the request of a change to its event at a client of the same gateway, and at one of the other. */
async function fanOut(server: PostgresServer): Promise<void> {
  const store = { url: await server.createDatabase() };
  await withInstallation({ config: { store } }, (one) =>
    withInstallation({ config: { store } }, async (two) => {
      const gateways = [await one.start(), await two.start()];
      const seen = new Map<string, number[]>([
        ['near', []],
        ['far', []],
      ]);
      let since = 0;
      const hear = (who: string) => (event: { event: string; payload: { state?: string } }) => {
        if (event.event === 'chat' && event.payload.state === 'final') seen.get(who)?.push(performance.now() - since);
      };
      const near = await connectClient(gateways[0]?.port ?? 0, hear('near'));
      const far = await connectClient(gateways[1]?.port ?? 0, hear('far'));
      for (let i = 0; i < 220; i++) {
        since = performance.now();
        await near.call('chat.send', { sessionKey: 'main', message: '/status', idempotencyKey: randomUUID() }); // carried out in one op
        await pause(15);
      }
      const rows = [...seen].map(([who, samples]) => [
        `client of the ${who === 'near' ? 'same' : 'other'} gateway`,
        percentile(samples.slice(20), 0.5),
        percentile(samples.slice(20), 0.99),
      ]);
      table('a change is asked for -> its event is there', ['', 'p50 ms', 'p99 ms'], rows);
      near.close();
      far.close();
    }),
  );
}

const SLOTS = 8;
const MODEL_MS = 400;

/** Each worker drives 8 runs at once; the model takes 400 ms. */
async function growth(server: PostgresServer): Promise<void> {
  const rows: Row[] = [];
  for (const workers of [1, 2, 4]) {
    const url = await server.createDatabase();
    const scenario = { name: 'growth', rules: [{ text: 'A short answer.', stream: { firstMs: MODEL_MS } }] };
    const gateway = { mode: 'local', port: 0, auth: { mode: 'token', token: 'test-token-0123456789abcdef' }, workers: 0, workerSlots: SLOTS };
    await withInstallation({ scenario, config: { store: { url }, gateway } }, async (installation) => {
      const { port } = await installation.start();
      const dir = mkdtempSync(join(tmpdir(), 'clawdbot-workers-'));
      const started = Array.from({ length: workers }, (_, n) => {
        mkdirSync(join(dir, `files-${n}`));
        const args = [BUNDLE, 'worker', '--store', url, '--name', `w${n}`, '--workspace', `default=${join(dir, `files-${n}`)}`];
        return spawn(process.execPath, args, {
          env: { ...installation.environment, CLAWDBOT_STATE_DIR: join(dir, 'state'), SIMULATOR_API_KEY: 'none' },
          stdio: 'ignore',
        });
      });
      const client = await connectClient(port);
      await Promise.all(Array.from({ length: workers * SLOTS }, (_, n) => turn(client, `warm-${n}`)));
      const count = workers * SLOTS * 8;
      const since = performance.now();
      await Promise.all(Array.from({ length: count }, (_, n) => turn(client, `s${n}`)));
      rows.push([`${workers} worker${workers === 1 ? '' : 's'}`, count / ((performance.now() - since) / 1000)]);
      client.close();
      for (const worker of started) worker.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    });
  }
  table(`workers of ${SLOTS} slots on machines of their own, the model takes ${MODEL_MS} ms`, ['', 'turns/s'], rows);
}

function turn(client: TestClient, sessionKey: string): Promise<unknown> {
  return client.call('agent', { message: 'hello', sessionKey, idempotencyKey: randomUUID() }, { expectFinal: true, timeoutMs: 120_000 });
}
