// Scheduled jobs through the command line, the file and restarts: each slot is decided once.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { connectClient, createInstallation, type TestClient } from '../support/installation.ts';
import { ask, order, startJourney } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'cron',
  rules: [
    { when: { user: '\\[cron:[^\\]]+\\] take long' }, text: 'slow '.repeat(2000), stream: { chunk: 5, delayMs: 20 } },
    { when: { user: '\\[cron:(\\S+) ([^\\]]+)\\] (\\S+)' }, text: '{{user.2}} did {{user.3}}' },
    { text: 'heard {{user}}' },
  ],
};
const isolated = (name: string, schedule: object, more: object = {}) => ({
  name,
  schedule,
  sessionTarget: 'isolated',
  wakeMode: 'next-heartbeat',
  payload: { kind: 'agentTurn', message: 'work' },
  ...more,
});
const runsOf = async (client: TestClient, id: string) => (await ask(client, 'cron.runs', { id })).entries;

it('a job runs at its slots, each in a fresh session, and is reported to the main one', async (t) => {
  const { client, installation, gateway } = await startJourney(t, { scenario: SCENARIO });
  const env = { CLAWDBOT_GATEWAY_PORT: String(gateway.port) };
  const added = await installation.cli(
    ['cron', 'add', '--name', 'tick', '--every', '1s', '--session', 'isolated', '--message', 'work', '--post-prefix', 'Tick'],
    env,
  );
  assert.equal(added.code, 0, added.stderr);
  const job = JSON.parse(added.stdout);
  assert.deepEqual([job.schedule.kind, job.schedule.everyMs, job.nextLocal.length], ['every', 1000, 3]);
  const entries = await until('three slots', async () => {
    const found = await runsOf(client, 'tick');
    return found.length >= 3 && found;
  });
  assert.equal((await installation.cli(['cron', 'disable', 'tick'], env)).code, 0);
  assert.deepEqual([entries[0].status, entries[0].summary], ['ok', 'tick did work']);
  assert.equal(new Set(entries.map(({ sessionId }: { sessionId: string }) => sessionId)).size, entries.length, 'a fresh session each');
  assert.equal(new Set(entries.map(({ scheduledForMs }: { scheduledForMs: number }) => scheduledForMs % 1000)).size, 1, 'in step with its beginning');
  await order(client, 'anything new?');
  const { messages } = await ask(client, 'chat.history', { sessionKey: 'main' });
  assert.match(messages[0].content[0].text, /System: \[[^\]]+ UTC\] Tick: tick did work[\s\S]*anything new\?/);
  const list = await installation.cli(['cron', 'list', '--all'], env);
  assert.match(
    list.stdout,
    /^ID +Name +Schedule +Next +Last +Status +Target +Agent\n[0-9a-f-]{36} +tick +every 1s +- +\d+s ago +disabled +isolated +default\n$/,
  );
  assert.ok(
    client.events.some(({ event, payload }) => event === 'cron' && payload.action === 'finished' && payload.jobId === job.id && payload.status === 'ok'),
  );
});

it('a one-shot job runs once and is off after that; run, rm and errors speak as clients expect', async (t) => {
  const { client, installation, gateway } = await startJourney(t, { scenario: SCENARIO });
  const env = { CLAWDBOT_GATEWAY_PORT: String(gateway.port) };
  const job = await ask(client, 'cron.add', isolated('once', { kind: 'at', atMs: Date.now() + 300 }));
  await until('its run', async () => (await runsOf(client, job.id)).length === 1);
  const { jobs } = await until('that it is off', async () => {
    const listed = await ask(client, 'cron.list', { includeDisabled: true });
    return listed.jobs[0].enabled === false && listed;
  });
  assert.deepEqual([jobs[0].state.lastStatus, jobs[0].state.nextRunAtMs], ['ok', undefined]);
  assert.deepEqual(JSON.parse((await installation.cli(['cron', 'run', 'once'], env)).stdout), { ok: true, ran: false, reason: 'not-due' });
  assert.deepEqual(JSON.parse((await installation.cli(['cron', 'run', 'once', '--force'], env)).stdout), { ok: true, ran: true });
  assert.equal((await runsOf(client, 'once')).length, 2);
  assert.deepEqual(JSON.parse((await installation.cli(['cron', 'rm', 'once'], env)).stdout), { ok: true, removed: true });
  assert.deepEqual(JSON.parse((await installation.cli(['cron', 'rm', 'once'], env)).stdout), { ok: true, removed: false });
  await assert.rejects(ask(client, 'cron.run', { id: 'zzz' }), /unknown cron job id: zzz/);
  const bad = await installation.cli(['cron', 'add', '--name', 'x', '--every', '1h', '--session', 'main', '--message', 'y'], env);
  assert.deepEqual([bad.code, /Main jobs require --system-event/.test(bad.stderr)], [1, true]);
  const main = await ask(client, 'cron.add', {
    name: 'tell',
    schedule: { kind: 'at', atMs: Date.now() + 100 },
    sessionTarget: 'main',
    wakeMode: 'now',
    payload: { kind: 'systemEvent', text: 'the post came' },
  });
  await until('the main session looks', async () =>
    (await ask(client, 'chat.history', { sessionKey: 'main' })).messages.some(({ content }: { content: { text: string }[] }) =>
      content[0]?.text.includes('the post came'),
    ),
  );
  assert.deepEqual(
    (await runsOf(client, main.id)).map(({ status, summary }: { status: string; summary: string }) => [status, summary]),
    [['ok', 'the post came']],
  );
});

it('a stuck job is ended from outside at its limit and holds up nobody; the list answers meanwhile', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: { cron: { maxConcurrentRuns: 2 } } });
  const stuck = await ask(
    client,
    'cron.add',
    isolated('stuck', { kind: 'every', everyMs: 1500 }, { payload: { kind: 'agentTurn', message: 'take long', timeoutSeconds: 1 } }),
  );
  const quick = await ask(client, 'cron.add', isolated('quick', { kind: 'every', everyMs: 1000 }));
  const entries = await until('two ends of the stuck job', async () => {
    const since = performance.now();
    await ask(client, 'cron.list', {});
    assert.ok(performance.now() - since < 500, 'the list waits for nobody');
    const found = (await runsOf(client, stuck.id)).filter(({ status }: { status: string }) => status === 'error');
    return found.length >= 2 && found;
  });
  for (const { error, durationMs } of entries) {
    assert.match(error, /passed its limit of 1 s/);
    assert.ok(durationMs < 3000, `${durationMs} ms`);
  }
  assert.ok((await runsOf(client, quick.id)).filter(({ status }: { status: string }) => status === 'ok').length >= 2);
});

it('a check that says there is no work costs no model call', async (t) => {
  const { client, simulator } = await startJourney(t, { scenario: SCENARIO });
  const job = await ask(client, 'cron.add', isolated('mail', { kind: 'every', everyMs: 1000 }, { onlyIf: ['system-events'] }));
  await until('two slots', async () => (await runsOf(client, job.id)).length >= 2);
  assert.equal(simulator.requests().length, 0);
  const [entry] = await runsOf(client, job.id);
  assert.deepEqual([entry.status, entry.summary], ['skipped', 'nothing to do (system-events)']);
  await ask(client, 'wake', { mode: 'next-heartbeat', text: 'mail for you' });
  await until('a slot with work', async () => (await runsOf(client, job.id)).some(({ status }: { status: string }) => status === 'ok'));
});

it('what was due while the gateway was down is made up once, by the policy of the job', async (t) => {
  const dir = scratchDir(t);
  const installation = await createInstallation({ dir, scenario: SCENARIO });
  t.after(() => installation.close());
  const gateway = await installation.start();
  const client = await connectClient(gateway.port);
  const latest = await ask(client, 'cron.add', isolated('latest', { kind: 'every', everyMs: 1000 }));
  const all = await ask(client, 'cron.add', isolated('all', { kind: 'every', everyMs: 1000 }, { catchUp: 'run-all' }));
  const once = await ask(client, 'cron.add', isolated('once', { kind: 'at', atMs: Date.now() + 1500 }));
  await until('a first slot', async () => (await runsOf(client, latest.id)).length >= 1);
  client.close();
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  await new Promise((resolve) => setTimeout(resolve, 3500));
  const next = await installation.start();
  const again = await connectClient(next.port);
  t.after(() => again.close());
  await until('the one-shot job', async () => (await runsOf(again, once.id)).length === 1);
  for (const { id } of [latest, all]) await ask(again, 'cron.update', { id, patch: { enabled: false } });
  await until('quiet', async () =>
    (await ask(again, 'cron.list', { includeDisabled: true })).jobs.every(({ state }: { state: { runningAtMs?: number } }) => state.runningAtMs === undefined),
  );
  for (const { id, name } of [latest, all]) {
    const entries = await runsOf(again, id);
    const slots = entries.map(({ scheduledForMs }: { scheduledForMs: number }) => scheduledForMs);
    assert.equal(new Set(slots).size, slots.length, 'each slot has one decision');
    for (let i = 1; i < slots.length; i++) assert.equal(slots[i] - slots[i - 1], 1000, `${name}: no slot is missing`);
    const missed = entries.filter(({ missed: was }: { missed?: boolean }) => was).length;
    assert.ok(name === 'latest' ? missed >= 2 : missed === 0, `${name}: ${missed} missed`);
    if (name === 'all')
      assert.ok(
        entries.every(({ status }: { status: string }) => status === 'ok'),
        JSON.stringify(entries),
      );
  }
});

it('jobs.json is a door and a view: imported, edited by hand, kept whole, and a broken one kept aside', async (t) => {
  const dir = scratchDir(t);
  const installation = await createInstallation({ dir, scenario: SCENARIO });
  t.after(() => installation.close());
  const folder = join(installation.stateDir, 'cron');
  const path = join(folder, 'jobs.json');
  const original = {
    version: 1,
    note: 'mine',
    jobs: [
      {
        id: 'ee788509-28aa-41f3-82b1-20873a700a8f',
        name: 'imported',
        enabled: true,
        colour: 'blue',
        createdAtMs: 1795349928890,
        updatedAtMs: 1795350044442,
        schedule: { kind: 'cron', expr: '0 7 * * *', tz: 'Europe/London' },
        sessionTarget: 'main',
        wakeMode: 'next-heartbeat',
        payload: { kind: 'systemEvent', text: 'morning' },
        state: { nextRunAtMs: 1795417200000 },
      },
      { id: 'odd', name: 'odd', enabled: true, schedule: { kind: 'moon' } },
    ],
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, JSON.stringify(original));
  const gateway = await installation.start();
  const client = await connectClient(gateway.port);
  t.after(() => client.close());
  const read = () => JSON.parse(readFileSync(path, 'utf8'));
  const jobs = async () => (await ask(client, 'cron.list', { includeDisabled: true })).jobs as { id: string; name: string; createdAtMs: number }[];
  await until('the import', async () => (await jobs()).length === 1);
  assert.deepEqual(
    (await jobs()).map(({ id, createdAtMs }) => [id, createdAtMs]),
    [[original.jobs[0]?.id, 1795349928890]],
  );
  const added = await ask(client, 'cron.add', isolated('added', { kind: 'every', everyMs: 3_600_000 }));
  const file = await until('the view', () => read().jobs.length === 3 && read());
  assert.deepEqual([file.note, file.jobs[0].colour, file.jobs[1], file.jobs[2].id], ['mine', 'blue', original.jobs[1], added.id]);

  writeFileSync(
    path,
    JSON.stringify({ ...file, jobs: [{ ...file.jobs[0], name: 'renamed' }, file.jobs[1], { ...isolated('by hand', { kind: 'every', everyMs: 7_200_000 }) }] }),
  );
  await until('the edit', async () => {
    const found = (await jobs()).map(({ name }) => name).sort();
    return found.includes('renamed') && found.includes('by hand') && found;
  });
  await until('the removal', async () => (await jobs()).every(({ name }) => name !== 'added'));
  const after = await until('an id for the new one', () => read().jobs.length === 3 && typeof read().jobs[2].id === 'string' && read());
  assert.equal(after.jobs[2].name, 'by hand');

  await until('what both sides agree on', () => JSON.parse(readFileSync(join(folder, '.jobs-agreed.json'), 'utf8')).text === readFileSync(path, 'utf8'));

  client.close();
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  const [stale, agreed] = [readFileSync(path, 'utf8'), readFileSync(join(folder, '.jobs-agreed.json'), 'utf8')];
  const second = await installation.start();
  const again = await connectClient(second.port);
  t.after(() => again.close());
  const [first] = (await ask(again, 'cron.list', { includeDisabled: true })).jobs;
  await ask(again, 'cron.update', { id: first.id, patch: { name: 'newer' } });
  second.child.kill('SIGKILL');
  await second.exited;
  writeFileSync(path, stale);
  writeFileSync(join(folder, '.jobs-agreed.json'), agreed);
  const third = await installation.start();
  const last = await connectClient(third.port);
  t.after(() => last.close());
  await until('the view to follow', () => read().jobs.some(({ name }: { name: string }) => name === 'newer'));

  writeFileSync(path, '{ "version": 1, "jobs": [ {');
  const aside = await until('the broken file aside', () => readdirSync(folder).find((name) => name.startsWith('jobs.json.broken-')));
  assert.equal(readFileSync(join(folder, aside), 'utf8'), '{ "version": 1, "jobs": [ {');
  await until('the view again', () => existsSync(path) && read().jobs.length === 2);
  assert.equal((await ask(last, 'cron.list', { includeDisabled: true })).jobs.length, 2);
});
