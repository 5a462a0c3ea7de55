// A workspace of old and the original's state folder: looked at, taken over without changing a byte, and lived with side by side.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ask, startJourney } from '../support/journey.ts';
import { type Cleanup, until } from '../support/scratch.ts';
import { drop, everyFile, makeScheduler, namesIn } from '../support/team.ts';

const SCENARIO = { name: 'import', rules: [{ text: 'heard' }] };

/** A state folder as the original leaves it, with what goes wrong in one. */
function writeOriginal(dir: string): string {
  const state = join(dir, 'old', '.clawdbot');
  drop(
    join(state, 'clawdbot.json'),
    '{ // the original\n  meta: { lastTouchedVersion: "2026.1.24-3" }, gateway: { port: 1, auth: { token: "theirs" } }, hooks: { enabled: false, path: "/old-hooks" } }',
  );
  const job = (id: string, name: string, more: object = {}) => ({
    id,
    name,
    enabled: true,
    createdAtMs: 1,
    updatedAtMs: 2,
    schedule: { kind: 'cron', expr: '0 7 * * *' },
    sessionTarget: 'isolated',
    wakeMode: 'next-heartbeat',
    payload: { kind: 'agentTurn', message: 'go' },
    state: { lastRunAtMs: 1_795_349_969_288, lastStatus: 'ok' },
    ...more,
  });
  drop(join(state, 'cron', 'jobs.json'), {
    version: 1,
    jobs: [job('j1', 'coordinator'), job('j2', 'Spawn Processor'), job('j3', 'broken', { schedule: { kind: 'cron', expr: 'never' } }), 'nonsense'],
  });
  const sessions = join(state, 'agents', 'main', 'sessions');
  drop(join(sessions, 'sessions.json'), {
    main: { sessionId: 'old-main', updatedAt: 5 },
    'agent:main:main': { sessionId: 's-main', updatedAt: 10, model: 'm1', modelProvider: 'mock', inputTokens: 3 },
    'agent:main:slack:channel:c1': { sessionId: 's-slack', updatedAt: 9 },
  });
  const line = (id: string, message: object) => JSON.stringify({ type: 'message', id, parentId: null, timestamp: 'x', message });
  const lines = [
    JSON.stringify({ type: 'session', version: 3, id: 's-main' }),
    line('1', { role: 'user', content: [{ type: 'text', text: 'chat one' }] }),
    line('2', {
      role: 'assistant',
      content: [{ type: 'toolCall', id: 'c1', name: 'exec', arguments: { command: 'ls' } }],
      stopReason: 'toolUse',
      provider: 'mock',
      model: 'm1',
    }),
    line('3', { role: 'toolResult', toolCallId: 'c1', toolName: 'exec', content: [{ type: 'text', text: 'file' }], isError: false }),
    '{"type":"message","id":"half',
    line('4', { role: 'assistant', content: [{ type: 'text', text: 'answer one' }], stopReason: 'stop', provider: 'mock', model: 'm1' }),
  ];
  writeFileSync(join(sessions, 's-main.jsonl'), `${lines.join('\n')}\n`);
  drop(join(state, 'devices', 'paired.json'), {
    d1: { deviceId: 'd1', publicKey: 'k', role: 'operator', scopes: ['operator.read'], platform: 'linux', tokens: { operator: { token: 'secret' } } },
  });
  drop(join(state, 'exec-approvals.json'), { version: 1, agents: { main: { allowlist: [{ id: 'a', pattern: '/usr/bin/git' }] } } });
  return state;
}

function writeTeam(dir: string): string {
  const workspace = join(dir, 'old', 'clawd');
  mkdirSync(workspace, { recursive: true });
  const root = makeScheduler(workspace);
  drop(join(root, 'inboxes', 'coordinator', '$(date +%s)-a.json'), { id: '$(date +%s)', from: 'validator', subject: 'waits', content: 'x' });
  drop(join(root, 'inboxes', 'coordinator', 'archive', 'b.json'), { from: 'validator', subject: 'was read', content: 'y' });
  drop(join(root, 'inboxes', 'coordinator', 'c.json'), '{"subject": "broken');
  drop(join(root, 'spawn-queue', 'processing', 'lost.json'), { requestId: 'lost', spawn: { task: 't' } });
  drop(join(root, 'spawn-queue', 'responses', 'nobody.json'), { requestId: 'nobody', status: 'spawned' });
  drop(join(workspace, 'PROACTIVE-JOBS.md'), '## Alpha\n### p1: One\n- Status: ✅ complete\n### p2: Two\n- Status: pending\n');
  drop(join(root, 'progress', 'p2.md'), 'notes');
  drop(join(root, 'heartbeats', 'p2.json'), { task: 'p2', status: 'running' });
  return workspace;
}

async function withOld(t: Cleanup) {
  const journey = await startJourney(t, { scenario: SCENARIO });
  const state = writeOriginal(journey.dir);
  const workspace = writeTeam(journey.dir);
  return { ...journey, state, old: workspace, take: (...more: string[]) => journey.installation.cli(['import', state, workspace, '--json', ...more]) };
}

it('a dry run counts and takes nothing; the import takes all, changes no byte, and a second one adds only what is new', async (t) => {
  const { client, dir, state, old, take } = await withOld(t);
  const before = everyFile(join(dir, 'old'));
  const dry = JSON.parse((await take('--dry-run')).stdout);
  const found = Object.fromEntries(Object.entries(dry.counts as Record<string, { found: number }>).map(([what, { found: n }]) => [what, n]));
  assert.deepEqual(found, {
    'configuration keys': 1,
    jobs: 3,
    sessions: 2,
    devices: 1,
    'credential and approval files': 1,
    messages: 2,
    tasks: 2,
    'progress notes': 1,
    heartbeats: 1,
  });
  assert.deepEqual([dry.lostRequests, dry.orphanResponses], [['lost'], ['nobody']]);
  assert.ok(dry.unreadable.some(({ path }: { path: string }) => path.endsWith('coordinator/c.json')));
  assert.ok(dry.repaired.some(({ problem }: { problem: string }) => problem.startsWith('1 lines')));
  assert.equal((await ask(client, 'sessions.list', {})).sessions.length, 0);

  const done = await take();
  assert.equal(done.code, 0, done.stderr);
  const report = JSON.parse(done.stdout);
  assert.deepEqual([report.counts.jobs.taken, report.counts.sessions.taken, report.counts.messages.taken, report.counts.tasks.taken], [2, 2, 2, 2]);
  assert.deepEqual(everyFile(join(dir, 'old')), before, 'not a byte');
  const { messages } = await ask(client, 'chat.history', { sessionKey: 'main' });
  assert.deepEqual(
    messages.map(({ role }: { role: string }) => role),
    ['user', 'assistant', 'toolResult', 'assistant'],
  );
  assert.equal((await ask(client, 'tasks.get', { name: 'p1' })).task.state, 'closed_unproven');
  const mail = (await ask(client, 'inbox.list', { box: 'coordinator', all: true })).messages;
  assert.deepEqual(mail.map(({ subject, state: now }: { subject: string; state: string }) => `${subject}: ${now}`).toSorted(), [
    'waits: queued',
    'was read: read',
  ]);

  drop(join(old, 'scheduler', 'inboxes', 'coordinator', 'new.json'), { from: 'validator', subject: 'new', content: 'z' });
  writeFileSync(
    join(state, 'agents', 'main', 'sessions', 's-slack.jsonl'),
    `${JSON.stringify({ type: 'message', id: '1', message: { role: 'user', content: 'late' } })}\n`,
  );
  const second = JSON.parse((await take()).stdout);
  assert.deepEqual(
    [second.counts.jobs.taken, second.counts.sessions.taken, second.counts.messages.taken, second.counts.tasks.taken, second.counts.devices.taken],
    [0, 1, 1, 0, 0],
  );
});

it('a workspace in use is only looked at, until its parts are taken over one by one; switched off it is as it was', async (t) => {
  const { client, installation, gateway, workspace } = await startJourney(t, { scenario: SCENARIO });
  await client.close();
  gateway.child.kill('SIGTERM');
  await gateway.exited;
  const root = makeScheduler(workspace);
  drop(join(root, 'inboxes', 'coordinator', 'a.json'), { from: 'validator', subject: 'a', content: 'x' });
  drop(join(root, 'spawn-queue', 'requests', 'r.json'), { requestId: 'r', spawn: { task: 'do' } });
  const before = everyFile(root);
  await installation.start();
  const status = async () => JSON.parse((await installation.cli(['workspace', 'status', '--json'])).stdout);
  const seen = await until('what it would take', async () => {
    const now = await status();
    return now.observed.inbox && now.observed['spawn-queue'] && now;
  });
  assert.deepEqual([seen.phases.inbox, seen.phases['spawn-queue'], seen.phases.cron], ['observe', 'observe', 'on']);
  assert.deepEqual([seen.observed.inbox.messages, seen.observed['spawn-queue'].requests], [1, 1]);
  assert.deepEqual(everyFile(root), before);

  // Each part on, off and on again: what comes in between is taken when it is on.
  assert.equal((await installation.cli(['workspace', 'phase', 'inbox', 'on'])).code, 0);
  const count = async () => JSON.parse((await installation.cli(['inbox', 'list', 'coordinator', '--all', '--json'])).stdout).messages.length;
  await until('the mail', async () => (await count()) === 1);
  await installation.cli(['workspace', 'phase', 'inbox', 'off']);
  drop(join(root, 'inboxes', 'coordinator', 'b.json'), { from: 'validator', subject: 'b', content: 'y' });
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(await count(), 1, 'off leaves it alone');
  await installation.cli(['workspace', 'phase', 'all', 'on']);
  await until('both', async () => (await count()) === 2);
  await until('the spawn', () => namesIn(root, 'spawn-queue', 'responses').includes('r.json'));
  await installation.cli(['workspace', 'phase', 'all', 'off']);
  assert.equal(namesIn(root, 'inboxes', 'coordinator').filter((name) => !name.startsWith('msg_')).length, 2, 'unread mail lies where agents of old look');
});

it('jobs whose work is code now are held while that part is on, and released with it', async (t) => {
  const { client, workspace } = await startJourney(t, { scenario: SCENARIO });
  makeScheduler(workspace);
  const add = await ask(client, 'cron.add', {
    name: 'Spawn Processor',
    schedule: { kind: 'every', everyMs: 1000 },
    sessionTarget: 'isolated',
    payload: { kind: 'agentTurn', message: 'look into the queue' },
  });
  await ask(client, 'workspace.phase', { parts: ['spawn-queue'], phase: 'on' });
  const entries = () => ask(client, 'cron.runs', { id: add.id }).then((found) => found.entries);
  await until('a held slot', async () => (await entries()).some(({ summary }: { summary: string }) => summary?.startsWith('held')));
  await ask(client, 'workspace.phase', { parts: ['spawn-queue'], phase: 'off' });
  await until('a slot that runs', async () => (await entries()).some(({ status }: { status: string }) => status === 'ok'));
});

it('the state folder of the original itself: its sessions are taken, its first files are kept', async (t) => {
  const { client, installation } = await startJourney(t, { scenario: SCENARIO });
  const sessions = join(installation.stateDir, 'agents', 'main', 'sessions');
  drop(join(sessions, 'sessions.json'), { 'agent:main:slack:channel:c1': { sessionId: 's-1', updatedAt: 9 } });
  writeFileSync(join(sessions, 's-1.jsonl'), `${JSON.stringify({ type: 'message', id: '1', message: { role: 'user', content: 'from before' } })}\n`);
  assert.match((await installation.cli(['doctor'])).stdout, /original\.sessions/);
  const done = await installation.cli(['import', installation.stateDir]);
  assert.match(done.stdout, /sessions +1 +1/);
  assert.match(done.stdout, /The first originals are kept in .*imported/);
  const { messages } = await ask(client, 'chat.history', { sessionKey: 'agent:main:slack:channel:c1' });
  assert.equal(messages[0].content[0].text, 'from before');
  assert.ok([...everyFile(join(installation.stateDir, 'imported')).keys()].some((path) => path.endsWith('clawdbot.json')));
});
