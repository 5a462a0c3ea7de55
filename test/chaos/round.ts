// A round of chaos: work of every kind while whatever does it is killed, the model misbehaves and what it stands on fails.
// Replays from its seed.

import type { Simulator } from '../../src/adapters/models/simulator/server.ts';
import type { GatewayClient } from '../../src/doors/cli/client.ts';
import { connectPlain } from '../support/installation.ts';
import { type Ask, check, type Evidence } from './check.ts';
import { MESSAGE, SCENARIO, troubled, type Unit, unitAt } from './work.ts';

/** What is under chaos: one gateway, or several nodes on one database. */
export interface Site {
  readonly workspace: string;
  readonly simulator: Simulator;
  /** Where clients may ask. */
  readonly ports: readonly number[];
  /** What can befall it, by name. A name with a signal counts as a kill. What stands twice happens twice as often. */
  readonly blows: readonly (readonly [name: string, strike: () => Promise<void>])[];
  readonly close: () => Promise<void>;
}

export interface Chance {
  /** From 0 to 1, the same for the same seed. */
  readonly random: () => number;
  /** Of the gateway at a port; asked again until it answers. */
  readonly askAt: (port: number, method: string, params: unknown) => ReturnType<Ask>;
}

interface RoundOptions {
  readonly open: (chance: Chance) => Promise<Site>;
  readonly seed: number;
  readonly units: number;
  /** Sessions that the orders are spread over. */
  readonly sessions: number;
  readonly log: (line: string) => void;
}

interface RoundReport extends Awaited<ReturnType<typeof check>> {
  readonly blows: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly slowestResumeMs: number;
}

const UNITS_BETWEEN_BLOWS = 3;
const IN_FLIGHT = 12;
const BUDGET_USD = 50;

export async function runRound({ open, seed, units: count, sessions, log }: RoundOptions): Promise<RoundReport> {
  const random = seeded(seed);
  const units = Array.from({ length: count }, (_, n) => unitAt(n, random, sessions));
  const clients = new Map<number, Promise<GatewayClient>>();
  const blows: Record<string, number> = {};
  let kills = 0;
  let ended = 0;
  let stopping = false;
  let slowestResumeMs = 0;

  const clientAt = (port: number): Promise<GatewayClient> => {
    const known = clients.get(port);
    if (known) return known;
    const made = connectPlain(port);
    made.catch(() => undefined);
    clients.set(port, made);
    return made;
  };
  /** Asks until an answer comes: a client that was cut off asks again, with the same key, where somebody listens. */
  const askOneOf = async (ports: readonly number[], method: string, params: unknown) => {
    for (let tries = 0; tries < 3000; tries++) {
      const port = ports[(tries + (tries === 0 ? Math.floor(random() * ports.length) : 0)) % ports.length] ?? 0;
      const used = clientAt(port);
      try {
        return await (await used).call(method, params, { timeoutMs: 5000 });
      } catch (error) {
        if (/no run|unknown cron job|No session/.test(String(error))) throw error;
        await pause(20);
        if (clients.get(port) !== used) continue;
        clients.delete(port);
        void used.then((client) => client.close()).catch(() => undefined);
      }
    }
    throw new Error(`${method} was never answered`);
  };
  const site = await open({ random, askAt: (port, method, params) => askOneOf([port], method, params) });
  const ask: Ask = (method, params) => askOneOf(site.ports, method, params);
  for (const port of site.ports) {
    const { hash } = (await askOneOf([port], 'config.get', {})) as { hash: string };
    const price = { simulator: { models: [{ id: 'any', cost: { input: 0.1, output: 1 } }] } };
    await askOneOf([port], 'config.patch', {
      raw: JSON.stringify({ models: { providers: price, idleSeconds: 1 }, budgets: { day: { usd: BUDGET_USD }, run: {} } }),
      baseHash: hash,
    });
  }

  const over = async (runId: string) => {
    while (((await ask('agent.wait', { runId, timeoutMs: 3000 })) as { status: string }).status === 'timeout');
  };
  const doUnit = async ({ kind, id, session }: Unit): Promise<void> => {
    if (kind === 'cron') {
      await ask('cron.add', {
        name: id,
        idempotencyKey: id,
        schedule: { kind: 'at', atMs: Date.now() + Math.floor(random() * 400) },
        sessionTarget: 'isolated',
        payload: { kind: 'agentTurn', message: `order ${id}` },
      });
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
  const modelBlows: Site['blows'] = [
    [
      'model 429',
      async () => {
        site.simulator.capacity(0);
        await pause(200 + random() * 400);
        site.simulator.capacity(Number.POSITIVE_INFINITY);
      },
    ],
    ['model cut', () => trouble('cut')],
    ['model stall', () => trouble('stall')],
  ];
  const trouble = async (how: 'cut' | 'stall') => {
    site.simulator.play(troubled(how));
    await pause(100 + random() * 300);
    site.simulator.play(SCENARIO);
  };
  const villain = async () => {
    const choices = [...site.blows, ...modelBlows];
    let next = UNITS_BETWEEN_BLOWS / 2;
    while (!stopping) {
      await pause(5);
      if (ended < next) continue;
      next = ended + UNITS_BETWEEN_BLOWS * (0.5 + random());
      const [blow, strike] = choices[Math.floor(random() * choices.length)] ?? ['nothing', pause.bind(null, 0)];
      const since = performance.now();
      const before = ended;
      await pause(random() * 60);
      await strike();
      const struckMs = Math.round(performance.now() - since);
      blows[blow] = (blows[blow] ?? 0) + 1;
      if (/SIGKILL|SIGTERM|SIGSTOP/.test(blow)) kills += 1;
      while (ended === before && !stopping) await pause(5);
      const tookMs = Math.round(performance.now() - since);
      if (/SIGKILL|SIGTERM/.test(blow)) slowestResumeMs = Math.max(slowestResumeMs, tookMs);
      log(`${blow}, which took ${struckMs} ms: going on after ${tookMs} ms, ${ended} of ${count} units ended`);
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
    const evidence: Evidence = { ask, units, workspace: site.workspace, requests: site.simulator.requests(), budgetUsd: BUDGET_USD };
    return { ...(await check(evidence)), blows, kills, slowestResumeMs };
  } finally {
    stopping = true;
    await striking.catch(() => undefined);
    for (const client of clients.values()) (await client.catch(() => undefined))?.close();
    await site.close();
  }
}

export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it died in between
  }
}

export function pause(ms: number): Promise<void> {
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
