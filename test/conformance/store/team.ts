// What every store engine must do for the team: mail, tasks, versions of files, spawns by file.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { plainMessage } from '../../../src/domain/inbox.ts';
import { DEFAULT_POLICIES, spawnRightsOf } from '../../../src/domain/role.ts';
import { NO_USAGE } from '../../../src/domain/transcript.ts';
import type { WrittenTask } from '../../../src/domain/work-file.ts';
import type { Boxes } from '../../../src/features/inbox/mail.ts';
import { ackMessage, listMessages, type NewMessage, takeMessages } from '../../../src/features/inbox/ops.ts';
import { goRounds } from '../../../src/features/inbox/rounds.ts';
import { claimRuns, type TurnAssignment } from '../../../src/features/runs/claim.ts';
import { finishRun, recordStep, takeUrgentMail } from '../../../src/features/runs/lease-ops.ts';
import { setLanes } from '../../../src/features/runs/ops.ts';
import { readEntries } from '../../../src/features/sessions/ops.ts';
import { putSetting } from '../../../src/features/settings/ops.ts';
import { requestByFile } from '../../../src/features/spawns/by-file.ts';
import { listSpawns } from '../../../src/features/spawns/ops.ts';
import { addTask, getTask, moveTask, takeWorkFile } from '../../../src/features/tasks/ops.ts';
import { noteBeats, restartTask, tendTasks } from '../../../src/features/tasks/tend.ts';
import { fileVersion, fileVersions, keepVersion } from '../../../src/features/workspace/versions.ts';
import { isFault } from '../../../src/kit/fault.ts';
import type { OpenStore } from './suite.ts';

const W = 'w';
const BOXES: Boxes = {
  agents: { main: 'main', coordinator: 'coordinator' },
  mainKey: 'main',
  managers: { validator: 'person-manager' },
  aliases: {},
  owner: 'human',
};
const MINUTE = 60_000;

export function storeTeamConformance(name: string, open: OpenStore): void {
  const opened = async (t: TestContext) => {
    const { store, advance } = await open(t);
    await store.call(setLanes, { workspaceId: W, slots: { main: 4, subagent: 8, cron: 4, nested: 4 } });
    await store.call(putSetting, { workspaceId: W, name: 'boxes', value: BOXES, actor: 'test' });
    const send = async (content: string, more: Partial<NewMessage> = {}) => {
      const message: NewMessage = {
        ...plainMessage({ type: 'notification', subject: 's', content }),
        box: 'coordinator',
        sender: 'validator',
        origin: 'call',
        actor: 'test',
        ...more,
      };
      const [taken] = await store.call(takeMessages, { workspaceId: W, messages: [message] });
      assert.ok(taken);
      return taken;
    };
    const rounds = () => store.call(goRounds, { workspaceId: W, timeoutMs: 60_000 });
    const claim = async () => (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 10 })).runs as TurnAssignment[];
    const finish = ({ runId, fence }: TurnAssignment, state: 'succeeded' | 'failed' = 'succeeded') =>
      store.call(finishRun, { runId, fence, state, outcome: { text: 'done', stopReason: 'stop', usage: NO_USAGE, steps: 1 }, entries: [] });
    const told = async ({ sessionId }: TurnAssignment) => {
      const entries = await store.call(readEntries, { sessionId, after: 0 });
      return entries.flatMap(({ body }) => (body.kind === 'user' ? [body.text] : [])).join('\n');
    };
    const inBox = (box: string) => store.call(listMessages, { workspaceId: W, box, all: true, limit: 1000 });
    return { store, advance, send, rounds, claim, finish, told, inBox };
  };

  describe(`store for the team: ${name}`, () => {
    it('16 callers that send the same message make one', async (t) => {
      const { send, inBox } = await opened(t);
      const taken = await Promise.all(Array.from({ length: 16 }, () => send('once', { claimedId: 'm1' })));
      assert.equal(new Set(taken.map(({ id }) => id)).size, 1);
      assert.equal(taken.filter(({ fate }) => fate === 'new').length, 1);
      await Promise.all(Array.from({ length: 16 }, (_, n) => send(`n ${n}`, { claimedId: '$(date +%s)' })));
      assert.equal((await inBox('coordinator')).length, 17);
    });

    it('mail is told in the order of arrival, more urgent first, and what is old goes before what is urgent and new', async (t) => {
      const { send, rounds, claim, told, advance } = await opened(t);
      await send('old and low', { priority: 4 });
      advance(150 * MINUTE);
      await send('first');
      advance(1000);
      await send('second');
      await send('urgent', { priority: 0 });
      await rounds();
      const [run] = await claim();
      assert.ok(run && run.kind === 'mail' && run.agentId === 'coordinator');
      const text = await told(run);
      const order = ['old and low', 'urgent', 'first', 'second'].map((word) => text.indexOf(`\n${word}`));
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
        text,
      );
      assert.ok(order.every((at) => at > 0));
    });

    it('a message is told once while its turn succeeds, again when it fails, and is a dead letter after the third failure', async (t) => {
      const { send, rounds, claim, finish, inBox } = await opened(t);
      await send('please');
      for (const expected of ['queued', 'queued', 'dead_lettered']) {
        await rounds();
        await rounds(); // one wake for the same mail
        const runs = await claim();
        assert.equal(runs.length, 1);
        for (const run of runs) await finish(run, 'failed');
        assert.equal((await inBox('coordinator'))[0]?.state, expected);
      }
      await rounds();
      const [notice] = await inBox('person-manager');
      assert.match(notice?.subject ?? '', /^Dead letter/);
    });

    it('urgent mail comes between two steps, all else with the next turn', async (t) => {
      const { store, send, rounds, claim, told } = await opened(t);
      await send('begin');
      await rounds();
      const [run] = await claim();
      assert.ok(run);
      const { runId, fence } = run;
      await send('can wait');
      assert.equal((await store.call(recordStep, { runId, fence, entries: [{ kind: 'note', text: 'x' }] })).hasMail, false);
      await send('cannot wait', { priority: 1 });
      assert.equal((await store.call(recordStep, { runId, fence, entries: [{ kind: 'note', text: 'y' }] })).hasMail, true);
      assert.ok(await store.call(takeUrgentMail, { runId, fence }));
      assert.equal(await store.call(takeUrgentMail, { runId, fence }), null);
      const text = await told(run);
      assert.deepEqual([text.includes('cannot wait'), text.includes('can wait')], [true, false]);
    });

    it('a message for one run is not heard by a later one under the same name', async (t) => {
      const { send, rounds, claim, finish, told, inBox } = await opened(t);
      await send('begin');
      await rounds();
      const [first] = await claim();
      assert.ok(first);
      await send('only for the first', { onlyRun: first.runId });
      await finish(first);
      await send('for everybody');
      await rounds();
      const [second] = await claim();
      assert.ok(second);
      const text = await told(second);
      assert.deepEqual([text.includes('for everybody'), text.includes('only for the first')], [true, false]);
      assert.equal((await inBox('coordinator')).find(({ content }) => content === 'only for the first')?.state, 'expired');
    });

    it('a request that nobody answers rises from manager to manager, three times and no more', async (t) => {
      const { store, send, rounds, inBox, advance } = await opened(t);
      const { id } = await send('when?', { needsAnswer: true, ackByMs: 10 * MINUTE });
      for (const minutes of [11, 31, 241, 600, 600]) {
        advance(minutes * MINUTE);
        await rounds();
      }
      const escalations = [...(await inBox('person-manager')), ...(await inBox('human'))].filter(({ subject }) =>
        subject.startsWith('No answer from coordinator'),
      );
      assert.equal(escalations.length, 3);
      const { id: other } = await send('and now?', { needsAnswer: true, ackByMs: 10 * MINUTE });
      await store.call(ackMessage, { workspaceId: W, name: other, box: null, by: 'test' });
      await store.call(ackMessage, { workspaceId: W, name: id, box: null, by: 'test' });
      advance(60 * MINUTE);
      await rounds();
      assert.equal((await inBox('person-manager')).filter(({ subject }) => subject.includes('"s"')).length, 2);
    });

    it('however messages, turns, failures and kills follow each other, each message is read or waits, and none is told by two turns that succeed', async (t) => {
      const step = fc.oneof(
        fc.constant('send' as const),
        fc.constant('urgent' as const),
        fc.constant('work' as const),
        fc.constant('fail' as const),
        fc.constant('rounds' as const),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const { send, rounds, claim, finish, told, inBox } = await opened(t);
          const sent: string[] = [];
          const heard: string[] = [];
          for (const [n, what] of steps.entries()) {
            if (what === 'send' || what === 'urgent') {
              sent.push(`word-${n}-`);
              await send(`word-${n}-`, { priority: what === 'urgent' ? 0 : 2 });
            } else if (what === 'rounds') await rounds();
            else
              for (const run of await claim()) {
                const text = await told(run);
                await finish(run, what === 'work' ? 'succeeded' : 'failed');
                if (what === 'work') heard.push(...sent.filter((word) => text.includes(word) && !heard.includes(word)));
              }
          }
          const messages = await inBox('coordinator');
          assert.equal(messages.length, sent.length);
          for (const { content, state } of messages)
            assert.ok(['queued', 'read', 'dead_lettered'].includes(state) && (state !== 'read' || heard.includes(String(content))), `${content}: ${state}`);
        }),
        { numRuns: 12 },
      );
    });

    it('16 equal requests by file are one child, and so is the same request after it has ended', async (t) => {
      const { store, claim, finish } = await opened(t);
      const request = (requestId: string) =>
        store.call(requestByFile, {
          workspaceId: W,
          actor: 'file',
          likeness: 'same',
          requestId,
          requestedBy: null,
          spawnerRole: null,
          claimedRole: null,
          agentId: 'main',
          agentAllowed: true,
          role: null,
          label: 'x',
          order: { task: 't', timeoutMs: 60_000, priority: 20, childPolicy: 'adopt' },
          limits: { maxDepth: 4, fanOut: 8, perMinute: 0, grants: 'auto' },
          rights: spawnRightsOf(DEFAULT_POLICIES),
          cleanup: 'keep',
          childSessionKey: `agent:main:subagent:${requestId}`,
          childRunKey: `child-${requestId}`,
        });
      const filed = await Promise.all(Array.from({ length: 16 }, (_, n) => request(`r${n % 4}`)));
      assert.equal(new Set(filed.map(({ spawn }) => spawn.id)).size, 1);
      const [child] = await claim();
      assert.ok(child);
      await finish(child);
      for (const id of ['r0', 'r1', 'r2', 'r3']) assert.equal((await request(id)).spawn.status, 'settled');
      assert.notEqual((await request('r9')).spawn.id, filed[0]?.spawn.id, 'another request, now that the first is over');
      assert.equal((await store.call(listSpawns, { workspaceId: W, limit: 100 })).length, 2);
    });

    it('files say of tasks what their writer may say, and drop none', async (t) => {
      const { store } = await opened(t);
      const take = (text: string, tasks: readonly WrittenTask[], writer: string | null = 'task-manager') =>
        store.call(takeWorkFile, { workspaceId: W, path: 'JOBS.md', text, actor: 'file', tasks, writer, policies: DEFAULT_POLICIES });
      const task = (task_: string, said: string, state: 'ready' | 'closed_unproven' | 'submitted') => ({
        project: 'p',
        name: task_,
        title: task_,
        owner: null,
        said,
        state,
        original: task_,
      });
      await take('one', [task('a', 'pending', 'ready'), task('b', 'done', 'closed_unproven')]);
      const again = await take('two', [task('a', 'complete', 'closed_unproven')]);
      assert.deepEqual([again.refused.map(({ name: refused }) => refused), again.missing], [['a'], []]);
      const third = await take('three', []);
      assert.deepEqual(third.missing, ['a']);
      assert.equal((await store.call(getTask, { workspaceId: W, name: 'a' })).state, 'ready');
      await assert.rejects(store.call(moveTask, { workspaceId: W, name: 'a', to: 'done', who: 'human', actor: 'x', policies: DEFAULT_POLICIES }), (error) =>
        isFault(error, 'task.refused'),
      );
      assert.equal((await store.call(fileVersions, { workspaceId: W, path: 'JOBS.md' })).length, 3);
      assert.equal((await store.call(fileVersion, { workspaceId: W, path: 'JOBS.md', seq: 1 })).text, 'one');
      assert.equal((await store.call(keepVersion, { workspaceId: W, path: 'JOBS.md', text: 'three', actor: 'x' })).isNew, false);
    });

    it('a stale heartbeat is one attempt, whoever looks how often', async (t) => {
      const { store, advance } = await opened(t);
      await store.call(addTask, {
        workspaceId: W,
        actor: 'x',
        task: { project: 'p', name: 't1', title: 't', owner: null, said: null, state: 'working', original: 'o' },
      });
      await store.call(noteBeats, { workspaceId: W, seen: [{ task: 't1', sessionKey: null, status: 'running', progress: null, seenAt: 9e15 }] });
      assert.deepEqual((await store.call(tendTasks, { workspaceId: W })).due, []);
      advance(21 * MINUTE);
      const [first, ...others] = (await Promise.all(Array.from({ length: 4 }, () => store.call(tendTasks, { workspaceId: W })))).flatMap(({ due }) => due);
      assert.ok(first);
      assert.ok(
        others.every(({ attempt }) => attempt === first.attempt),
        'they see the same attempt',
      );
      const restart = () =>
        store.call(restartTask, {
          workspaceId: W,
          taskId: first.task.id,
          attempt: first.attempt,
          request: {
            workspaceId: W,
            actor: 'scheduler',
            requestKey: `task:${first.task.id}:${first.attempt}`,
            parentRunId: null,
            spawnerRole: null,
            agentId: 'main',
            agentAllowed: true,
            role: 'worker-impl',
            label: 't1',
            order: { task: 't', timeoutMs: 60_000, priority: 20, childPolicy: 'adopt' },
            limits: { maxDepth: 4, fanOut: 8, perMinute: 0, grants: 'auto' },
            rights: spawnRightsOf(DEFAULT_POLICIES),
            cleanup: 'keep',
            childSessionKey: 'agent:main:subagent:a',
            childRunKey: 'child-a',
          },
        });
      await Promise.all([restart(), restart(), restart()]);
      assert.equal((await store.call(listSpawns, { workspaceId: W, limit: 10 })).length, 1);
    });
  });
}
