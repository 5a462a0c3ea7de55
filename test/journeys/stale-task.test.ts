// Work that stands still: found by code within a minute, tried again with what the one before left, parked after the third time.

import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ask, startJourney } from '../support/journey.ts';
import { type Cleanup, until } from '../support/scratch.ts';
import { drop, makeScheduler, namesIn, readJson } from '../support/team.ts';

const SCENARIO = {
  name: 'stale',
  rules: [
    { when: { user: 'never end' }, text: 'slow '.repeat(4000), stream: { chunk: 5, delayMs: 50 } },
    { when: { user: 'always fails' }, fail: { status: 400 } },
    { when: { user: 'attempt (\\d)[^]*left off at (\\w+)' }, text: 'gone on from {{user.2}}' },
    { text: 'heard' },
  ],
};
const HALF_AN_HOUR_AGO = () => new Date(Date.now() - 1_800_000);

async function withTeam(t: Cleanup) {
  const journey = await startJourney(t, { scenario: SCENARIO });
  const root = makeScheduler(journey.workspace);
  const task = async (name: string) => (await ask(journey.client, 'tasks.get', { name })).task;
  const beat = (name: string, body: object, at?: Date) => {
    const path = join(root, 'heartbeats', `${name}.json`);
    drop(path, body);
    if (at) utimesSync(path, at, at);
  };
  const on = () => ask(journey.client, 'workspace.phase', { parts: ['heartbeats', 'progress', 'inbox'], phase: 'on' });
  return { ...journey, root, task, beat, on };
}

it('a stale heartbeat is a failed attempt: the next one gets the progress of the last', async (t) => {
  const { client, root, task, beat, on, workspace } = await withTeam(t);
  drop(join(workspace, 'PROACTIVE-JOBS.md'), '## Alpha\n### p1-1: Build it\n- **Status:** in-progress\n');
  drop(join(root, 'progress', 'alpha', 'p1-1.md'), '# p1-1\nI left off at chapter3\n');
  beat('p1-1', { task_id: 'p1-1', updated_at: '2031-01-01T00:00:00Z', status: 'active', worker: 'agent:main:subagent:old' }, HALF_AN_HOUR_AGO());
  await on();
  const restarted = await until('another attempt', async () => {
    const { spawns } = await ask(client, 'spawns.list', {});
    return spawns.find(({ label, status }: { label: string; status: string }) => label === 'p1-1' && status === 'settled');
  });
  assert.deepEqual([restarted.role, restarted.result.text], ['worker-impl', 'gone on from chapter3']);
  assert.match(restarted.task, /attempt 2/);
  const done = await until('its claim', async () => (await task('p1-1')).state === 'submitted' && (await task('p1-1')));
  assert.equal(done.attempts, 1);
  await until('the old heartbeat is retired', () => namesIn(root, 'heartbeats').length === 0 && namesIn(root, 'heartbeats', 'archive').length >= 1);
});

it('a fresh heartbeat of somebody else is left alone, whatever its times say', async (t) => {
  const { client, task, beat, on, workspace } = await withTeam(t);
  drop(join(workspace, 'PROACTIVE-JOBS.md'), 'p1-1|in-progress\n');
  beat('p1-1', { taskId: 'p1-1', lastHeartbeat: '2020-01-01T00:00:00Z', status: 'running' });
  await on();
  await until('the task', () => task('p1-1').catch(() => undefined));
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal((await task('p1-1')).state, 'working');
  assert.deepEqual((await ask(client, 'spawns.list', {})).spawns, []);
});

it('a task that fails three times is parked, and the coordinator is told', async (t) => {
  const { client, task, beat, on, workspace } = await withTeam(t);
  drop(join(workspace, 'PROACTIVE-JOBS.md'), '### p9-9: always fails\n- Status: working\n');
  beat('p9-9', { task: 'p9-9', status: 'running' }, HALF_AN_HOUR_AGO());
  await on();
  await until('parked', async () => (await task('p9-9').catch(() => undefined))?.state === 'parked', 30_000);
  assert.equal((await task('p9-9')).attempts, 3);
  const { spawns } = await ask(client, 'spawns.list', {});
  assert.equal(spawns.length, 2, 'the second and the third attempt');
  const { messages } = await ask(client, 'inbox.list', { box: 'coordinator' });
  assert.equal(messages.filter(({ subject }: { subject: string }) => subject === 'Parked after 3 attempts: p9-9').length, 1);
});

it('who is at work under a name is shown as a heartbeat, and retired with it', async (t) => {
  const { client, root, on } = await withTeam(t);
  await on();
  const { spawn } = await ask(client, 'spawns.request', { task: 'never end', label: 'p5-1' });
  await until('the heartbeat', () => namesIn(root, 'heartbeats').includes('p5-1.json'));
  const view = readJson(root, 'heartbeats', 'p5-1.json');
  assert.deepEqual([view.taskId, view.sessionKey, view.status], ['p5-1', spawn.childSessionKey, 'running']);
  await ask(client, 'spawns.cancel', { id: spawn.id });
  await until('it is retired', () => namesIn(root, 'heartbeats').length === 0);
});

it('a list that drops tasks loses none, and one that says too much is refused with the rule', async (t) => {
  const { client, task, on, workspace } = await withTeam(t);
  const path = join(workspace, 'PROACTIVE-JOBS.md');
  drop(path, '## Alpha\n### p1-1: One\n- Status: pending\n### p1-2: Two\n- Status: pending\n### p1-3: Three\n- Status: ✅ complete\n');
  await on();
  assert.equal((await until('the import', () => task('p1-3').catch(() => undefined))).state, 'closed_unproven');
  writeFileSync(path, '## Alpha\n[Previous content remains the same]\n### p1-1: One\n- Status: validated and complete\n');
  const warning = await until('the warning', async () => (await ask(client, 'inbox.list', { box: 'task-managers' })).messages[0]);
  assert.match(warning.subject, /1 changes refused, 1 tasks left out/);
  assert.match(JSON.stringify(warning.content), /the gateway/);
  assert.deepEqual([(await task('p1-1')).state, (await task('p1-2')).state], ['ready', 'ready']);
  const { versions } = await ask(client, 'workspace.history', { path: 'PROACTIVE-JOBS.md' });
  assert.equal(versions.length, 2);
  assert.match((await ask(client, 'workspace.show', { path: 'PROACTIVE-JOBS.md', version: 1 })).text, /Three/);
});
