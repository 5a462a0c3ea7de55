// What every store engine must do for channels: once in, once out, the gate, the routing table, and alerts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { accountsOf, type IncomingMessage } from '../../../src/domain/channel.ts';
import { degradedBy, type Finding } from '../../../src/domain/checks.ts';
import type { Config } from '../../../src/domain/config.ts';
import { ConfigSchema } from '../../../src/domain/config-schema.ts';
import { routingOf } from '../../../src/domain/inbound.ts';
import { DEFAULT_POLICIES, spawnRightsOf } from '../../../src/domain/role.ts';
import type { RunInput, RunOutcome } from '../../../src/domain/run.ts';
import { NO_USAGE } from '../../../src/domain/transcript.ts';
import { listApprovals, requestApproval } from '../../../src/features/approvals/ops.ts';
import { dueOutgoing, listOutgoing, noteProgress, queueOutgoing, settleEntry } from '../../../src/features/channels/outbox.ts';
import { approvePeer, listPeers } from '../../../src/features/channels/peers.ts';
import { lookAtMessage, type Received, receive } from '../../../src/features/channels/receive.ts';
import { sayInChannel, speakingPlaces } from '../../../src/features/channels/say.ts';
import { listAlerts, settleAlerts } from '../../../src/features/health/alerts.ts';
import { measureHealth } from '../../../src/features/health/measure.ts';
import { listMessages } from '../../../src/features/inbox/ops.ts';
import { claimRuns, type TurnAssignment } from '../../../src/features/runs/claim.ts';
import { finishRun } from '../../../src/features/runs/lease-ops.ts';
import { setLanes, submitNested, submitRun } from '../../../src/features/runs/ops.ts';
import { getSession } from '../../../src/features/sessions/ops.ts';
import { requestSpawn } from '../../../src/features/spawns/ops.ts';
import { isFault } from '../../../src/kit/fault.ts';
import type { Store } from '../../../src/ports/store.ts';
import { tries } from '../../support/property.ts';
import type { OpenStore } from './suite.ts';

const W = 'w';
const OWNER = 'U0OWNER00';
const OTHER = 'U0OTHER00';
const QUEUE = { mode: 'followup', debounceMs: 0, cap: 20, drop: 'summarize' } as const;
const configOf = (slack: object = {}, more: object = {}): Config => ConfigSchema.parse({ channels: { slack: { owner: OWNER, ...slack } }, ...more });

let lastId = 0;
function message(text: string, more: Partial<IncomingMessage> = {}): IncomingMessage {
  lastId += 1;
  const peer = more.peer ?? { kind: 'dm', id: OWNER };
  return {
    kind: 'message',
    ...{
      channel: 'slack',
      account: 'default',
      team: 'T1',
      eventId: `Ev${lastId}`,
      peer,
      place: peer.kind === 'dm' ? `D${peer.id.slice(1)}` : peer.id,
      thread: null,
    },
    ...{ sender: { id: OWNER, name: null, isBot: false }, messageId: `${1000 + lastId}.000001`, text, files: [], mentioned: true, isSlash: false },
    ...more,
  };
}

function take(store: Store, event: Parameters<typeof receive.body>[1]['event'], config = configOf(), more: object = {}): Promise<Received> {
  const account = accountsOf(config, 'slack').get(event.account);
  if (!account) throw new Error('no such account');
  return store.call(receive, {
    workspaceId: W,
    event,
    account,
    routing: routingOf(config),
    queue: QUEUE,
    timeoutMs: 60_000,
    ackEmoji: '',
    code: `CODE${lastId}`.padEnd(8, 'X'),
    ...more,
  });
}

const accepted = (received: Received) => {
  assert.equal(received.fate, 'accepted');
  return received as Extract<Received, { fate: 'accepted' }>;
};
const claimAll = async (store: Store): Promise<TurnAssignment[]> =>
  (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 16 })).runs as TurnAssignment[]; // every run here is a turn
const end = (store: Store, { runId, fence }: TurnAssignment, outcome: Partial<RunOutcome>, state: 'succeeded' | 'failed' = 'succeeded') =>
  store.call(finishRun, { runId, fence, state, outcome: { text: '', stopReason: 'stop', usage: NO_USAGE, steps: 1, ...outcome }, entries: [] });
const texts = async (store: Store) =>
  (await store.call(listOutgoing, { workspaceId: W, limit: 100 }))
    .toReversed()
    .flatMap(({ body, to }) => (body.kind === 'text' ? [`${to.place}: ${body.text}`] : []));

export function storeChannelConformance(name: string, open: OpenStore) {
  describe(`${name}: channels`, () => {
    it('an event is taken once, whatever it is called the second time; its answer is queued once, with the end of its run', async (t) => {
      const { store } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 4 } });
      const event = message('hello');
      const [first, again, mention] = await Promise.all([take(store, event), take(store, event), take(store, { ...event, eventId: 'another' })]);
      assert.deepEqual([first.fate, again.fate, mention.fate].sort(), ['accepted', 'duplicate', 'duplicate']);
      const [run] = await claimAll(store);
      assert.ok(run);
      await end(store, run, { text: 'good day' });
      assert.deepEqual(await texts(store), ['D0OWNER00: good day']);
      await end(store, run, { text: 'good day' }).catch((error: unknown) => assert.ok(isFault(error, 'lease.stale')));
      assert.equal((await store.call(dueOutgoing, { workspaceId: W, limit: 10 })).length, 1);
      assert.equal((await store.call(getSession, { workspaceId: W, key: 'agent:main:main' }))?.route, JSON.stringify(accepted(first).deliver.to));
    });

    it('an edit before the turn changes the message, one after it is told with the next turn; an outsider joins no message of the owner', async (t) => {
      const { store } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 1 } });
      const queue = { queue: { ...QUEUE, mode: 'collect' } };
      const config = configOf({ channels: { C0TEAM000: {} } });
      const place = { peer: { kind: 'channel', id: 'C0TEAM000' } } as const;
      const busy = accepted(await take(store, message('busy', place), config, queue));
      const [running] = await claimAll(store);
      const waiting = message('do the one thing', place);
      await take(store, waiting, config, queue);
      await take(store, message('also me', { ...place, sender: { id: OTHER, name: 'Oth"er', isBot: false } }), config, queue);
      await take(store, { ...waiting, kind: 'edited', eventId: 'edit-1', text: 'do the other thing' }, config);
      assert.ok(running);
      assert.equal(running.runId, busy.runId);
      await end(store, running, { text: 'done' });
      const [next] = await claimAll(store);
      assert.match(next?.input.message ?? '', /from your owner[\s\S]*do the other thing$/);
      await take(store, { ...waiting, kind: 'edited', eventId: 'edit-2', text: 'too late' }, config);
      assert.ok(next);
      await end(store, next, { text: 'done' });
      const [outsiders] = await claimAll(store);
      assert.match(outsiders?.input.message ?? '', /not your owner[\s\S]*<outside>\nalso me\n<\/outside>/);
      assert.deepEqual(outsiders?.input.tools, { allow: ['session_status'] });
    });

    it('a stranger is let in by his code alone; a fourth one hears nothing', async (t) => {
      const { store } = await open(t);
      const from = (id: string) => message('hi', { peer: { kind: 'dm', id }, sender: { id, name: null, isBot: false } });
      for (const id of ['U0ONE', 'U0TWO', 'U0THREE', 'U0FOUR', 'U0ONE']) assert.equal((await take(store, from(id))).fate, 'pairing');
      assert.equal((await texts(store)).length, 3);
      const { pending } = await store.call(listPeers, { workspaceId: W, channel: 'slack' });
      assert.deepEqual(pending.map(({ id }) => id).sort(), ['U0ONE', 'U0THREE', 'U0TWO']);
      await assert.rejects(store.call(approvePeer, { workspaceId: W, channel: 'slack', code: 'WRONG', actor: 'test', notify: false }), (error) =>
        isFault(error, 'pairing.unknown_code'),
      );
      await store.call(approvePeer, {
        workspaceId: W,
        channel: 'slack',
        code: pending.find(({ id }) => id === 'U0TWO')?.code ?? '',
        actor: 'test',
        notify: false,
      });
      assert.equal((await take(store, from('U0TWO'))).fate, 'accepted');
      assert.equal((await take(store, from('U0THREE'))).fate, 'pairing');
    });

    it('what is explained is what happens, over random tables and messages; the answer goes to where the message came from', async (t) => {
      const { store } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 4 } });
      const agents = ['main', 'ops', 'sales'];
      const peer = fc.constantFrom(
        { kind: 'dm', id: OWNER } as const,
        { kind: 'dm', id: OTHER } as const,
        { kind: 'channel', id: 'C0TEAM000' } as const,
        { kind: 'group', id: 'G0GROUP00' } as const,
      );
      const binding = fc.record({
        agentId: fc.constantFrom(...agents),
        match: fc.record(
          { channel: fc.constantFrom('slack', 'irc'), accountId: fc.constantFrom('default', 'second'), peer, teamId: fc.constantFrom('T1', 'T2') },
          { requiredKeys: ['channel'] },
        ),
      });
      const section = fc.record(
        {
          groupPolicy: fc.constantFrom('open', 'allowlist', 'disabled'),
          requireMention: fc.boolean(),
          replyToMode: fc.constantFrom('off', 'first', 'all'),
          dm: fc.record(
            { policy: fc.constantFrom('pairing', 'open', 'allowlist', 'disabled'), allowFrom: fc.constantFrom([], [OTHER], ['*']), groupEnabled: fc.boolean() },
            { requiredKeys: [] },
          ),
          channels: fc.constantFrom({}, { C0TEAM000: {} }, { '*': { users: [OTHER] } }, { C0TEAM000: { enabled: false } }),
        },
        { requiredKeys: [] },
      );
      const event = fc.record({
        peer,
        account: fc.constantFrom('default', 'second'),
        team: fc.constantFrom('T1', 'T2'),
        thread: fc.constantFrom(null, '900.000001'),
        mentioned: fc.boolean(),
        isSlash: fc.boolean(),
        sender: fc.constantFrom(OWNER, OTHER),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(binding, { maxLength: 5 }),
          section,
          fc.constantFrom('main', 'per-peer', 'per-channel-peer'),
          event,
          async (bindings, slack, dmScope, { sender, ...of }) => {
            const config = configOf(
              { ...slack, botToken: 'xoxb', accounts: { second: {} } },
              { bindings, session: { dmScope }, agents: { list: agents.map((id) => ({ id })) } },
            );
            const said = message('x', {
              ...of,
              peer: of.peer.kind === 'dm' ? { kind: 'dm', id: sender } : of.peer,
              sender: { id: sender, name: null, isBot: false },
            });
            const account = accountsOf(config, 'slack').get(said.account);
            assert.ok(account);
            const explained = await store.call(lookAtMessage, { workspaceId: W, event: said, account, routing: routingOf(config) });
            const happened = await take(store, said, config);
            if (explained.kind === 'accepted') {
              const { runId, deliver } = accepted(happened);
              assert.deepEqual(deliver.to, explained.replyTo);
              assert.deepEqual([deliver.to.place, deliver.to.account], [said.place, said.account]);
              if (said.thread !== null) assert.equal(deliver.to.thread, said.thread);
              const session = await store.call(getSession, { workspaceId: W, key: explained.sessionKey });
              assert.equal(session?.agent_id, explained.agentId);
              assert.ok(runId);
              assert.equal(explained.trust, sender === OWNER ? 'owner' : 'known');
              if (sender !== OWNER) assert.notEqual(explained.sessionKey, `agent:${explained.agentId}:main`);
            } else assert.equal(happened.fate, explained.kind === 'pairing' ? 'pairing' : explained.heard ? 'heard' : 'ignored');
          },
        ),
        tries(60),
      );
    });

    it('a chat command that comes three times is carried out once, whatever is open by then', async (t) => {
      const { store } = await open(t);
      for (const id of ['q1', 'q2'])
        await store.call(requestApproval, { workspaceId: W, id, kind: 'exec', request: { command: id }, owner: 'test', timeoutMs: 60_000 });
      const event = message('/approve');
      for (const approvalId of ['q1', 'q2', 'q2'])
        await take(store, event, configOf(), { command: { effect: { kind: 'decide', approvalId, decision: 'allow-once' }, reply: `Approved: ${approvalId}` } });
      const states = (await store.call(listApprovals, { workspaceId: W, limit: 10 })).map(({ id, state, decidedBy }) => [id, state, decidedBy]);
      assert.deepEqual(states.toSorted(), [
        ['q1', 'granted', `owner:slack:${OWNER}`],
        ['q2', 'pending', null],
      ]);
      assert.deepEqual(await texts(store), ['D0OWNER00: Approved: q1']);
      await take(store, message('/approve q1'), configOf(), {
        command: { effect: { kind: 'decide', approvalId: 'q1', decision: 'deny' }, reply: 'Denied: q1' },
      });
      assert.match((await texts(store)).at(-1) ?? '', /settled already/);
    });

    it('roles write to nobody but the owner, and only two of them; outsiders make the agent write nowhere else', async (t) => {
      const { store } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 9 } });
      const config = configOf({ channels: { C0TEAM000: {} } });
      const run = async (n: number, more: { role?: string; input?: Partial<RunInput> } = {}) =>
        (
          await store.call(submitRun, {
            workspaceId: W,
            actor: 'owner:slack:U',
            runKey: `say-${n}`,
            sessionKey: `agent:main:s${n}`,
            agentId: 'main',
            lane: 'main',
            priority: 40,
            timeoutMs: 1000,
            role: more.role ?? null,
            input: { message: 'm', ...more.input },
          })
        ).run.id;
      const say = async (runId: string, place: string, intent: string) => {
        const to = { channel: 'slack', account: 'default', place, thread: null };
        return store
          .call(sayInChannel, { workspaceId: W, runId, role: null, ...speakingPlaces(config, 'slack'), to, body: { kind: 'text', text: 't' }, intent })
          .then(
            () => 'sent',
            (error: unknown) => (isFault(error, 'channel.refused') ? 'refused' : String(error)),
          );
      };
      const tries_ = [
        [await run(1), OWNER, 'sent'],
        [await run(2), 'C0TEAM000', 'sent'],
        [await run(3), 'C0ELSEWHERE', 'refused'],
        [await run(4, { role: 'person-manager' }), OWNER, 'sent'],
        [await run(5, { role: 'coordinator' }), 'C0TEAM000', 'refused'],
        [await run(6, { role: 'worker-impl' }), OWNER, 'refused'],
        [await run(7, { input: { tools: { allow: ['message'] } } }), OWNER, 'refused'],
      ] as const;
      for (const [i, [runId, place, expected]] of tries_.entries()) assert.equal(await say(runId, place, `i${i}`), expected, `${i}`);
    });

    it('whatever an outsider sets going has no more tools than he: messages to agents, their answers, sub-agents, what is told of them', async (t) => {
      const { store } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 4, nested: 4, subagent: 4 } });
      const place = { peer: { kind: 'channel', id: 'C0TEAM000' }, sender: { id: OTHER, name: null, isBot: false } } as const;
      await take(store, message('go', place), configOf({ channels: { C0TEAM000: { tools: { allow: ['sessions_spawn'] } } } }));
      const tools = { allow: ['sessions_spawn'] };
      const seen: string[] = [];
      const endAll = async () => {
        for (let next = await claimAll(store); next.length > 0; next = await claimAll(store))
          for (const run of next) {
            seen.push(`${run.kind} ${run.sessionKey}`);
            assert.deepEqual(run.input.tools, tools, run.kind);
            await end(store, run, { text: 'said' });
          }
      };
      const [asked] = await claimAll(store);
      assert.ok(asked);
      assert.deepEqual(asked.input.tools, tools);
      const own = asked.sessionKey;
      await store.call(requestSpawn, {
        ...{ workspaceId: W, actor: `run:${asked.runId}`, requestKey: 'spawn', parentRunId: asked.runId, spawnerRole: null, agentId: 'main' },
        ...{ agentAllowed: true, role: null, label: 'child', cleanup: 'keep', childSessionKey: 'agent:main:subagent:c', childRunKey: 'child' },
        order: {
          task: 'x',
          timeoutMs: 60_000,
          priority: 20,
          childPolicy: 'adopt',
          report: { name: 'x', sessionKey: own, agentId: 'main', as: 'result', now: true },
        },
        ...{ limits: { maxDepth: 4, fanOut: 8, perMinute: 60, grants: 'auto' }, rights: spawnRightsOf(DEFAULT_POLICIES) },
      });
      await end(store, asked, { text: 'they are at it' });
      await endAll();
      const to = { workspaceId: W, actor: `run:${asked.runId}`, agentId: 'main', priority: 30, timeoutMs: 60_000 };
      const replies = { sessionKey: own, agentId: 'main', left: 1 };
      await store.call(submitNested, { ...to, runKey: 'nested', sessionKey: 'agent:main:other', parentRunId: asked.runId, input: { message: 'm', replies } });
      await endAll();
      assert.deepEqual(seen, ['spawn agent:main:subagent:c', `announce ${own}`, 'nested agent:main:other', `nested ${own}`]);
    });

    it('silence leaves nothing in the outbox', async (t) => {
      const { store } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 4 } });
      await take(store, message('hush'));
      const [run] = await claimAll(store);
      assert.ok(run);
      await end(store, run, { text: 'NO_REPLY' });
      assert.deepEqual(await store.call(listOutgoing, { workspaceId: W, limit: 5 }), []);
    });

    it('an entry of the outbox is one per intent, and keeps what was begun', async (t) => {
      const { store } = await open(t);
      const to = { channel: 'slack', account: 'default', place: 'C1', thread: null };
      const entry = { workspaceId: W, to, body: { kind: 'text', text: 'a' }, intent: 'one', actor: 'test' } as const;
      const [first, second] = await Promise.all([store.call(queueOutgoing, entry), store.call(queueOutgoing, { ...entry, body: { kind: 'text', text: 'b' } })]);
      assert.equal(first.id, second.id);
      await store.call(noteProgress, { id: first.id, parts: [{ begunAt: 5, id: null }], attempts: 1, notBefore: 0, error: 'lost' });
      const [due] = await store.call(dueOutgoing, { workspaceId: W, limit: 5 });
      assert.deepEqual([due?.parts, due?.attempts, due?.error], [[{ begunAt: 5, id: null }], 1, 'lost']);
      await store.call(settleEntry, {
        workspaceId: W,
        id: first.id,
        channel: 'slack',
        state: 'sent',
        parts: [{ begunAt: 5, id: '9' }],
        error: null,
        isQuiet: false,
      });
      assert.deepEqual(await store.call(dueOutgoing, { workspaceId: W, limit: 5 }), []);
    });

    it('an alert is told once, its end too; a degraded mode holds lanes back', async (t) => {
      const { store, advance } = await open(t);
      await store.call(setLanes, { workspaceId: W, slots: { main: 4, cron: 4 } });
      const finding = (id: string, severity: Finding['severity']): Finding => ({ id, severity, evidence: 'seen', fix: 'mend it' });
      const settle = (findings: Finding[]) =>
        store.call(settleAlerts, { workspaceId: W, findings, degraded: degradedBy(findings), home: null, ownerBox: 'human' });
      assert.equal(await settle([finding('queue', 'warning'), finding('model', 'critical')]), 1);
      assert.equal(await settle([finding('queue', 'warning'), finding('model', 'critical')]), 0);
      await store.call(submitRun, {
        workspaceId: W,
        actor: 'cron',
        runKey: 'job',
        sessionKey: 'agent:main:cron:j',
        agentId: 'main',
        lane: 'cron',
        priority: 10,
        timeoutMs: 1000,
        input: { message: 'm' },
      });
      assert.equal((await claimAll(store)).length, 0);
      advance(30_000);
      assert.equal(await settle([finding('queue', 'warning'), finding('model', 'critical')]), 1);
      assert.equal(await settle([]), 2);
      assert.equal(await settle([]), 0);
      assert.equal((await claimAll(store)).length, 1);
      const told = (await store.call(listMessages, { workspaceId: W, box: 'human', all: true, limit: 10 })).map(({ subject }) => subject).sort();
      assert.deepEqual(told, ['critical: model', 'over: model', 'over: queue', 'warning: queue']);
      const alerts = await store.call(listAlerts, { workspaceId: W, limit: 10 });
      assert.ok(alerts.length === 2 && alerts.every(({ resolvedAt }) => resolvedAt !== null));
      const measured = await store.call(measureHealth, { workspaceId: W, ownerBox: 'human', cronEnabled: true });
      assert.deepEqual([measured.waiting, measured.unsent, measured.beating], [{}, 0, 0]);
    });
  });
}
