// A day without work, by a clock moved by hand over the real store and the gateway's own loops: no model is asked.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import type { Engine } from '../../src/adapters/store/engine.ts';
import { openSqlite } from '../../src/adapters/store/sqlite/engine.ts';
import { parseConfig } from '../../src/domain/config-schema.ts';
import { phasesFrom } from '../../src/domain/phase.ts';
import { startTicker } from '../../src/features/cron/ticker.ts';
import { sealEvents } from '../../src/features/events/ops.ts';
import { wakeSession } from '../../src/features/heartbeats/ops.ts';
import { startPacemaker } from '../../src/features/heartbeats/pacemaker.ts';
import { ops } from '../../src/features/ops-catalog.ts';
import { claimRuns } from '../../src/features/runs/claim.ts';
import { finishRun } from '../../src/features/runs/lease-ops.ts';
import { listRuns, setLanes } from '../../src/features/runs/ops.ts';
import { startReaper } from '../../src/features/runs/reaper.ts';
import { putSetting } from '../../src/features/settings/ops.ts';
import { addTask } from '../../src/features/tasks/ops.ts';
import { TEAM_ROLES } from '../../src/features/team/identities.ts';
import { addTeamJobs } from '../../src/features/team/jobs.ts';
import { Fault } from '../../src/kit/fault.ts';
import type { Log } from '../../src/kit/log.ts';
import type { Store } from '../../src/ports/store.ts';
import { scratchDir } from '../support/scratch.ts';

const W = 'main';
const MINUTE = 60_000;
const SHIPPED = '# HEARTBEAT.md\n\n<!-- Keep this empty to skip heartbeats -->\n- [ ]\n';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields: unknown, text: string) => assert.fail(`${text} ${JSON.stringify(fields)}`),
  error: assert.fail,
} as unknown as Log;

/** A clock whose sleepers wake when it is moved past their time. */
function handClock(start: number) {
  let now = start;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    clock: {
      now: () => now,
      elapsed: () => now,
      sleep: (ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve) => {
          const sleeper = { at: now + ms, wake: () => resolve(void sleepers.delete(sleeper)) };
          sleepers.add(sleeper);
          signal?.addEventListener('abort', sleeper.wake, { once: true });
        }),
    },
    move: async (ms: number) => {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        now = Math.max(now, next.at);
        next.wake();
      }
      now = end;
    },
  };
}

interface Household {
  readonly heartbeatFile: () => string | undefined;
  readonly check?: string;
  readonly list?: readonly object[];
}

async function household(t: TestContext, { heartbeatFile, check, list = [] }: Household) {
  const { clock, move } = handClock(Date.UTC(2026, 10, 24));
  const engine: Engine = openSqlite({ path: join(scratchDir(t), 'store.sqlite'), ops, seal: sealEvents, clock, onCommitted: () => undefined });
  const store: Store = {
    call: (op, args) =>
      new Promise((resolve, reject) =>
        engine.submit({
          op: op.name,
          args,
          fromWorker: false,
          answer: (answer) => (answer.ok ? resolve(answer.value as never) : reject(new Fault(answer.code, answer.message, answer.details))),
        }),
      ),
    close: async () => engine.close(),
  };
  const parsed = parseConfig({ agents: { list, defaults: { heartbeat: { ...(check !== undefined && { check }) } } } });
  assert.ok(parsed.ok);
  await store.call(setLanes, { workspaceId: W, slots: { main: 4, cron: 4 } });
  const base = { workspaceId: W, store, config: () => parsed.config, clock, log: quiet };
  const loops = [
    startTicker({ ...base, isMine: () => true, phases: () => phasesFrom({}, false) }),
    startPacemaker({ ...base, isMine: () => true, readFile: async () => heartbeatFile() }),
    startReaper({ workspaceId: W, store, clock, log: quiet, onHung: () => undefined }),
  ];
  t.after(async () => {
    await Promise.all(loops.map((loop) => loop.stop()));
    await store.close();
  });
  const turns = async () => (await store.call(listRuns, { workspaceId: W, limit: 500 })).length;
  /** Answers whatever is queued, as a model would. */
  const answerAll = async () => {
    for (const { runId, fence } of (await store.call(claimRuns, { workspaceId: W, workerId: 'w1', slots: 10 })).runs) {
      const outcome = { text: 'HEARTBEAT_OK', stopReason: 'stop', usage: { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, cost: 0 }, steps: 1 };
      await store.call(finishRun, { runId, fence, state: 'succeeded', outcome, entries: [] });
    }
  };
  return { store, move, turns, answerAll, config: parsed.config, now: clock.now };
}

it('24 hours with the shipped HEARTBEAT.md and nothing to do: no turn', async (t) => {
  const { move, turns } = await household(t, { heartbeatFile: () => SHIPPED });
  await move(24 * 60 * MINUTE);
  assert.equal(await turns(), 0);
});

it('a HEARTBEAT.md that asks for something is looked at once, and again only when something happened', async (t) => {
  let text = '- Water the plants';
  const { store, move, turns, answerAll } = await household(t, { heartbeatFile: () => text });
  for (let hour = 0; hour < 24; hour++) {
    await move(60 * MINUTE);
    await answerAll();
  }
  assert.equal(await turns(), 1);
  text = '- Water the plants\n- Feed the cat';
  await move(60 * MINUTE);
  assert.equal(await turns(), 2, 'the file has changed');
  await answerAll();
  await store.call(wakeSession, { workspaceId: W, actor: 'test', sessionKey: 'agent:main:main', agentId: 'main', text: 'the bell rang', now: null });
  await move(60 * MINUTE);
  assert.equal(await turns(), 3, 'there is news');
});

it('the interval is a floor for all causes, also where heartbeats are wanted always', async (t) => {
  const { store, move, turns, answerAll } = await household(t, { heartbeatFile: () => '- Look around', check: 'always' });
  for (let i = 0; i < 24 * 60; i += 10) {
    await move(10 * MINUTE);
    await store.call(wakeSession, { workspaceId: W, actor: 'test', sessionKey: 'agent:main:main', agentId: 'main', text: `event ${i}`, now: null });
    await answerAll();
  }
  assert.ok((await turns()) <= 48, `${await turns()} turns in a day of half hours`);
  assert.ok((await turns()) >= 44);
});

it('24 hours of a whole team with nothing to do: no turn; a task that nobody can move wakes it once', async (t) => {
  const { store, move, turns, answerAll, config, now } = await household(t, {
    heartbeatFile: () => undefined,
    list: ['main', ...TEAM_ROLES].map((id) => ({ id, ...(id !== 'main' && { role: id }) })),
  });
  const boxes = { agents: { main: 'main' }, mainKey: 'main', managers: {}, aliases: {}, owner: 'human' };
  await store.call(putSetting, { workspaceId: W, name: 'boxes', value: boxes, actor: 'test' });
  const jobs = await addTeamJobs({ store, workspaceId: W, config, now: now() });
  assert.equal(jobs.length, 6);
  await move(24 * 60 * MINUTE + MINUTE);
  assert.equal(await turns(), 0);
  await store.call(addTask, {
    workspaceId: W,
    actor: 'x',
    task: { project: 'p', name: 't1', title: 't', owner: null, said: null, state: 'ready', original: 'o' },
  });
  for (let hour = 0; hour < 4; hour++) {
    await move(60 * MINUTE);
    await answerAll();
  }
  assert.equal(await turns(), 2, 'the coordinator and the task manager, once each');
});
