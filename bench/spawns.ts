// Spawning: how long a child takes to start, how long its parent takes to go on, and whether one noisy tree holds up quiet ones.

import { randomUUID } from 'node:crypto';
import { connectClient } from '../test/support/installation.ts';
import { percentile, type Row, table, withInstallation } from './support.ts';

const PARENT = {
  name: 'spawns',
  rules: [
    { when: { user: 'delegate (\\S+)', step: 0 }, tools: [{ name: 'sessions_spawn', input: { task: 'child of {{user.1}}' } }] },
    { when: { user: 'delegate (\\S+)', step: 1 }, tools: [{ name: 'sessions_await', input: {} }] },
    { when: { user: 'delegate (\\S+)' }, text: 'done' },
    { text: 'found' },
  ],
};
const WARM = 20;
const ROUNDS = 200;

export async function spawns(): Promise<void> {
  const { starts, returns } = await spawnTimes();
  table(
    'spawn, the model a simulator without delay',
    ['', 'p50 ms', 'p99 ms'],
    [
      ['tool call leaves the model -> first request of the child', percentile(starts, 0.5), percentile(starts, 0.99)],
      ['child finished -> next request of its parent', percentile(returns, 0.5), percentile(returns, 0.99)],
    ],
  );
  await fairness();
}

/** Milliseconds of each spawn: tool call leaves the model → first request of the child; child finished → next request of its parent. */
export async function spawnTimes(
  config: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly starts: readonly number[]; readonly returns: readonly number[] }> {
  return await withInstallation({ scenario: PARENT, config }, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    const [starts, returns]: [number[], number[]] = [[], []];
    for (let i = 0; i < WARM + ROUNDS; i++) {
      const key = randomUUID().slice(0, 8);
      const from = installation.simulator.requests().length;
      await client.call('agent', { message: `delegate ${key}`, sessionKey: `s${i % 10}`, idempotencyKey: key }, { expectFinal: true, timeoutMs: 60_000 });
      const calls = installation.simulator.requests().slice(from);
      const [first, second, third] = calls.filter(({ user }) => user.includes(`delegate ${key}`));
      const child = calls.find(({ user }) => user.includes(`child of ${key}`) && !user.includes('delegate'));
      if (i < WARM || !child?.answeredAt || !first?.answeredAt || !second?.answeredAt || !third) continue;
      starts.push(child.arrivedAt - first.answeredAt);
      returns.push(third.arrivedAt - Math.max(child.answeredAt, second.answeredAt));
    }
    client.close();
    return { starts, returns };
  });
}

const WORK_MS = 300;
const NOISE = 200;
const QUIET_TREES = 9;
const QUIET_SPAWNS = 15;
/** The quiet trees are there first. */
const QUIET_MS = 2000;

/** Nine trees of a few spawns each, alone, and beside a tree that wants 200 at once. */
async function fairness(): Promise<void> {
  const scenario = {
    name: 'fair',
    rules: [
      { when: { user: 'make noise', step: 0 }, tools: Array.from({ length: NOISE }, (_, n) => ({ name: 'sessions_spawn', input: { task: `noise ${n}` } })) },
      { text: 'found', stream: { firstMs: WORK_MS } },
    ],
  };
  const config = { agents: { defaults: { subagents: { fanOut: 0, perMinute: 0 } } } };
  const rows: Row[] = [];
  for (const noisy of [false, true]) {
    await withInstallation({ scenario, config }, async (installation) => {
      const gateway = await installation.start();
      const client = await connectClient(gateway.port);
      const waits: number[] = [];
      const begun = performance.now();
      if (noisy) void pause(QUIET_MS).then(() => client.call('runs.submit', { message: 'make noise', sessionKey: 'noisy' }));
      await Promise.all(
        Array.from({ length: QUIET_TREES }, async (_, tree) => {
          for (let n = 0; n < QUIET_SPAWNS; n++) {
            await pause(100 + ((tree * 137 + n * 253) % 400));
            const since = performance.now();
            const { spawn } = (await client.call('spawns.request', { task: `quiet ${tree} ${n}` })) as { spawn: { id: string } };
            await client.call('spawns.wait', { id: spawn.id }, { timeoutMs: 60_000 });
            if (since > begun + QUIET_MS) waits.push(performance.now() - since);
          }
        }),
      );
      rows.push([noisy ? `beside a tree of ${NOISE} spawns` : 'alone', percentile(waits, 0.5), percentile(waits, 0.95)]);
      client.close();
    });
  }
  table(`nine quiet trees in 8 slots, each spawn ${WORK_MS} ms of model`, ['', 'p50 ms', 'p95 ms'], rows);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
