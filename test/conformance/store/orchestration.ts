// What every store engine must do for orchestration: spawns, waits, fairness, cron slots, budgets.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { CronSpec } from '../../../src/domain/cron.ts';
import { DEFAULT_POLICIES, spawnRightsOf } from '../../../src/domain/role.ts';
import { type EntryBody, NO_USAGE } from '../../../src/domain/transcript.ts';
import type { CronHome } from '../../../src/features/cron/fire.ts';
import { cronSlots, putCronJob, removeCronJob, tickCron } from '../../../src/features/cron/ops.ts';
import { resolveApproval } from '../../../src/features/decisions/ops.ts';
import { claimRuns, type TurnAssignment } from '../../../src/features/runs/claim.ts';
import type { RunRequest } from '../../../src/features/runs/enqueue.ts';
import { finishRun, reapRuns, recordStep, reserveCall, suspendRun } from '../../../src/features/runs/lease-ops.ts';
import { abortRuns, getRun, setLanes, submitMessage, submitRun } from '../../../src/features/runs/ops.ts';
import { readLatestEntries } from '../../../src/features/sessions/ops.ts';
import { getSpawn, requestSpawn, type SpawnRequest } from '../../../src/features/spawns/ops.ts';
import { spendingSince } from '../../../src/features/usage/ops.ts';
import { explain } from '../../../src/features/why/ops.ts';
import { endWorker } from '../../../src/features/workers/ops.ts';
import { isFault } from '../../../src/kit/fault.ts';
import type { OpenStore } from './suite.ts';

const W = 'w';
const LIMITS = { maxDepth: 4, fanOut: 8, perMinute: 0, grants: 'auto' } as const;

export function storeOrchestrationConformance(name: string, open: OpenStore): void {
  const opened = async (t: TestContext, slots: Readonly<Record<string, number>> = { main: 4, subagent: 8, cron: 4, nested: 4 }, longestQueue?: number) => {
    const { store, advance } = await open(t);
    await store.call(setLanes, { workspaceId: W, slots, ...(longestQueue !== undefined && { longestQueue }) });
    const claim = async (count = 10, workerId = 'worker_1') =>
      (await store.call(claimRuns, { workspaceId: W, workerId, slots: count })).runs as TurnAssignment[];
    const claimOne = async () => {
      const [run] = await claim(1);
      assert.ok(run, 'nothing could be claimed');
      return run;
    };
    const order = (n: number | string, more: Partial<RunRequest> = {}) =>
      store.call(submitRun, {
        workspaceId: W,
        actor: 'test',
        runKey: `key-${n}`,
        sessionKey: `agent:main:s${n}`,
        agentId: 'main',
        lane: 'main',
        priority: 40,
        timeoutMs: 600_000,
        input: { message: `order ${n}` },
        ...more,
      });
    const finish = ({ runId, fence }: TurnAssignment, text = 'done', tokens = 0) => {
      const entry: EntryBody = { kind: 'assistant', text, toolCalls: [], stopReason: 'stop', provider: 'p', model: 'm', usage: NO_USAGE };
      const charges = tokens === 0 ? [] : [{ provider: 'p', model: 'm', input: 0, output: tokens, cacheRead: 0, cacheWrite: 0, micros: tokens, priced: true }];
      const outcome = { text, stopReason: 'stop', usage: NO_USAGE, steps: 1 };
      return store.call(finishRun, { runId, fence, state: 'succeeded', outcome, entries: [entry], charges, day: '2026-11-24' });
    };
    const spawn = (parent: TurnAssignment | null, n: number | string, more: Partial<SpawnRequest> = {}) =>
      store.call(requestSpawn, {
        workspaceId: W,
        actor: 'test',
        requestKey: `spawn-${n}`,
        parentRunId: parent?.runId ?? null,
        spawnerRole: null,
        agentId: 'main',
        agentAllowed: true,
        role: null,
        label: `child ${n}`,
        order: {
          task: `task ${n}`,
          timeoutMs: 60_000,
          priority: 20,
          childPolicy: 'adopt',
          ...(parent && { report: { name: 'x', sessionKey: parent.sessionKey, agentId: 'main', as: 'result' as const, now: true } }),
        },
        limits: LIMITS,
        rights: spawnRightsOf(DEFAULT_POLICIES),
        cleanup: 'keep',
        childSessionKey: `agent:main:subagent:${n}`,
        childRunKey: `child-${n}`,
        ...more,
      });
    const said = async (key: string) => (await store.call(readLatestEntries, { workspaceId: W, key, limit: 50 })).entries.map(({ body }) => body.text);
    const stateOf = async (runKey: string) => (await store.call(getRun, { workspaceId: W, runKey }))?.state;
    return { store, advance, claim, claimOne, order, finish, spawn, said, stateOf };
  };

  describe(`store for orchestration: ${name}`, () => {
    it('the same request is one spawn and one child, whoever asks at once', async (t) => {
      const { claimOne, order, spawn } = await opened(t);
      await order(1);
      const parent = await claimOne();
      const views = await Promise.all(
        Array.from({ length: 16 }, (_, i) => spawn(parent, 'same', { childSessionKey: `agent:main:subagent:${i}`, childRunKey: `child-${i}` })),
      );
      assert.equal(new Set(views.map(({ id, childRunId }) => `${id} ${childRunId}`)).size, 1);
    });

    it('fan-out is a limit also for callers at once, and a denial is an answer with a name', async (t) => {
      const { claimOne, order, spawn } = await opened(t);
      await order(1);
      const parent = await claimOne();
      const views = await Promise.all(Array.from({ length: 16 }, (_, i) => spawn(parent, i)));
      assert.equal(views.filter(({ status }) => status === 'queued').length, 8);
      assert.deepEqual([...new Set(views.map(({ rule }) => rule))].sort(), ['fan_out', null].sort());
    });

    it('a result is told once: by the run that waits for it, or by a turn of its own', async (t) => {
      const { store, claim, claimOne, order, finish, spawn, said } = await opened(t);
      await order(1);
      const parent = await claimOne();
      const view = await spawn(parent, 'a');
      const [child] = await claim();
      assert.ok(child);
      await finish(parent, 'I wait no longer');
      await finish(child, 'a frog');
      const announce = await claimOne();
      assert.deepEqual([announce.kind, announce.sessionKey], ['announce', parent.sessionKey]);
      assert.match((await said(parent.sessionKey)).at(-1) ?? '', /"child a" has finished[\s\S]*a frog/);
      await finish(announce, 'NO_REPLY');
      assert.deepEqual(await claim(), []);
      assert.equal((await store.call(getSpawn, { workspaceId: W, name: view.id })).delivery, 'delivered');
    });

    it('an announcement that finds everything told ends quietly, at every level of a tree', async (t) => {
      const { claim, claimOne, order, finish, spawn, store } = await opened(t);
      await order(1);
      const top = await claimOne();
      await spawn(top, 'middle');
      const middle = await claimOne();
      const leaf = await spawn(middle, 'leaf');
      const below = await claimOne();
      await finish(below, 'a frog');
      const entry = { kind: 'tool_result', callId: 'c', toolName: 'sessions_await', text: 'a frog', isError: false } as const;
      await store.call(recordStep, { runId: middle.runId, fence: middle.fence, entries: [entry], tells: [leaf.childRunId] });
      await finish(middle, 'found a frog');
      await finish(top, 'thank you');
      const kinds: string[] = [];
      for (let round = 0; round < 10; round++) {
        for (const run of await claim()) {
          kinds.push(`${run.kind} ${run.sessionKey}`);
          await finish(run, 'noted');
        }
      }
      assert.deepEqual(kinds, [`announce ${top.sessionKey}`]);
    });

    it('what a sub-agent hears after its end goes up one level, once', async (t) => {
      const { claim, claimOne, order, finish, spawn } = await opened(t);
      await order(1);
      const top = await claimOne();
      await spawn(top, 'middle');
      const middle = await claimOne();
      await spawn(middle, 'leaf');
      const below = await claimOne();
      await finish(middle, 'I do not wait');
      await finish(top, 'nor do I');
      await finish(below, 'a frog');
      const kinds: string[] = [];
      for (let round = 0; round < 10; round++) {
        for (const run of (await claim()).toSorted((a, b) => a.sessionKey.localeCompare(b.sessionKey))) {
          kinds.push(run.sessionKey);
          await finish(run, `noted in ${run.sessionKey}`);
        }
      }
      assert.deepEqual(kinds, [top.sessionKey, middle.sessionKey, top.sessionKey]);
    });

    it('a run that waits holds its session and no slot, and goes on when what it waits for is settled', async (t) => {
      const { store, claim, claimOne, order, finish, spawn, stateOf } = await opened(t, { main: 1, subagent: 1 });
      await order(1);
      const parent = await claimOne();
      const { childRunId } = await spawn(parent, 'a');
      const wait = { for: 'children', on: [`run:${childRunId}`], all: true, calls: ['c1'], since: 0, until: Number.MAX_SAFE_INTEGER } as const;
      assert.equal(await store.call(suspendRun, { runId: parent.runId, fence: parent.fence, wait }), true);
      await order(2);
      await order('same', { sessionKey: parent.sessionKey });
      const [child, other] = (await claim()).toSorted((a, b) => a.kind.localeCompare(b.kind));
      assert.deepEqual([child?.kind, other?.runKey], ['spawn', 'key-2'], 'the slot is free, the session is not');
      assert.ok(child && other);
      await finish(other);
      assert.deepEqual(await claim(), []);
      await finish(child, 'found');
      const again = await claimOne();
      assert.deepEqual([again.runId, again.stoodStill?.calls], [parent.runId, ['c1']]);
      assert.ok(again.fence > parent.fence);
      await assert.rejects(finish(parent), (error) => isFault(error, 'lease.stale'));
      await finish(again);
      assert.equal(await stateOf('key-1'), 'succeeded');
    });

    it('what is settled already is not waited for; a wait ends by itself; time that was waited is not counted', async (t) => {
      const { store, advance, claim, claimOne, order, finish, spawn } = await opened(t);
      await order(1, { timeoutMs: 10_000 });
      const parent = await claimOne();
      const { childRunId } = await spawn(parent, 'a');
      const wait = { for: 'children', on: [`run:${childRunId}`], all: true, calls: [], since: 0, until: 0 } as const;
      const now = parent.deadlineAt - 10_000;
      assert.equal(await store.call(suspendRun, { runId: parent.runId, fence: parent.fence, wait: { ...wait, until: now + 60_000 } }), true);
      advance(61_000);
      await store.call(reapRuns, { workspaceId: W });
      const [again, child] = (await claim()).toSorted((a, b) => b.kind.localeCompare(a.kind));
      assert.ok(again && child);
      assert.equal(again.runId, parent.runId);
      await finish(child);
      assert.ok(again.deadlineAt >= parent.deadlineAt + 60_000, 'the deadline moved');
      assert.equal(await store.call(suspendRun, { runId: again.runId, fence: again.fence, wait }), false);
    });

    it('children end with their parent, or go on, as was agreed', async (t) => {
      const { store, claim, claimOne, order, spawn, stateOf } = await opened(t);
      await order(1);
      const parent = await claimOne();
      const base = { task: 't', timeoutMs: 60_000, priority: 20 };
      for (const childPolicy of ['cancel', 'adopt', 'detach'] as const) await spawn(parent, childPolicy, { order: { ...base, childPolicy } });
      await claim();
      await store.call(abortRuns, { workspaceId: W, actor: 'test', runKey: 'key-1', reason: 'stop' });
      await store.call(endWorker, { workerId: 'worker_1', end: 'died' });
      assert.equal(await stateOf('key-1'), 'cancelled');
      assert.deepEqual([await stateOf('child-cancel'), await stateOf('child-adopt'), await stateOf('child-detach')], ['cancelled', 'queued', 'queued']);
    });

    it('a request that needs a grant waits for a person, and its answer starts it', async (t) => {
      const { store, claim, claimOne, order, spawn } = await opened(t);
      await order(1);
      const parent = await claimOne();
      const limits = { ...LIMITS, grants: 'ask' } as const;
      await spawn(parent, 'first');
      const [child] = await claim();
      assert.ok(child);
      const asked = await spawn(child, 'second', { limits });
      assert.equal(asked.status, 'awaiting_grant');
      assert.deepEqual(await claim(), []);
      const why = await store.call(explain, { workspaceId: W, id: asked.id });
      assert.equal(why?.owner, 'a person');
      await store.call(resolveApproval, { workspaceId: W, id: `grant-${asked.id}`, actor: 'test', decision: 'allow-once' });
      assert.equal((await claimOne()).runKey, 'child-second');
    });

    it('trees take turns: a newcomer is not behind everything that was asked before', async (t) => {
      const { claim, claimOne, order, finish, spawn } = await opened(t, { main: 4, subagent: 1 });
      await order(1);
      const parent = await claimOne();
      for (let n = 0; n < 50; n++) await spawn(parent, n, { limits: { ...LIMITS, fanOut: 0 } });
      const [first] = await claim();
      assert.ok(first);
      await spawn(null, 'newcomer');
      await finish(first);
      const next = [];
      for (let i = 0; i < 2; i++) {
        const run = await claimOne();
        next.push(run.runKey);
        await finish(run);
      }
      assert.ok(next.includes('child-newcomer'), next.join(' '));
    });

    it('above the bound work of the lowest class is refused, and people last', async (t) => {
      const { order } = await opened(t, { main: 1 }, 40);
      const refused = (error: unknown) => isFault(error, 'lane.full');
      for (let n = 0; n <= 10; n++) await order(n, { priority: 0 });
      await assert.rejects(order('background', { priority: 0 }), refused);
      for (let n = 11; n <= 20; n++) await order(n, { priority: 20 });
      await assert.rejects(order('spawn', { priority: 20 }), refused);
      for (let n = 21; n <= 40; n++) await order(n);
      await assert.rejects(order('person'), refused);
    });

    it('messages that wait are answered together, once each', async (t) => {
      const { store, advance, claim, claimOne, finish, stateOf } = await opened(t);
      const queue = { mode: 'collect', debounceMs: 1000, cap: 20, drop: 'summarize' } as const;
      const send = (n: number) =>
        store.call(submitMessage, {
          workspaceId: W,
          actor: 'test',
          runKey: `m${n}`,
          sessionKey: 'agent:main:chat',
          agentId: 'main',
          lane: 'main',
          priority: 40,
          timeoutMs: 60_000,
          input: { message: `message ${n}` },
          queue,
        });
      await send(1);
      const first = await claimOne();
      for (const n of [2, 3, 4]) await send(n);
      await finish(first);
      assert.deepEqual(await claim(), [], 'it waits for more');
      advance(1001);
      const second = await claimOne();
      assert.equal(second.runKey, 'm2');
      assert.equal(await stateOf('m3'), 'queued');
      await finish(second, 'to all of you');
      const third = await store.call(getRun, { workspaceId: W, runKey: 'm4' });
      assert.deepEqual([third?.state, third?.outcome?.text, third?.outcome?.collectedBy], ['succeeded', 'to all of you', 'm2']);
      assert.deepEqual(await claim(), []);
    });

    it('two schedulers whose clocks differ decide 10,000 slots once each', async (t) => {
      const { store, advance } = await opened(t);
      const spec = CronSpec.parse({
        name: 'tick',
        schedule: { kind: 'every', everyMs: 1000, anchorMs: 1_000_000 },
        sessionTarget: 'main',
        catchUp: 'run-all',
        payload: { kind: 'systemEvent', text: 'tick' },
      });
      await store.call(putCronJob, { workspaceId: W, actor: 'test', id: 'job', spec, restart: true });
      const home: CronHome = {
        workspaceId: W,
        defaultAgentId: 'main',
        agentIds: ['main'],
        mainKey: 'main',
        timeoutMs: 60_000,
        graceMinutes: 60,
        zone: 'UTC',
        held: [],
      };
      for (let round = 0; round < 500; round++) {
        advance(round % 3 === 0 ? 50_000 : round % 3 === 1 ? -30_000 : 40_000);
        await Promise.all([store.call(tickCron, home), store.call(tickCron, home)]);
      }
      const { slots } = await store.call(cronSlots, { workspaceId: W, name: 'job', limit: 20_000 });
      assert.ok(slots.length >= 9000, `${slots.length} slots`);
      for (let i = 1; i < slots.length; i++)
        assert.equal((slots[i]?.scheduledFor ?? 0) - (slots[i - 1]?.scheduledFor ?? 0), 1000, 'no slot is missing or doubled');
      await store.call(removeCronJob, { workspaceId: W, name: 'tick', actor: 'test' });
      await assert.rejects(store.call(putCronJob, { workspaceId: W, actor: 'agent', id: 'job', spec, restart: true }), (error) =>
        isFault(error, 'cron.removed'),
      );
    });

    it('64 callers at once set aside no more than there is; a call that a crash hid counts in full', async (t) => {
      const { store, claim, order, finish, stateOf } = await opened(t, { main: 64 });
      for (let n = 0; n < 64; n++) await order(n);
      const runs = await claim(64);
      const wanted = {
        day: '2026-11-24',
        provider: 'p',
        model: 'm',
        micros: 100_000,
        tokens: 100,
        limits: [{ scope: 'day', micros: 1_000_000, tokens: null }],
        warnAt: 0.8,
        askForMs: 1000,
      };
      const reserve = ({ runId, fence }: TurnAssignment) => store.call(reserveCall, { runId, fence, wanted });
      const answers = await Promise.all(runs.map(reserve));
      const held = runs.filter((_, i) => answers[i]?.ok);
      assert.equal(held.length, 10);
      assert.ok(
        answers.every((answer) => answer.ok || answer.busy),
        'what is set aside may come back: nobody is asked yet',
      );
      const [first, second, ...rest] = held;
      assert.ok(first && second);
      await finish(first, 'cheap', 1000);
      for (const run of rest) await finish(run, 'dear', 100_000);
      await store.call(endWorker, { workerId: 'worker_1', end: 'died' });
      const { rows, reserved } = await store.call(spendingSince, { workspaceId: W, since: '2026-11-24', today: '2026-11-24' });
      assert.equal(
        rows.reduce((sum, { micros }) => sum + micros, 0),
        1000 + 8 * 100_000 + 100_000,
      );
      assert.deepEqual(reserved, []);
      const [again] = await claim(1, 'worker_2');
      assert.ok(again);
      const asked = await reserve(again);
      assert.ok(!asked.ok && !asked.busy && asked.scope === 'day');
      const wait = { for: 'budget', on: ['budget:day'], all: true, calls: [], since: 0, until: Number.MAX_SAFE_INTEGER } as const;
      assert.equal(await store.call(suspendRun, { runId: again.runId, fence: again.fence, wait }), true);
      await store.call(resolveApproval, { workspaceId: W, id: asked.approvalId, actor: 'test', decision: 'deny' });
      assert.equal(await stateOf(again.runKey), 'cancelled');
    });
  });
}
