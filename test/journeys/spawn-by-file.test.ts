// A spawn request as a file, as agents that know nothing of the gateway write it: started once, in milliseconds, and answered where they look.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { connectClient } from '../support/installation.ts';
import { ask, startJourney } from '../support/journey.ts';
import { type Cleanup, until } from '../support/scratch.ts';
import { drop, makeScheduler, namesIn, readJson } from '../support/team.ts';

const SCENARIO = {
  name: 'by file',
  rules: [
    { when: { user: 'never end' }, text: 'slow '.repeat(4000), stream: { chunk: 5, delayMs: 50 } },
    { when: { user: 'count (\\w+)' }, text: 'counted {{user.1}}' },
    { text: 'heard' },
  ],
};

async function withQueue(t: Cleanup, config: Readonly<Record<string, unknown>> = {}) {
  const journey = await startJourney(t, { scenario: SCENARIO, config });
  const root = makeScheduler(journey.workspace);
  await ask(journey.client, 'workspace.phase', { parts: ['spawn-queue', 'inbox'], phase: 'on' });
  const queue = join(root, 'spawn-queue');
  return { ...journey, root, queue, request: (name: string, content: unknown) => drop(join(queue, 'requests', name), content) };
}
const answered = (queue: string, id: string, status: string) =>
  until(
    `the answer ${status} to ${id}`,
    () =>
      existsSync(join(queue, 'responses', `${id}.json`)) &&
      readJson(queue, 'responses', `${id}.json`).status === status &&
      readJson(queue, 'responses', `${id}.json`),
  );

it('a request is started, answered twice, archived, and told to the inbox of the one who asked', async (t) => {
  const { client, queue, root, request } = await withQueue(t);
  request('my-request.json', {
    requestId: 'my-request',
    requestedBy: 'coordinator',
    requestedAt: '2026-02-19T10:00:00Z',
    spawn: { label: 'child', model: 'simulator/any', task: 'count sheep' },
  });
  const response = await answered(queue, 'my-request', 'completed');
  assert.match(response.sessionKey, /^agent:main:subagent:[0-9a-f-]{36}$/);
  assert.deepEqual([response.requestId, response.result], ['my-request', 'counted sheep']);
  await until(
    'it is archived',
    () => namesIn(queue, 'archive').length === 1 && namesIn(queue, 'processing').length === 0 && namesIn(queue, 'requests').length === 0,
  );
  const messages = await until('the mail', async () => {
    const { messages } = await ask(client, 'inbox.list', { box: 'coordinator' });
    return messages.some(({ content }: { content: { status: string } }) => content.status === 'completed') && messages;
  });
  assert.ok(messages.every(({ type }: { type: string }) => type === 'response'));
  await until('a file of the mail', () => namesIn(root, 'inboxes', 'coordinator').some((name) => name.startsWith('msg_')));
});

it('every shape in use is read', async (t) => {
  const { queue, request } = await withQueue(t);
  request('flat.json', { label: 'f', model: 'simulator/any', task: 'count flat' });
  request('$(date +%s)-req.json', { requestId: '$(date +%s)', spawn: { task: 'count literal' } });
  request('help.json', { from: 'p1-2', needed: 'a worker (Sonnet impl)', reason: 'count help', bead: 'p1-2', priority: 'P0' });
  request('dead.json', { requestId: 'dead', spawn: { task: 'count dead', model: 'anthropic/claude-9-imaginary' } });
  request('../requests/broken.json', '{ "requestId": "broken", "spawn": { "task": "count" ');
  request('no-task.json', { requestId: 'no-task' });
  assert.equal((await answered(queue, 'flat', 'completed')).result, 'counted flat');
  assert.equal((await answered(queue, '$(date +%s)', 'completed')).result, 'counted literal');
  assert.equal((await answered(queue, 'help', 'completed')).result, 'counted help');
  assert.match((await answered(queue, 'dead', 'denied')).error, /no model "anthropic\/claude-9-imaginary".*sonnet/);
  assert.match((await answered(queue, 'no-task', 'error')).error, /it has no task/);
  await answered(queue, 'broken', 'error');
  await until(
    'both to be put aside with their reasons',
    () => namesIn(queue, '..', 'quarantine', 'spawn-queue').filter((name) => name.endsWith('.reason.txt')).length === 2,
  );
});

it('an equal request while one is under way is the same child, and both are answered', async (t) => {
  const { client, queue, request } = await withQueue(t);
  const body = { requestedBy: 'task-managers', spawn: { label: 'x', task: 'never end' } };
  request('one.json', { requestId: 'one', ...body });
  const first = await answered(queue, 'one', 'spawned');
  request('two.json', { requestId: 'two', ...body });
  request('one-again.json', { requestId: 'one', ...body });
  const second = await answered(queue, 'two', 'spawned');
  assert.equal(second.sessionKey, first.sessionKey);
  const { spawns } = await ask(client, 'spawns.list', {});
  assert.equal(spawns.length, 1);
  await ask(client, 'spawns.cancel', { id: first.spawnId });
  assert.match((await answered(queue, 'two', 'error')).error, /cancelled/);
});

it('those that wait are told their place', async (t) => {
  const { client, queue, request } = await withQueue(t, { agents: { defaults: { subagents: { maxConcurrent: 1 } } } });
  request('a.json', { requestId: 'a', spawn: { task: 'never end' } });
  const { spawnId } = await answered(queue, 'a', 'spawned');
  for (const id of ['b', 'c']) {
    request(`${id}.json`, { requestId: id, spawn: { task: `count ${id}` } });
    await answered(queue, id, 'spawned');
  }
  await until('their places', () => readJson(queue, 'responses', 'b.json').position === 1 && readJson(queue, 'responses', 'c.json').position === 2);
  await ask(client, 'spawns.cancel', { id: spawnId });
  await answered(queue, 'c', 'completed');
});

it('what was left in processing is gone on with after a kill, started at most once; what is old is answered and not started', async (t) => {
  const { client, gateway, installation, queue, request } = await withQueue(t);
  request('live.json', { requestId: 'live', spawn: { task: 'never end' } });
  const { sessionKey, spawnId } = await answered(queue, 'live', 'spawned');
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  drop(join(queue, 'processing', 'left.json'), { requestId: 'left', spawn: { task: 'count left' } });
  drop(join(queue, 'requests', 'old.json'), { requestId: 'old', spawn: { task: 'count old' } });
  utimesSync(join(queue, 'requests', 'old.json'), new Date('2026-02-19'), new Date('2026-02-19'));
  await client.close();
  const again = await installation.start();
  const fresh = await connectClient(again.port);
  t.after(() => fresh.close());
  assert.equal((await answered(queue, 'left', 'completed')).result, 'counted left');
  assert.match((await answered(queue, 'old', 'denied')).error, /more than a day old/);
  const { spawns } = await ask(fresh, 'spawns.list', {});
  assert.equal(spawns.filter(({ childSessionKey }: { childSessionKey: string }) => childSessionKey === sessionKey).length, 1);
  await ask(fresh, 'spawns.cancel', { id: spawnId });
  await answered(queue, 'live', 'error');
});

it('whoever claims a role by file has no more rights than it', async (t) => {
  const { queue, request } = await withQueue(t);
  request('up.json', { requestId: 'up', requestedBy: 'worker-impl', spawn: { role: 'person-manager', task: 'count power' } });
  const { rule, error } = await answered(queue, 'up', 'denied');
  assert.deepEqual([rule, /may not start/.test(error)], ['role', true]);
});

it('a folder that an agent has made a link of is not written through', async (t) => {
  const { queue, request, installation } = await withQueue(t);
  rmSync(join(queue, 'responses'), { recursive: true });
  symlinkSync(installation.stateDir, join(queue, 'responses'));
  const before = readFileSync(join(installation.stateDir, 'clawdbot.json'), 'utf8');
  request('evil.json', { requestId: 'clawdbot', spawn: { task: 'count sheep' } });
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(readFileSync(join(installation.stateDir, 'clawdbot.json'), 'utf8'), before);
  rmSync(join(queue, 'responses'));
  request('good.json', { requestId: 'good', spawn: { task: 'count lambs' } });
  await answered(queue, 'good', 'completed');
});
