// npm run chaos:leaders: kills whoever holds the ticker, again and again, while a job is due every second: every slot runs once. -- --kills 50

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectPlain, createInstallation } from '../support/installation.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/scratch.ts';
import type { Ask } from './check.ts';
import { pause } from './round.ts';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '50' } } });
const FAIL_OVER_MS = 10_000;
const EVERY_MS = 1000;

const server = await startPostgres();
if (!server) process.exit(1);
const dir = mkdtempSync(join(tmpdir(), 'clawdbot-leaders-'));
const url = await server.createDatabase();
const scenario = { name: 'leaders', rules: [{ text: 'done', stream: { firstMs: 50 } }] };
const first = await createInstallation({ dir: join(dir, 'a'), scenario, config: { store: { url }, logging: { level: 'warn', dir: join(dir, 'logs-a') } } });
const models = { providers: { simulator: { baseUrl: first.simulator.url, api: 'anthropic-messages', apiKey: 'none' } } };
const second = await createInstallation({ dir: join(dir, 'b'), config: { store: { url }, models, logging: { level: 'warn', dir: join(dir, 'logs-b') } } });
const gateways = await Promise.all([first, second].map(async (installation) => ({ installation, gateway: await installation.start() })));

/** Whoever answers. */
const ask: Ask = async (method, params) => {
  for (let tries = 0; ; tries++) {
    const { gateway } = gateways[tries % gateways.length] as (typeof gateways)[number]; // there are two
    const client = await connectPlain(gateway.port).catch(() => undefined);
    try {
      if (client) return await client.call(method, params, { timeoutMs: 5000 });
    } catch (error) {
      if (tries > 50) throw error;
    } finally {
      client?.close();
    }
    await pause(50);
  }
};
const holder = async (): Promise<string | undefined> => {
  const { cluster } = (await ask('cluster.status', {})) as {
    cluster: { leases: { name: string; owner: string; forMs: number }[]; nodes: { id: string; pid: number }[] };
  };
  const lease = cluster.leases.find(({ name, forMs }) => name === 'ticker' && forMs > 0);
  const pid = cluster.nodes.find(({ id }) => id === lease?.owner)?.pid;
  return gateways.some(({ gateway }) => gateway.child.pid === pid && gateway.child.exitCode === null && gateway.child.signalCode === null)
    ? lease?.owner
    : undefined;
};

const job = await ask('cron.add', {
  name: 'tick',
  idempotencyKey: 'tick',
  schedule: { kind: 'every', everyMs: EVERY_MS },
  catchUp: 'run-all',
  sessionTarget: 'isolated',
  payload: { kind: 'agentTurn', message: 'tick' },
});
let load = 0;
let stopping = false;
const loading = Promise.all(
  Array.from({ length: 6 }, async (_, n) => {
    for (; !stopping; load++) await ask('runs.submit', { message: `load ${n}`, sessionKey: `load-${n}` }).then(() => pause(100));
  }),
);
const failOvers: number[] = [];
for (let kills = 0; kills < Number(values.kills); kills++) {
  const leader = await until('a leader', holder, 20_000);
  const { cluster } = (await ask('cluster.status', {})) as { cluster: { nodes: { id: string; pid: number }[] } };
  const pid = cluster.nodes.find(({ id }) => id === leader)?.pid;
  const dying = gateways.find(({ gateway }) => gateway.child.pid === pid);
  if (!dying) continue;
  const since = performance.now();
  dying.gateway.child.kill('SIGKILL');
  await dying.gateway.exited;
  await until('another leader', async () => (await holder()) !== undefined, 20_000);
  failOvers.push(performance.now() - since);
  dying.gateway = await dying.installation.start(['--port', String(dying.gateway.port)]);
  process.stdout.write(`kill ${kills + 1}: another one leads after ${Math.round(failOvers.at(-1) ?? 0)} ms\n`);
}
await ask('cron.update', { id: job.id, patch: { enabled: false } });
stopping = true;
await loading;
await pause(3000);
const { entries } = (await ask('cron.runs', { id: job.id, limit: 5000 })) as { entries: { scheduledForMs: number; status: string }[] };
const slots = entries.map(({ scheduledForMs }) => scheduledForMs).toSorted((a, b) => a - b);
assert.equal(new Set(slots).size, slots.length, 'a slot ran twice');
const gaps = slots.slice(1).filter((slot, i) => slot - (slots[i] ?? 0) !== EVERY_MS);
assert.deepEqual(gaps, [], 'a slot is missing');
const worst = Math.max(...failOvers);
process.stdout.write(
  `${failOvers.length} leaders killed, ${slots.length} slots: each once; ${load} orders beside; slowest fail-over ${Math.round(worst)} ms\n`,
);
assert.ok(worst < FAIL_OVER_MS);
for (const { installation } of gateways) await installation.close();
await server.stop();
rmSync(dir, { recursive: true, force: true });
process.exit(0);
