// Turns with tools while worker and gateway are killed at random. Replays from its seed; checks that nothing was lost or doubled.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SealedEvent } from '../../src/domain/event.ts';
import type { GatewayClient } from '../../src/doors/cli/client.ts';
import { chainHash } from '../../src/features/events/ops.ts';
import { connectClient, createInstallation, type GatewayProcess } from '../support/installation.ts';

export interface ChaosOptions {
  readonly dir: string;
  readonly seed: number;
  readonly turns: number;
  /** Sessions that the turns are spread over. */
  readonly sessions: number;
  readonly log: (line: string) => void;
}

export interface ChaosReport {
  readonly turns: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly attempts: number;
  readonly interruptedCalls: number;
  readonly slowestResumeMs: number;
}

/** The agent appends one line per order with a tool that must not be repeated, then answers with the order's id. */
const SCENARIO = {
  name: 'chaos',
  rules: [
    {
      when: { user: 'order (\\S+)', step: 0 },
      text: 'on it {{user.1}} ',
      tools: [{ name: 'exec', input: { command: 'echo {{user.1}} >> effects; sleep 0.02' } }],
      stream: { chunk: 8, delayMs: 3 },
    },
    { when: { user: 'order (\\S+)' }, text: 'done {{user.1}}', stream: { chunk: 4, delayMs: 3 } },
  ],
};
const KILLS = ['worker SIGKILL', 'worker SIGKILL', 'gateway SIGKILL', 'gateway SIGTERM'] as const;
const TURNS_BETWEEN_KILLS = 12;
const IN_FLIGHT = 12;

export async function runChaos({ dir, seed, turns, sessions, log }: ChaosOptions): Promise<ChaosReport> {
  const random = seeded(seed);
  const installation = await createInstallation({ dir, scenario: SCENARIO, config: { agents: { defaults: { maxConcurrent: 8 } } } });
  let gateway: GatewayProcess = await installation.start();
  const { port } = gateway;
  let client: Promise<GatewayClient> = connectClient(port);
  const kills: Record<string, number> = {};
  let ended = 0;
  let stopping = false;
  let slowestResumeMs = 0;

  /** Asks until an answer comes: a client that was cut off asks again, with the same key. */
  const ask = async (method: string, params: unknown): Promise<unknown> => {
    for (let tries = 0; tries < 2000; tries++) {
      const used = client;
      try {
        return await (await used).call(method, params, { timeoutMs: 5000 });
      } catch {
        await pause(20);
        if (client === used) {
          client = connectClient(port);
          client.catch(() => undefined);
        }
      }
    }
    throw new Error(`${method} was never answered`);
  };
  const turn = async (n: number) => {
    const runId = `order-${n}`;
    await ask('chat.send', { sessionKey: `s${n % sessions}`, message: `order ${runId}`, idempotencyKey: runId });
    for (;;) {
      const { status } = (await ask('agent.wait', { runId, timeoutMs: 3000 })) as { status: string };
      if (status !== 'timeout') break;
    }
    ended += 1;
  };
  const killer = async () => {
    let next = TURNS_BETWEEN_KILLS / 2;
    while (!stopping) {
      await pause(5);
      if (ended < next) continue;
      next = ended + TURNS_BETWEEN_KILLS * (0.5 + random());
      const kind = KILLS[Math.floor(random() * KILLS.length)] ?? KILLS[0];
      const since = performance.now();
      const before = ended;
      await pause(random() * 60);
      await kill(kind);
      kills[kind] = (kills[kind] ?? 0) + 1;
      while (ended === before && !stopping) await pause(5);
      slowestResumeMs = Math.max(slowestResumeMs, performance.now() - since);
      log(`${kind}: going on after ${Math.round(performance.now() - since)} ms, ${ended} of ${turns} turns ended`);
    }
  };
  const kill = async (kind: (typeof KILLS)[number]) => {
    if (kind === 'worker SIGKILL') {
      const { workers } = (await ask('health', {})) as { workers: { pid: number }[] };
      for (const { pid } of workers) killQuietly(pid);
      return;
    }
    gateway.child.kill(kind === 'gateway SIGKILL' ? 'SIGKILL' : 'SIGTERM');
    await gateway.exited;
    gateway = await installation.start(['--port', String(port)]);
  };

  const killing = killer();
  let n = 0;
  try {
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        while (n < turns) await turn(n++);
      }),
    );
    stopping = true;
    await killing;
    return {
      ...(await check({ ask, turns, sessions, workspace: installation.workspace, requests: installation.simulator.requests() })),
      kills,
      slowestResumeMs: Math.round(slowestResumeMs),
    };
  } finally {
    stopping = true;
    await killing.catch(() => undefined);
    (await client.catch(() => undefined))?.close();
    await installation.close();
  }
}

interface Evidence {
  readonly ask: (method: string, params: unknown) => Promise<unknown>;
  readonly turns: number;
  readonly sessions: number;
  readonly workspace: string;
  readonly requests: readonly { readonly status: number; readonly problem?: string }[];
}

interface Message {
  readonly role: string;
  readonly content: readonly { readonly text?: string }[];
}

/** Every order has one outcome and one answer in its place, no effect happened twice, every event is chained. */
async function check({ ask, turns, sessions, workspace, requests }: Evidence): Promise<Pick<ChaosReport, 'turns' | 'attempts' | 'interruptedCalls'>> {
  let attempts = 0;
  for (let n = 0; n < turns; n++) {
    const run = (await ask('runs.get', { runId: `order-${n}` })) as { state: string; attempts: number; outcome: { text: string } };
    assert.deepEqual([run.state, run.outcome.text], ['succeeded', `done order-${n}`], `order-${n}`);
    attempts += run.attempts;
  }
  let interruptedCalls = 0;
  for (let s = 0; s < sessions; s++) {
    const { messages } = (await ask('chat.history', { sessionKey: `s${s}`, limit: 1000 })) as { messages: Message[] };
    const texts = (role: string) => messages.filter((message) => message.role === role).map(({ content }) => content[0]?.text ?? '');
    const orders = texts('user').map((text) => text.replace('order ', ''));
    assert.equal(new Set(orders).size, orders.length, 'a message stands twice in a transcript');
    assert.deepEqual(
      texts('assistant').filter((text) => text.startsWith('done ')),
      orders.map((order) => `done ${order}`),
      'answers stand in the order of their questions',
    );
    interruptedCalls += texts('toolResult').filter((text) => text.includes('interrupted')).length;
  }
  const effects = existsSync(join(workspace, 'effects')) ? readFileSync(join(workspace, 'effects'), 'utf8').trim().split('\n') : [];
  assert.equal(new Set(effects).size, effects.length, 'an effect happened twice');
  assert.ok(turns - effects.length <= interruptedCalls, `${turns - effects.length} effects are missing, ${interruptedCalls} calls were told as interrupted`);
  assert.deepEqual(
    requests.filter(({ problem }) => problem !== undefined),
    [],
    'a request was not valid',
  );
  await checkChain(ask, turns);
  return { turns, attempts, interruptedCalls };
}

async function checkChain(ask: Evidence['ask'], turns: number): Promise<void> {
  let cursor = 0;
  let hash = '';
  const ends: string[] = [];
  for (;;) {
    const page = (await ask('events.since', { cursor })) as { cursor: number; events: SealedEvent[]; more: boolean };
    for (const event of page.events) {
      assert.equal(event.sealedSeq, cursor + 1, 'a gap in the events');
      cursor = event.sealedSeq;
      const { workspaceId, stream, seq, actor, sessionKey, runKey, body, at } = event;
      hash = chainHash(hash, {
        workspace_id: workspaceId,
        stream,
        seq,
        actor,
        session_key: sessionKey,
        run_key: runKey,
        body: JSON.stringify(body),
        at,
        sealed_seq: null,
        hash: null,
      });
      assert.equal(event.hash, hash, 'the chain is broken');
      if (body.kind === 'run.ended') ends.push(stream);
    }
    if (!page.more) break;
  }
  assert.equal(ends.length, turns);
  assert.equal(new Set(ends).size, turns, 'a run ended twice');
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
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
