// A team from nothing: made with one command, drawn, asked for its rights, kept true, and at work by mail.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ask, order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'team',
  rules: [
    { when: { user: 'please split this[^]*' }, text: 'split' },
    { when: { user: 'start a (\\S+)', step: 0 }, tools: [{ name: 'sessions_spawn', input: { task: 'work', role: '{{user.1}}', label: 'helper' } }] },
    { when: { user: 'start a', result: '([^]*)' }, text: '{{result.1}}' },
    { text: 'heard' },
  ],
};

it('team init makes a team that works, and doing it twice changes nothing', async (t) => {
  const { installation, client, workspace, simulator } = await startJourney(t, { scenario: SCENARIO });
  const made = await installation.cli(['team', 'init', '--json']);
  assert.equal(made.code, 0, made.stderr);
  assert.deepEqual(JSON.parse(made.stdout).jobs, ['memory-sync', 'person-manager', 'coordinator', 'task-managers', 'validator', 'proactive-scheduler']);
  for (const path of ['coordinator/IDENTITY.md', 'workers/IDENTITY.md', 'inboxes/validator/archive', 'spawn-queue/requests', 'INDEX.md', 'roles.json5'])
    assert.ok(existsSync(join(workspace, 'scheduler', path)), path);
  assert.match(readFileSync(join(workspace, 'docs', 'CRON-SETUP.md'), 'utf8'), /\| coordinator \| `0,30 \* \* \* \*`/);
  const again = await installation.cli(['team', 'init']);
  assert.match(again.stdout, /complete already/);
  const { agents } = await ask(client, 'agents.list');
  assert.deepEqual(
    agents.map(({ id }: { id: string }) => id),
    ['main', 'person-manager', 'story-architect', 'coordinator', 'validator', 'task-manager', 'worker-impl', 'worker-cmd'],
  );

  await ask(client, 'inbox.send', { to: 'coordinator', subject: 'a story', content: 'please split this' });
  await until('the coordinator reads its mail', async () => (await ask(client, 'inbox.list', { box: 'coordinator', all: true })).messages[0]?.state === 'read');
  const request = simulator.latestBody();
  assert.match(request, /You are the coordinator of the team/);
  assert.match(request, /You may not: [^"]*merge a task and set it done/);
  assert.match(request, /# Coordinator/, 'its identity');
  const shown = await installation.cli(['team', 'show']);
  assert.match(shown.stdout, /^main · any.* └─ person-manager.*└─ coordinator.*└─ task-manager/s);
});

it('the rights of a role hold, and can be asked for', async (t) => {
  const { installation, client } = await startJourney(t, { scenario: SCENARIO });
  await ask(client, 'team.init', {});
  const start = async (agent: string, role: string) => JSON.parse(textOf(await order(client, `start a ${role}`, { session: `agent:${agent}:main` })));
  const task = await start('coordinator', 'task-manager');
  assert.equal(task.status, 'accepted');
  assert.match(task.childSessionKey, /^agent:task-manager:subagent:/, 'the agent of the role');
  assert.deepEqual((await start('coordinator', 'worker-impl')).rule, 'role');
  const explain = (...words: string[]) => installation.cli(['roles', 'explain', ...words]);
  assert.match((await explain('coordinator', 'spawn', 'task-manager')).stdout, /^allowed: roles\.coordinator\.spawns\.task-manager/);
  const denied = await explain('worker-impl', 'task.finish');
  assert.deepEqual([denied.code, /^denied: .*gateway alone/.test(denied.stdout)], [1, true]);
  assert.match((await explain('person-manager', 'plan.approve')).stdout, /^allowed, within the budget delegated/);
});

it('roles.json5 is the policy: an edit holds at once, a broken one changes nothing', async (t) => {
  const { client, installation } = await startJourney(t, { scenario: SCENARIO });
  const path = join(installation.stateDir, 'roles.json5');
  const allowed = async () => (await ask(client, 'roles.explain', { role: 'coordinator', action: 'spawn:worker-impl' })).allowed;
  assert.equal(await allowed(), false);
  writeFileSync(path, "// mine\n{ roles: { coordinator: { spawns: { 'worker-impl': 'yes' } } } }");
  await until('the new policy', allowed);
  writeFileSync(path, '{ roles: { coordinator: { spawns: { everybody: "yes" } } } }');
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(await allowed(), true);
  writeFileSync(path, '{ roles: ');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await allowed(), true);
});

it('documents follow the policy, and an edit of one is a proposal to the owner', async (t) => {
  const { client, workspace, installation } = await startJourney(t, { scenario: SCENARIO });
  await ask(client, 'team.init', {});
  const cron = join(workspace, 'docs', 'CRON-SETUP.md');
  await ask(client, 'cron.add', {
    name: 'nightly',
    schedule: { kind: 'cron', expr: '0 3 * * *' },
    sessionTarget: 'isolated',
    payload: { kind: 'agentTurn', message: 'go' },
  });
  await until('the new job in the guide', () => readFileSync(cron, 'utf8').includes('nightly'));
  const index = join(workspace, 'scheduler', 'INDEX.md');
  const before = readFileSync(index, 'utf8');
  writeFileSync(index, before.replace('request', 'yes'));
  await until('its text is back', () => readFileSync(index, 'utf8') === before);
  writeFileSync(join(installation.stateDir, 'roles.json5'), "{ roles: { validator: { schedule: '5 4 * * *' } } }");
  await until('the job follows the policy', async () =>
    (await ask(client, 'cron.list', { includeDisabled: true })).jobs.some(
      (job: { name: string; schedule: { expr: string } }) => job.name === 'validator' && job.schedule.expr === '5 4 * * *',
    ),
  );
  await until('and so does the guide', () => readFileSync(cron, 'utf8').includes('5 4 * * *'));
  const { messages } = await ask(client, 'inbox.list', { box: 'human' });
  assert.match(messages[0].subject, /A proposal: somebody edited scheduler\/INDEX\.md/);
});

it('an identity with conflict markers is reported and not shown; models do not fall below the floor of a role; why names messages and tasks', async (t) => {
  const { client, installation, workspace, simulator } = await startJourney(t, { scenario: SCENARIO });
  await ask(client, 'team.init', {});
  writeFileSync(
    join(workspace, 'scheduler', 'coordinator', 'IDENTITY.md'),
    '# Coordinator\n<<<<<<< ours\nsecret-ours\n=======\nsecret-theirs\n>>>>>>> theirs\n',
  );
  await until('the report', async () =>
    (await ask(client, 'inbox.list', { box: 'human' })).messages.some(
      ({ subject }: { subject: string }) => subject === 'scheduler/coordinator/IDENTITY.md has unresolved conflict markers',
    ),
  );
  await order(client, 'hello', { session: 'agent:coordinator:main' });
  assert.match(simulator.latestBody(), /holds unresolved conflict markers/);
  assert.doesNotMatch(simulator.latestBody(), /secret-ours/);
  writeFileSync(join(installation.stateDir, 'roles.json5'), '{ roles: { "worker-impl": { model: "simulator/sonnet", modelFloor: "sonnet" } } }');
  await until('the policy', async () => (await ask(client, 'roles.list')).roles['worker-impl'].model === 'simulator/sonnet');
  const { spawn } = await ask(client, 'spawns.request', { task: 'x', role: 'worker-impl' });
  await ask(client, 'spawns.wait', { id: spawn.id });
  assert.equal(simulator.requests().at(-1)?.model, 'sonnet');
  const { id } = await ask(client, 'inbox.send', { to: 'validator-of-another-team', subject: 'who reads this', content: 'x' });
  const why = async (name: string) => (await ask(client, 'why', { id: name })).why;
  assert.deepEqual([(await why(id)).kind, (await why(id)).waitingFor], ['message', 'the next turn of its agent']);
  await ask(client, 'tasks.add', { name: 'p7-7', title: 't' });
  assert.deepEqual([(await why('p7-7')).kind, (await why('p7-7')).owner], ['task', 'the task manager']);
});
