// A round of chaos: work of every kind while the gateway and its workers are killed, the model misbehaves and the disk fills up.
// Replays from its seed.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayClient } from '../../src/doors/cli/client.ts';
import { connectClient, createInstallation, type GatewayProcess } from '../support/installation.ts';
import { type Ask, check, type Evidence } from './check.ts';
import { MESSAGE, SCENARIO, troubled, type Unit, unitAt } from './work.ts';

export interface RoundOptions {
  readonly dir: string;
  readonly seed: number;
  readonly units: number;
  /** Sessions that the orders are spread over. */
  readonly sessions: number;
  /** Kills that take a while: workers that hang until their leases run out. */
  readonly hangs: boolean;
  /** The folder is a small disk that may be filled up. */
  readonly smallDisk: boolean;
  /** The bundled program, which starts faster than its sources. */
  readonly bundled: boolean;
  readonly log: (line: string) => void;
}

export interface RoundReport extends Awaited<ReturnType<typeof check>> {
  readonly blows: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly slowestResumeMs: number;
}

type Blow =
  | 'worker SIGKILL'
  | 'gateway SIGKILL'
  | 'gateway SIGTERM'
  | 'gateway SIGSTOP'
  | 'worker SIGSTOP'
  | 'model 429'
  | 'model cut'
  | 'model stall'
  | 'disk full';
const BLOWS: readonly Blow[] = [
  'worker SIGKILL',
  'worker SIGKILL',
  'gateway SIGKILL',
  'gateway SIGKILL',
  'gateway SIGTERM',
  'gateway SIGSTOP',
  'model 429',
  'model cut',
  'model stall',
];
const UNITS_BETWEEN_BLOWS = 3;
const IN_FLIGHT = 12;
const BUDGET_USD = 50;

export async function runRound({ dir, seed, units: count, sessions, hangs, smallDisk, bundled, log }: RoundOptions): Promise<RoundReport> {
  const random = seeded(seed);
  const units = Array.from({ length: count }, (_, n) => unitAt(n, random, sessions));
  const lanes = { maxConcurrent: 8, subagents: { maxConcurrent: 8 } };
  const config = {
    agents: { defaults: { ...lanes, maxOutputTokens: 200 } },
    cron: { maxConcurrentRuns: 4 },
    logging: { level: 'warn', dir: join(dir, 'logs') },
  };
  const installation = await createInstallation({ dir, scenario: SCENARIO, config, bundled });
  let gateway: GatewayProcess = await installation.start();
  const { port } = gateway;
  let client: Promise<GatewayClient> = connectClient(port);
  const blows: Record<string, number> = {};
  let kills = 0;
  let ended = 0;
  let stopping = false;
  let slowestResumeMs = 0;

  /** Asks until an answer comes: a client that was cut off asks again, with the same key. */
  const ask: Ask = async (method, params) => {
    for (let tries = 0; tries < 3000; tries++) {
      const used = client;
      try {
        return await (await used).call(method, params, { timeoutMs: 5000 });
      } catch (error) {
        if (/no run|unknown cron job|No session/.test(String(error))) throw error;
        await pause(20);
        if (client === used) {
          client = connectClient(port);
          client.catch(() => undefined);
        }
      }
    }
    throw new Error(`${method} was never answered`);
  };
  const { hash } = (await ask('config.get', {})) as { hash: string };
  const price = { simulator: { models: [{ id: 'any', cost: { input: 0.1, output: 1 } }] } };
  await ask('config.patch', {
    raw: JSON.stringify({ models: { providers: price, idleSeconds: 1 }, budgets: { day: { usd: BUDGET_USD }, run: {} } }),
    baseHash: hash,
  });

  const over = async (runId: string) => {
    while (((await ask('agent.wait', { runId, timeoutMs: 3000 })) as { status: string }).status === 'timeout');
  };
  const doUnit = async ({ kind, id, session }: Unit): Promise<void> => {
    if (kind === 'cron') {
      const job = {
        schedule: { kind: 'at', atMs: Date.now() + Math.floor(random() * 400) },
        sessionTarget: 'isolated',
        payload: { kind: 'agentTurn', message: `order ${id}` },
      };
      await addJob(id, job);
      while (((await ask('cron.runs', { id })) as { entries: unknown[] }).entries.length === 0) await pause(50);
      return;
    }
    await ask('chat.send', { sessionKey: session, message: MESSAGE[kind](id), idempotencyKey: id });
    if (kind === 'stopped') {
      await pause(random() * 600);
      await ask('runs.abort', { runId: id });
    }
    await over(id);
  };
  /** Adding is not idempotent: after an answer that was lost one looks first. */
  const addJob = async (name: string, job: object): Promise<void> => {
    for (;;) {
      const { jobs } = (await ask('cron.list', { includeDisabled: true })) as { jobs: { name: string }[] };
      if (jobs.some((known) => known.name === name)) return;
      try {
        await (await client).call('cron.add', { name, ...job }, { timeoutMs: 5000 });
        return;
      } catch {
        await pause(50);
      }
    }
  };

  const restart = async (signal: NodeJS.Signals) => {
    gateway.child.kill(signal);
    await gateway.exited;
    gateway = await installation.start(['--port', String(port)]);
  };
  const workers = async () => ((await ask('health', {})) as { workers: { pid: number }[] }).workers.map(({ pid }) => pid);
  const strike: Readonly<Record<Blow, () => Promise<void>>> = {
    'worker SIGKILL': async () => (await workers()).forEach((pid) => void signalQuietly(pid, 'SIGKILL')),
    'worker SIGSTOP': async () => (await workers()).forEach((pid) => void signalQuietly(pid, 'SIGSTOP')),
    'gateway SIGKILL': () => restart('SIGKILL'),
    'gateway SIGTERM': () => restart('SIGTERM'),
    'gateway SIGSTOP': async () => {
      gateway.child.kill('SIGSTOP');
      await pause(300 + random() * 1500);
      gateway.child.kill('SIGCONT');
    },
    'model 429': async () => {
      installation.simulator.capacity(0);
      await pause(200 + random() * 400);
      installation.simulator.capacity(Number.POSITIVE_INFINITY);
    },
    'model cut': () => trouble('cut'),
    'model stall': () => trouble('stall'),
    'disk full': async () => {
      const ballast = join(dir, 'ballast');
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=16k'], { stdio: 'ignore' });
      await pause(200 + random() * 600);
      rmSync(ballast);
    },
  };
  const trouble = async (how: 'cut' | 'stall') => {
    installation.simulator.play(troubled(how));
    await pause(100 + random() * 300);
    installation.simulator.play(SCENARIO);
  };
  const villain = async () => {
    const choices: readonly Blow[] = [...BLOWS, ...(hangs ? (['worker SIGSTOP'] as const) : []), ...(smallDisk ? (['disk full'] as const) : [])];
    let next = UNITS_BETWEEN_BLOWS / 2;
    while (!stopping) {
      await pause(5);
      if (ended < next) continue;
      next = ended + UNITS_BETWEEN_BLOWS * (0.5 + random());
      const blow = choices[Math.floor(random() * choices.length)] ?? 'worker SIGKILL';
      const since = performance.now();
      const before = ended;
      await pause(random() * 60);
      await strike[blow]();
      blows[blow] = (blows[blow] ?? 0) + 1;
      if (/SIGKILL|SIGTERM|SIGSTOP/.test(blow)) kills += 1;
      while (ended === before && !stopping) await pause(5);
      const tookMs = Math.round(performance.now() - since);
      if (/SIGKILL|SIGTERM/.test(blow)) slowestResumeMs = Math.max(slowestResumeMs, tookMs);
      log(`${blow}: going on after ${tookMs} ms, ${ended} of ${count} units ended`);
    }
  };

  const striking = villain();
  let n = 0;
  try {
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        for (let unit = units[n++]; unit; unit = units[n++]) {
          await doUnit(unit);
          ended += 1;
        }
      }),
    );
    stopping = true;
    await striking;
    const evidence: Evidence = { ask, units, workspace: installation.workspace, requests: installation.simulator.requests(), budgetUsd: BUDGET_USD };
    return { ...(await check(evidence)), blows, kills, slowestResumeMs };
  } finally {
    stopping = true;
    await striking.catch(() => undefined);
    (await client.catch(() => undefined))?.close();
    await installation.close();
  }
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it died in between
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** mulberry32: small, fast, the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
