// What every store engine must do. Each engine's test file calls this with a way to open itself.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { EventBody, SealedEvent } from '../../../src/domain/event.ts';
import { DEATH_LIMIT, isTerminal, LEASE_MS, type RunOutcome } from '../../../src/domain/run.ts';
import { type EntryBody, NO_USAGE } from '../../../src/domain/transcript.ts';
import { deleteSession, resetSession } from '../../../src/features/chat/ops.ts';
import { chainHash, eventsSince } from '../../../src/features/events/ops.ts';
import { beginNode } from '../../../src/features/nodes/ops.ts';
import { claimRuns, type TurnAssignment } from '../../../src/features/runs/claim.ts';
import type { RunRequest } from '../../../src/features/runs/enqueue.ts';
import { finishRun, reapRuns, recordStep, releaseRun, renewLeases } from '../../../src/features/runs/lease-ops.ts';
import { abortRuns, getRun, laneLoads, listRuns, setLanes, submitRun } from '../../../src/features/runs/ops.ts';
import { getSession, listSessions, readEntries, readLatestEntries } from '../../../src/features/sessions/ops.ts';
import { putSetting } from '../../../src/features/settings/ops.ts';
import { beginWorker, endWorker, noteProcess } from '../../../src/features/workers/ops.ts';
import type { Clock } from '../../../src/kit/clock.ts';
import { isFault } from '../../../src/kit/fault.ts';
import type { Store } from '../../../src/ports/store.ts';
import { until } from '../../support/scratch.ts';

export interface OpenedStore {
  readonly store: Store;
  /** Hints that arrived so far. */
  readonly events: () => readonly SealedEvent[];
  /** Moves the store's time. */
  readonly advance: (ms: number) => void;
}

/** Opens an empty store that is closed after the test. */
export type OpenStore = (t: TestContext) => Promise<OpenedStore>;

const W = 'w';
/** Not every engine's clock stands still while a test runs. */
const SLACK_MS = 2000;
const WORKER = 'worker_1';

function request(n: number | string, more: Partial<RunRequest> = {}): RunRequest {
  return {
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
  };
}

const answer = (text: string): EntryBody => ({ kind: 'assistant', text, toolCalls: [], stopReason: 'stop', provider: 'p', model: 'm', usage: NO_USAGE });
const outcome = (text: string): RunOutcome => ({
  text,
  stopReason: 'stop',
  usage: { input: 10, output: 5, cacheRead: 0, cacheWrite: 0, cost: 0.5 },
  steps: 1,
  provider: 'p',
  model: 'm',
});

/** A life of the gateway that lives in `home`. */
const node = (nodeId: string, pid: number, home = 'home-1') => ({
  workspaceId: W,
  nodeId,
  kind: 'gateway' as const,
  home,
  host: 'host',
  url: null,
  version: '1',
  pid,
  pidStarted: String(pid),
});

const refused = (code: string) => (error: unknown) => isFault(error, code);

export function storeConformance(name: string, open: OpenStore): void {
  const opened = async (t: TestContext, slots: Readonly<Record<string, number>> = { main: 4 }) => {
    const made = await open(t);
    await made.store.call(setLanes, { workspaceId: W, slots });
    const claim = async (slotsWanted = 100, workerId = WORKER) => {
      const { runs } = await made.store.call(claimRuns, { workspaceId: W, workerId, slots: slotsWanted });
      return runs.filter((run): run is TurnAssignment => run.work === 'turn');
    };
    const claimOne = async (): Promise<TurnAssignment> => {
      const [run] = await claim(1);
      assert.ok(run, 'nothing could be claimed');
      return run;
    };
    const finish = ({ runId, fence }: TurnAssignment, text = 'done') =>
      made.store.call(finishRun, { runId, fence, state: 'succeeded', outcome: outcome(text), entries: [answer(text)] });
    const runOf = (n: number | string) => made.store.call(getRun, { workspaceId: W, runKey: `key-${n}` });
    return { ...made, claim, claimOne, finish, runOf };
  };

  describe(`store: ${name}`, () => {
    it('a request asked twice is one run, also when both ask at once', async (t) => {
      const { store } = await opened(t);
      const answers = await Promise.all(Array.from({ length: 16 }, () => store.call(submitRun, request(1))));
      assert.equal(new Set(answers.map(({ run }) => run.id)).size, 1);
      assert.equal(answers.filter(({ created }) => created).length, 1);
    });

    it('a run goes from order to outcome, with its entries and its session totals', async (t) => {
      const { store, claimOne, finish, runOf } = await opened(t);
      await store.call(submitRun, request(1));
      const run = await claimOne();
      assert.deepEqual(run.input, { message: 'order 1' });
      await finish(run, 'the answer');
      const view = await runOf(1);
      assert.equal(view?.state, 'succeeded');
      assert.equal(view?.outcome?.text, 'the answer');
      assert.equal(view?.attempts, 1);
      const { session, entries } = await store.call(readLatestEntries, { workspaceId: W, key: 'agent:main:s1', limit: 10 });
      assert.deepEqual(
        entries.map(({ body }) => body.kind),
        ['user', 'assistant'],
      );
      assert.equal(session?.input_tokens, 10);
      assert.equal(session?.last_model, 'p/m');
    });

    it('a session has one turn at a time, in the order of its messages', async (t) => {
      const { store, claim, finish } = await opened(t, { main: 8 });
      for (const n of [1, 2, 3]) await store.call(submitRun, request(n, { sessionKey: 'agent:main:one' }));
      const order: string[] = [];
      for (let i = 0; i < 3; i++) {
        const claimed = await claim();
        assert.equal(claimed.length, 1);
        const [run] = claimed;
        assert.ok(run);
        order.push(run.runKey);
        await finish(run);
      }
      assert.deepEqual(order, ['key-1', 'key-2', 'key-3']);
    });

    it('a lane never has more runs than slots, whoever claims', async (t) => {
      const { store, claim, finish } = await opened(t, { main: 5 });
      await Promise.all(Array.from({ length: 40 }, (_, n) => store.call(submitRun, request(n))));
      let done = 0;
      while (done < 40) {
        const claimed = (await Promise.all(Array.from({ length: 16 }, (_, i) => claim(3, `worker_${i}`)))).flat();
        const loads = await store.call(laneLoads, { workspaceId: W });
        const main = loads.find((lane) => lane.name === 'main');
        assert.ok(main && main.active <= 5, `${main?.active} active`);
        assert.equal(new Set(claimed.map(({ runId }) => runId)).size, claimed.length);
        await Promise.all(claimed.map((run) => finish(run)));
        done += claimed.length;
      }
    });

    it('higher priorities go first, equal ones by age', async (t) => {
      const { store, claimOne, advance } = await opened(t, { main: 3 });
      await store.call(submitRun, request('low', { priority: 0 }));
      advance(1);
      await store.call(submitRun, request('high-1', { priority: 40 }));
      advance(1);
      await store.call(submitRun, request('high-2', { priority: 40 }));
      const order = [await claimOne(), await claimOne(), await claimOne()].map(({ runKey }) => runKey);
      assert.deepEqual(order, ['key-high-1', 'key-high-2', 'key-low']);
    });

    it('a write with an old fence changes nothing', async (t) => {
      const { store, claimOne, finish, advance, runOf } = await opened(t);
      await store.call(submitRun, request(1));
      const first = await claimOne();
      advance(LEASE_MS + 1);
      assert.deepEqual((await store.call(reapRuns, { workspaceId: W })).hung, [WORKER]);
      const second = await claimOne();
      assert.ok(second.fence > first.fence);
      await assert.rejects(finish(first, 'from the dead'), refused('lease.stale'));
      await assert.rejects(store.call(recordStep, { runId: first.runId, fence: first.fence, entries: [answer('from the dead')] }), refused('lease.stale'));
      await finish(second, 'from the living');
      const view = await runOf(1);
      assert.equal(view?.outcome?.text, 'from the living');
      assert.equal(view?.attempts, 2);
      const entries = await store.call(readEntries, { sessionId: second.sessionId, after: 0 });
      assert.deepEqual(
        entries.map(({ body }) => body.kind),
        ['user', 'assistant'],
      );
    });

    it('renewing keeps a lease, and tells what is lost or to be stopped', async (t) => {
      const { store, claim, advance } = await opened(t);
      await store.call(submitRun, request(1));
      await store.call(submitRun, request(2));
      const [one, two] = await claim();
      assert.ok(one && two);
      advance(LEASE_MS - SLACK_MS);
      await store.call(abortRuns, { workspaceId: W, actor: 'test', runKey: two.runKey, reason: 'rpc' });
      const held = [one, two].map(({ runId, fence }) => ({ runId, fence }));
      assert.deepEqual(await store.call(renewLeases, { held: [...held, { runId: one.runId, fence: 99 }] }), { stale: [one.runId], aborted: [two.runId] });
      advance(LEASE_MS - SLACK_MS);
      assert.deepEqual((await store.call(reapRuns, { workspaceId: W })).hung, []);
    });

    it('a terminal state is never left', async (t) => {
      const { store, claimOne, finish, runOf } = await opened(t);
      await store.call(submitRun, request(1));
      const run = await claimOne();
      await finish(run);
      const before = await runOf(1);
      await assert.rejects(finish(run, 'again'), refused('lease.stale'));
      await assert.rejects(store.call(releaseRun, { runId: run.runId, fence: run.fence }), refused('lease.stale'));
      assert.deepEqual((await store.call(abortRuns, { workspaceId: W, actor: 'test', runKey: 'key-1', reason: 'rpc' })).runKeys, []);
      await store.call(endWorker, { workerId: WORKER, end: 'died' });
      assert.deepEqual(await runOf(1), before);
    });

    it('a dead worker ends the attempt, not the run; after the limit the run is lost', async (t) => {
      const { store, claimOne, advance, runOf } = await opened(t);
      await store.call(submitRun, request(1));
      for (let death = 1; death <= DEATH_LIMIT; death++) {
        advance(60_000);
        const run = await claimOne();
        assert.equal(run.attempt, death);
        await store.call(endWorker, { workerId: WORKER, end: 'died' });
      }
      const view = await runOf(1);
      assert.equal(view?.state, 'lost');
      assert.match(view?.outcome?.error?.message ?? '', /died 5 times/);
    });

    it('drain and gateway restart do not count as deaths', async (t) => {
      const { store, claimOne, finish, runOf } = await opened(t);
      await store.call(submitRun, request(1));
      for (let i = 0; i < DEATH_LIMIT + 2; i++) {
        const run = await claimOne();
        await store.call(releaseRun, { runId: run.runId, fence: run.fence });
      }
      assert.equal((await runOf(1))?.deaths, 0);
      await finish(await claimOne());
      assert.equal((await runOf(1))?.state, 'succeeded');
    });

    it('back-off begins with the second death', async (t) => {
      const { store, claim, claimOne, advance } = await opened(t);
      await store.call(submitRun, request(1));
      await claimOne();
      await store.call(endWorker, { workerId: WORKER, end: 'died' });
      await claimOne();
      await store.call(endWorker, { workerId: WORKER, end: 'died' });
      assert.deepEqual(await claim(), []);
      advance(1001);
      assert.equal((await claim()).length, 1);
    });

    it('a new gateway voids the leases of the last one and learns what it left running', async (t) => {
      const { store, claimOne, claim, runOf } = await opened(t);
      await store.call(beginNode, node('gw_1', 1));
      await store.call(beginWorker, { workspaceId: W, nodeId: 'gw_1', workerId: WORKER, pid: 2, pidStarted: '2' });
      await store.call(submitRun, request(1));
      const run = await claimOne();
      await store.call(noteProcess, { workspaceId: W, workerId: WORKER, runId: run.runId, pid: 3, pidStarted: '3' });
      const { leftovers, resumed } = await store.call(beginNode, node('gw_2', 4));
      assert.deepEqual(leftovers, [
        { pid: 2, pidStarted: '2' },
        { pid: 3, pidStarted: '3' },
      ]);
      assert.equal(resumed, 1);
      await assert.rejects(store.call(recordStep, { runId: run.runId, fence: run.fence, entries: [] }), refused('lease.stale'));
      assert.equal((await claim()).length, 1);
      assert.equal((await runOf(1))?.deaths, 0);
      const again = await store.call(beginNode, node('gw_3', 5));
      assert.deepEqual(again.leftovers, []);
    });

    it('a run past its deadline is timed out from outside', async (t) => {
      const { store, claimOne, advance, runOf } = await opened(t);
      await store.call(submitRun, request(1, { timeoutMs: 1000 }));
      const run = await claimOne();
      for (let i = 0; i < 3; i++) {
        advance(3000);
        await store.call(renewLeases, { held: [{ runId: run.runId, fence: run.fence }] });
      }
      await store.call(reapRuns, { workspaceId: W });
      assert.equal((await runOf(1))?.state, 'timed_out');
    });

    it('an abort cancels what waits at once, and wins over a success that comes after it', async (t) => {
      const { store, claimOne, finish, runOf } = await opened(t);
      for (const n of [1, 2]) await store.call(submitRun, request(n, { sessionKey: 'agent:main:one' }));
      const run = await claimOne();
      const { runKeys } = await store.call(abortRuns, { workspaceId: W, actor: 'test', sessionKey: 'agent:main:one', reason: 'stop' });
      assert.deepEqual(runKeys, ['key-1', 'key-2']);
      assert.deepEqual((await store.call(renewLeases, { held: [{ runId: run.runId, fence: run.fence }] })).aborted, [run.runId]);
      assert.equal((await runOf(2))?.state, 'cancelled');
      await finish(run, 'half an ans');
      assert.deepEqual([(await runOf(1))?.state, (await runOf(1))?.outcome?.stopReason], ['cancelled', 'stop']);
    });

    it('a run is found only in its own workspace', async (t) => {
      const { store } = await opened(t);
      await store.call(submitRun, request(1));
      assert.equal(await store.call(getRun, { workspaceId: 'other', runKey: 'key-1' }), null);
      assert.equal(await store.call(getSession, { workspaceId: 'other', key: 'agent:main:s1' }), null);
      assert.equal((await store.call(listSessions, { workspaceId: 'other', since: 0, limit: 10 })).total, 0);
    });

    it('a failing op rolls back alone, its neighbours in the batch stay', async (t) => {
      const { store, claimOne, finish } = await opened(t);
      await store.call(submitRun, request(1));
      const run = await claimOne();
      const results = await Promise.allSettled([
        store.call(submitRun, request(2)),
        store.call(recordStep, { runId: run.runId, fence: 99, entries: [answer('no')] }),
        store.call(submitRun, request(3)),
        finish(run),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
      );
      assert.equal((await store.call(readEntries, { sessionId: run.sessionId, after: 0 })).length, 2);
    });

    it('U+0000 comes back whole inside what was said, and as its picture in plain columns', async (t) => {
      const { store, claimOne, finish } = await opened(t);
      const { run: view } = await store.call(submitRun, request('a\u0000b', { input: { message: 'a\u0000b' } }));
      assert.equal(view.runKey, 'key-a\u2400b');
      assert.equal((await store.call(submitRun, request('a\u0000b'))).created, false, 'the key still finds its run');
      const run = await claimOne();
      await finish(run, 'c\u0000d');
      const entries = await store.call(readEntries, { sessionId: run.sessionId, after: 0 });
      assert.deepEqual(
        entries.map(({ body }) => body.kind !== 'tool_result' && body.text),
        ['a\u0000b', 'c\u0000d'],
      );
    });

    it('events are numbered without gaps, chained, and resumable from any cursor', async (t) => {
      const { store, claimOne, finish, events } = await opened(t);
      await Promise.all(Array.from({ length: 10 }, (_, n) => store.call(submitRun, request(n))));
      for (let i = 0; i < 10; i++) await finish(await claimOne());
      const all = await store.call(eventsSince, { workspaceId: W, after: 0, limit: 500 });
      assert.deepEqual(
        all.map(({ sealedSeq }) => sealedSeq),
        Array.from({ length: all.length }, (_, i) => i + 1),
      );
      let hash = '';
      for (const event of all) {
        hash = chainHash(hash, {
          workspace_id: event.workspaceId,
          stream: event.stream,
          seq: event.seq,
          sealed_seq: event.sealedSeq,
          hash: null,
          actor: event.actor,
          session_key: event.sessionKey,
          run_key: event.runKey,
          body: JSON.stringify(event.body),
          at: event.at,
        });
        assert.equal(event.hash, hash);
      }
      const rest = await store.call(eventsSince, { workspaceId: W, after: 7, limit: 5 });
      assert.deepEqual(rest, all.slice(7, 12));
      assert.deepEqual(
        events().map(({ sealedSeq }) => sealedSeq),
        all.map(({ sealedSeq }) => sealedSeq),
        'hints tell the same events',
      );
    });

    it('events of one batch keep the order of their ops', async (t) => {
      const { store, events } = await opened(t);
      const put = (name: 'voicewake' | 'talk' | 'speech') => store.call(putSetting, { workspaceId: W, actor: 'test', name, value: 1 });
      await Promise.all([put('voicewake'), put('talk'), put('speech')]);
      await until('three events', () => events().filter(({ stream }) => stream.startsWith('setting:')).length === 3);
      assert.deepEqual(
        events().flatMap(({ stream }) => (stream.startsWith('setting:') ? [stream] : [])),
        ['setting:voicewake', 'setting:talk', 'setting:speech'],
      );
    });

    it('whatever happens in whatever order, the rules of runs hold', async (t) => {
      const kinds = fc.constantFrom('submit', 'claim', 'finish', 'record', 'stale', 'die', 'expire', 'abort', 'release', 'renew', 'reset', 'delete');
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(kinds, fc.nat(5), fc.nat(3)), { maxLength: 60 }), async (commands) => {
          const world = await opened(t, { main: 3 });
          await playCommands(world, commands);
        }),
        { numRuns: 25 },
      );
    });
  });
}

interface World {
  readonly store: Store;
  readonly advance: (ms: number) => void;
  readonly claim: (slots?: number, workerId?: string) => Promise<TurnAssignment[]>;
  readonly runOf: (n: number | string) => Promise<{ readonly state: string } | null>;
}

/** Plays random commands and checks after each: one turn per session (also across resets), lane limits, terminal states immutable, fences rising. */
async function playCommands({ store, advance, claim, runOf }: World, commands: readonly (readonly [string, number, number])[]): Promise<void> {
  const held: TurnAssignment[] = [];
  const ended = new Map<string, unknown>();
  const fences = new Map<string, number>();
  const submitted = new Set<number>();
  const tolerate = async (action: Promise<unknown>) => {
    try {
      await action;
    } catch (error) {
      if (!isFault(error, 'lease.stale')) throw error;
    }
  };
  let n = 0;
  for (const [kind, a, b] of commands) {
    const run = held[a % Math.max(1, held.length)];
    if (kind === 'submit') {
      n += 1;
      submitted.add(n);
      await store.call(submitRun, request(n, { sessionKey: `agent:main:s${b}` }));
    } else if (kind === 'claim') {
      for (const claimed of await claim(2, `worker_${b}`)) {
        assert.ok(claimed.fence > (fences.get(claimed.runId) ?? 0), 'a fence went back');
        fences.set(claimed.runId, claimed.fence);
        held.push(claimed);
      }
    } else if (kind === 'finish' && run)
      await tolerate(store.call(finishRun, { runId: run.runId, fence: run.fence, state: 'succeeded', outcome: outcome('x'), entries: [answer('x')] }));
    else if (kind === 'record' && run) await tolerate(store.call(recordStep, { runId: run.runId, fence: run.fence, entries: [answer('y')] }));
    else if (kind === 'stale' && run) await assert.rejects(store.call(recordStep, { runId: run.runId, fence: run.fence - 1, entries: [] }));
    else if (kind === 'die') await store.call(endWorker, { workerId: `worker_${b}`, end: 'died' });
    else if (kind === 'release' && run) await tolerate(store.call(releaseRun, { runId: run.runId, fence: run.fence }));
    else if (kind === 'renew') await store.call(renewLeases, { held: held.map(({ runId, fence }) => ({ runId, fence })) });
    else if (kind === 'abort' && n > 0) await store.call(abortRuns, { workspaceId: W, actor: 'test', runKey: `key-${1 + (a % n)}`, reason: 'rpc' });
    else if (kind === 'reset') await store.call(resetSession, { workspaceId: W, actor: 'test', key: `agent:main:s${b}`, agentId: 'main' });
    else if (kind === 'delete') await store.call(deleteSession, { workspaceId: W, actor: 'test', key: `agent:main:s${b}` });
    else if (kind === 'expire') {
      advance(LEASE_MS * 2);
      await store.call(reapRuns, { workspaceId: W });
    }
    const [main] = await store.call(laneLoads, { workspaceId: W });
    assert.ok((main?.active ?? 0) <= 3, 'the lane overflowed');
    const running = (await store.call(listRuns, { workspaceId: W, limit: 500 })).filter(({ state }) => state === 'running').map(({ sessionKey }) => sessionKey);
    assert.equal(new Set(running).size, running.length, 'a session has two turns at once');
    for (const key of submitted) {
      const view = await runOf(key);
      assert.ok(view, 'a run was lost');
      const before = ended.get(String(key));
      if (before !== undefined) assert.deepEqual(view, before, 'a terminal state changed');
      else if (isTerminal(view.state as 'queued')) ended.set(String(key), view);
    }
  }
  const all = await store.call(eventsSince, { workspaceId: W, after: 0, limit: 500 });
  const ends = all.filter(({ body }: { body: EventBody }) => body.kind === 'run.ended').map(({ stream }) => stream);
  assert.equal(new Set(ends).size, ends.length, 'a run ended twice');
}

/** A clock that moves only by hand. */
export function handClock(start = 1_800_000_000_000): Clock & { readonly advance: (ms: number) => void } {
  let now = start;
  return {
    now: () => now,
    elapsed: () => now,
    sleep: async () => undefined,
    advance: (ms) => {
      now += ms;
    },
  };
}
