// What every store engine must do for the doors: conversations begun anew, chat commands, approvals, devices, system events.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type EntryBody, NO_USAGE } from '../../../src/domain/transcript.ts';
import { getApproval, requestApproval } from '../../../src/features/approvals/ops.ts';
import { carryOutCommand, compactSession, deleteSession, injectMessage, patchSession, resetSession } from '../../../src/features/chat/ops.ts';
import { expireApprovals, resolveApproval } from '../../../src/features/decisions/ops.ts';
import { decidePairing, getDeviceGrant, listDevices, pairDevice, requestPairing, revokeToken, rotateToken } from '../../../src/features/devices/ops.ts';
import { lastHeartbeatEnd, wakeSession } from '../../../src/features/heartbeats/ops.ts';
import { claimRuns, type TurnAssignment } from '../../../src/features/runs/claim.ts';
import type { RunRequest } from '../../../src/features/runs/enqueue.ts';
import { finishRun } from '../../../src/features/runs/lease-ops.ts';
import { getRun, setLanes, submitRun } from '../../../src/features/runs/ops.ts';
import { getSession, getSessionById, listSessions, readEntries, readLatestEntries } from '../../../src/features/sessions/ops.ts';
import { pendingSystemEvents } from '../../../src/features/sessions/system-events.ts';
import { getSetting, putSetting } from '../../../src/features/settings/ops.ts';
import { isFault } from '../../../src/kit/fault.ts';
import type { OpenStore } from './suite.ts';

const W = 'w';
const KEY = 'agent:main:main';
const ACTOR = { workspaceId: W, actor: 'test' };
const SESSION = { ...ACTOR, key: KEY, agentId: 'main' };
const DEVICE = { workspaceId: W, deviceId: 'd1', role: 'operator' };

const refused = (code: string) => (error: unknown) => isFault(error, code);

function request(n: number | string, more: Partial<RunRequest> = {}): RunRequest {
  return {
    ...ACTOR,
    runKey: `key-${n}`,
    sessionKey: KEY,
    agentId: 'main',
    lane: 'main',
    priority: 40,
    timeoutMs: 600_000,
    input: { message: `order ${n}` },
    ...more,
  };
}

export function storeDoorsConformance(name: string, open: OpenStore): void {
  const opened = async (t: TestContext) => {
    const { store, advance, events } = await open(t);
    await store.call(setLanes, { workspaceId: W, slots: { main: 4, tools: 2 } });
    const claim = async () =>
      (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 10 })).runs.filter((run): run is TurnAssignment => run.work === 'turn');
    const finish = ({ runId, fence }: { runId: string; fence: number }, text = 'done') => {
      const entry: EntryBody = { kind: 'assistant', text, toolCalls: [], stopReason: 'stop', provider: 'p', model: 'm', usage: NO_USAGE };
      return store.call(finishRun, { runId, fence, state: 'succeeded', outcome: { text, stopReason: 'stop', usage: NO_USAGE, steps: 1 }, entries: [entry] });
    };
    const turn = async (n: number | string, more: Partial<RunRequest> = {}) => {
      await store.call(submitRun, request(n, more));
      const [run] = await claim();
      assert.ok(run, 'nothing could be claimed');
      await finish(run, `answer ${n}`);
      return run;
    };
    const said = async (key = KEY) => (await store.call(readLatestEntries, { workspaceId: W, key, limit: 50 })).entries.map(({ body }) => body.text);
    return { store, advance, events, claim, finish, turn, said };
  };

  describe(`store for the doors: ${name}`, () => {
    it('a reset begins a new session under the key; the old transcript stays whole under its id', async (t) => {
      const { store, turn, said } = await opened(t);
      await store.call(patchSession, { ...SESSION, patch: { label: 'mine', model: 'a/b', settings: { thinkingLevel: 'high' } } });
      const before = await turn(1);
      const session = await store.call(resetSession, SESSION);
      assert.notEqual(session.id, before.sessionId);
      assert.deepEqual([session.label, session.model_override, session.settings, session.last_seq], ['mine', 'a/b', '{"thinkingLevel":"high"}', 0]);
      await turn(2);
      assert.deepEqual(await said(), ['order 2', 'answer 2']);
      assert.deepEqual(
        (await store.call(readEntries, { sessionId: before.sessionId, after: 0 })).map(({ body }) => body.text),
        ['order 1', 'answer 1'],
      );
      assert.notEqual((await store.call(getSessionById, { workspaceId: W, id: before.sessionId }))?.archived_at, null);
      assert.equal((await store.call(listSessions, { workspaceId: W, since: 0, limit: 10 })).rows.length, 1);
    });

    it('a reset stops what has begun, and answers what waits in the new session, never both at once', async (t) => {
      const { store, claim, finish, said } = await opened(t);
      await store.call(submitRun, request(1));
      await store.call(submitRun, request(2));
      const [running] = await claim();
      assert.ok(running);
      const session = await store.call(resetSession, SESSION);
      assert.deepEqual(await claim(), [], 'the old turn still holds the key');
      await finish(running, 'half an answer');
      assert.equal((await store.call(getRun, { workspaceId: W, runKey: 'key-1' }))?.state, 'cancelled');
      const [next] = await claim();
      assert.deepEqual([next?.runKey, next?.sessionId], ['key-2', session.id]);
      assert.ok(next);
      await finish(next, 'answer 2');
      assert.deepEqual(await said(), ['order 2', 'answer 2']);
    });

    it('a deleted session is off the list, its key is free, its runs have an end', async (t) => {
      const { store, turn } = await opened(t);
      const { sessionId } = await turn(1);
      await store.call(submitRun, request(2));
      assert.deepEqual(await store.call(deleteSession, { ...ACTOR, key: KEY }), { deleted: true });
      assert.equal(await store.call(getSession, { workspaceId: W, key: KEY }), null);
      assert.equal((await store.call(getRun, { workspaceId: W, runKey: 'key-2' }))?.state, 'cancelled');
      assert.equal((await store.call(readEntries, { sessionId, after: 0 })).length, 2);
      assert.deepEqual(await store.call(deleteSession, { ...ACTOR, key: KEY }), { deleted: false });
      assert.notEqual((await turn(3)).sessionId, sessionId);
    });

    it('a label belongs to one session; a parent is set once', async (t) => {
      const { store } = await opened(t);
      await store.call(patchSession, { ...SESSION, patch: { label: 'x', spawnedBy: 'agent:main:a' } });
      const other = { ...SESSION, key: 'agent:main:other' };
      await assert.rejects(store.call(patchSession, { ...other, patch: { label: 'x' } }), refused('session.label_taken'));
      await assert.rejects(store.call(patchSession, { ...SESSION, patch: { spawnedBy: 'agent:main:b' } }), refused('session.spawned_by_fixed'));
      await store.call(patchSession, { ...SESSION, patch: { label: null } });
      await store.call(patchSession, { ...other, patch: { label: 'x' } });
      const { rows } = await store.call(listSessions, { workspaceId: W, since: 0, limit: 10, filter: { label: 'x' } });
      assert.deepEqual(
        rows.map(({ key }) => key),
        ['agent:main:other'],
      );
    });

    it('lists find by part of a key or label, whatever its letters mean to the database', async (t) => {
      const { store } = await opened(t);
      for (const key of ['agent:main:a_b', 'agent:main:axb', 'agent:main:50%off']) await store.call(patchSession, { ...SESSION, key, patch: {} });
      const find = async (search: string) =>
        (await store.call(listSessions, { workspaceId: W, since: 0, limit: 10, filter: { search } })).rows.map(({ key }) => key);
      assert.deepEqual(await find('A_B'), ['agent:main:a_b']);
      assert.deepEqual(await find('0%'), ['agent:main:50%off']);
      assert.equal((await find('main')).length, 3);
    });

    it('compacting shows the model less and deletes nothing', async (t) => {
      const { store, turn, claim, said } = await opened(t);
      for (const n of [1, 2, 3]) await turn(n);
      assert.deepEqual(await store.call(compactSession, { ...ACTOR, key: KEY, keep: 100 }).then(({ compacted }) => compacted), false);
      assert.deepEqual(await store.call(compactSession, { ...ACTOR, key: KEY, keep: 2 }).then(({ compacted, kept }) => [compacted, kept]), [true, 2]);
      assert.equal((await said()).length, 6);
      await store.call(submitRun, request(4));
      const [run] = await claim();
      assert.equal(run?.contextFrom, 5);
    });

    it('injected words are part of the conversation; without a session they are refused', async (t) => {
      const { store, turn, said } = await opened(t);
      await assert.rejects(store.call(injectMessage, { ...ACTOR, key: KEY, text: 'x' }), refused('request.refused'));
      await turn(1);
      await store.call(injectMessage, { ...ACTOR, key: KEY, text: 'by the way' });
      assert.deepEqual(await said(), ['order 1', 'answer 1', 'by the way']);
    });

    it('a chat command is carried out once however often it is sent, and its run is over at once', async (t) => {
      const { store, turn, said } = await opened(t);
      const { sessionId } = await turn(1);
      const command = { ...SESSION, runKey: 'c1', command: '/new', effect: { kind: 'reset' }, reply: 'begun' } as const;
      const answers = await Promise.all([1, 2, 3].map(() => store.call(carryOutCommand, command)));
      assert.deepEqual(answers.map(({ created }) => created).toSorted(), [false, false, true]);
      const session = await store.call(getSession, { workspaceId: W, key: KEY });
      assert.notEqual(session?.id, sessionId);
      assert.deepEqual(await said(), ['begun']);
      const run = await store.call(getRun, { workspaceId: W, runKey: 'c1' });
      assert.deepEqual([run?.state, run?.kind, run?.outcome?.text], ['succeeded', 'command', 'begun']);
    });

    it('a session that sends nothing refuses orders', async (t) => {
      const { store } = await opened(t);
      await store.call(patchSession, { ...SESSION, patch: { settings: { sendPolicy: 'deny' } } });
      await assert.rejects(store.call(submitRun, request(1)), refused('session.send_blocked'));
    });

    it('work without a session is claimed, bounded by its lane, and has its outcome', async (t) => {
      const { store } = await opened(t);
      for (const n of [1, 2, 3]) {
        const input = { message: '', tool: { name: 'exec', args: {}, sessionKey: KEY } };
        await store.call(submitRun, request(n, { kind: 'tool', sessionKey: null, lane: 'tools', input }));
      }
      const { runs: claimed } = await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 10 });
      assert.deepEqual(
        claimed.map(({ work }) => work),
        ['tool', 'tool'],
      );
      const [run] = claimed;
      assert.ok(run);
      const outcome = { text: 'out', stopReason: 'stop', usage: NO_USAGE, steps: 0, tool: { text: 'out', isError: false } };
      await store.call(finishRun, { runId: run.runId, fence: run.fence, state: 'succeeded', outcome, entries: [] });
      assert.equal((await store.call(getRun, { workspaceId: W, runKey: run.runKey }))?.outcome?.tool?.text, 'out');
    });

    it('a system event waits for the next turn of its session and is told once', async (t) => {
      const { store, turn, said } = await opened(t);
      const wake = (text: string) => store.call(wakeSession, { ...ACTOR, sessionKey: KEY, agentId: 'main', text, now: null });
      assert.equal(await wake('the mail came'), false);
      await wake('it rains');
      assert.equal((await store.call(pendingSystemEvents, { workspaceId: W })).length, 2);
      await turn(1);
      await turn(2);
      const [first = '', , second = ''] = await said();
      assert.match(first, /^System: \[[\d: -]+ UTC\] the mail came\nSystem: \[[\d: -]+ UTC\] it rains\n\norder 1$/);
      assert.equal(second, 'order 2');
      assert.deepEqual(await store.call(pendingSystemEvents, { workspaceId: W }), []);
    });

    it('a wake queues one turn, not one per event, and none while heartbeats are off', async (t) => {
      const { store, claim, finish } = await opened(t);
      const now = (n: number) => ({ runKey: `beat-${n}`, prompt: 'look', timeoutMs: 1000 });
      const wake = (n: number) => store.call(wakeSession, { ...ACTOR, sessionKey: KEY, agentId: 'main', text: `event ${n}`, now: now(n) });
      assert.deepEqual([await wake(1), await wake(2)], [true, false]);
      const [run] = await claim();
      assert.ok(run);
      await finish(run, 'HEARTBEAT_OK');
      assert.equal((await store.call(lastHeartbeatEnd, { workspaceId: W }))?.text, 'HEARTBEAT_OK');
      await store.call(putSetting, { ...ACTOR, name: 'heartbeats', value: false });
      assert.equal(await store.call(getSetting, { workspaceId: W, name: 'heartbeats' }), false);
      assert.equal(await wake(3), false);
      assert.equal((await store.call(pendingSystemEvents, { workspaceId: W })).length, 1);
    });

    it('the outcome of a hook is told in the transaction that ends it', async (t) => {
      const { store, claim, turn } = await opened(t);
      const report = { name: 'Hook Mail', sessionKey: KEY, agentId: 'main', as: 'event', now: true } as const;
      await turn(1, { kind: 'hook', sessionKey: 'agent:main:hook:1', input: { message: 'look', report } });
      const [told] = await store.call(pendingSystemEvents, { workspaceId: W });
      assert.deepEqual([told?.text, told?.sessionKey], ['Hook Mail: answer 1', KEY]);
      const [look] = await claim();
      assert.deepEqual([look?.kind, look?.sessionKey], ['heartbeat', KEY], 'the session looks at it at once');
    });

    it('an approval is asked once, decided once, or expires', async (t) => {
      const { store, advance } = await opened(t);
      const ask = (id: string) => store.call(requestApproval, { workspaceId: W, id, kind: 'exec', request: { command: 'rm x' }, owner: 'me', timeoutMs: 1000 });
      assert.equal((await ask('a')).state, 'pending');
      assert.equal((await ask('a')).createdAt, (await ask('a')).createdAt);
      const decide = (id: string, decision: 'allow-once' | 'deny') => store.call(resolveApproval, { ...ACTOR, id, decision });
      assert.equal((await decide('a', 'allow-once')).state, 'granted');
      await assert.rejects(decide('a', 'deny'), refused('approval.unknown'));
      await assert.rejects(decide('none', 'deny'), refused('approval.unknown'));
      await ask('b');
      assert.equal(await store.call(expireApprovals, { workspaceId: W }), 0);
      advance(1001);
      assert.equal(await store.call(expireApprovals, { workspaceId: W }), 1);
      assert.deepEqual([(await store.call(getApproval, { workspaceId: W, id: 'b' }))?.state, (await ask('a')).state], ['expired', 'granted']);
      await assert.rejects(decide('b', 'allow-once'), refused('approval.unknown'));
      const both = await Promise.allSettled([ask('c').then(() => decide('c', 'deny')), decide('c', 'allow-once')]);
      assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1);
    });

    it('a device asks once, is let in or turned away, and a revoked one asks again', async (t) => {
      const { store, advance } = await opened(t);
      const ask = (requestId: string) =>
        store.call(requestPairing, { ...DEVICE, publicKey: 'pk', about: { platform: 'x' }, scopes: ['operator.read'], requestId });
      assert.equal((await ask('r1')).requestId, 'r1');
      assert.equal((await ask('r2')).requestId, 'r1', 'the open request is answered again');
      const decide = (requestId: string, approve: boolean) => store.call(decidePairing, { ...ACTOR, requestId, approve });
      await decide('r1', false);
      assert.equal(await store.call(getDeviceGrant, DEVICE), null);
      await assert.rejects(decide('r1', true), refused('device.request_unknown'));
      assert.equal((await ask('r3')).requestId, 'r3');
      await decide('r3', true);
      assert.deepEqual((await store.call(getDeviceGrant, DEVICE))?.scopes, ['operator.read']);
      const rotated = await store.call(rotateToken, { ...DEVICE, actor: 'test', scopes: ['operator.write'] });
      assert.deepEqual([rotated.generation, rotated.scopes], [2, ['operator.write']]);
      await store.call(revokeToken, { ...DEVICE, actor: 'test' });
      assert.equal((await store.call(getDeviceGrant, DEVICE))?.revoked, true);
      await assert.rejects(store.call(revokeToken, { ...DEVICE, role: 'node', actor: 'test' }), refused('device.unknown'));
      await ask('r4');
      advance(3_600_001);
      await assert.rejects(decide('r4', true), refused('device.request_unknown'), 'a request does not stay open for ever');
      assert.equal((await ask('r5')).requestId, 'r5');
      await decide('r5', true);
      const grant = await store.call(getDeviceGrant, DEVICE);
      assert.deepEqual([grant?.revoked, grant?.generation, grant?.scopes], [false, 4, ['operator.read']], 'what it had before does not come back');
    });

    it('devices of one workspace are unknown in another', async (t) => {
      const { store } = await opened(t);
      await store.call(pairDevice, { ...DEVICE, publicKey: 'pk', about: {}, scopes: ['operator.admin'], actor: 'test' });
      assert.equal(await store.call(getDeviceGrant, { ...DEVICE, workspaceId: 'other' }), null);
      assert.deepEqual(await store.call(listDevices, { workspaceId: 'other' }), { pending: [], paired: [] });
      await assert.rejects(store.call(rotateToken, { ...DEVICE, workspaceId: 'other', actor: 'test', scopes: null }), refused('device.unknown'));
    });
  });
}
