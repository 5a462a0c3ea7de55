// `clawdbot why` names what a thing waits for, whose move it is, and what happens next.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, order, startJourney } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'why',
  rules: [
    { when: { user: 'slow' }, text: 'slow words '.repeat(3000), stream: { chunk: 11, delayMs: 25 } },
    { when: { user: 'delegate', step: 0 }, tools: [{ name: 'sessions_spawn', input: { task: 'slow work', label: 'helper' } }] },
    { when: { user: 'delegate', step: 1 }, tools: [{ name: 'sessions_await', input: {} }] },
    { when: { user: 'command', step: 0 }, tools: [{ name: 'exec', input: { command: 'true' } }] },
    { text: 'heard {{user}}' },
  ],
};

it('every state of a run, a spawn, a session and a job is explained', async (t) => {
  const { client, installation, gateway } = await startJourney(t, {
    scenario: SCENARIO,
    config: { agents: { defaults: { maxConcurrent: 2 } }, tools: { exec: { ask: 'always' } }, messages: { queue: { mode: 'collect', debounceMs: 60_000 } } },
  });
  const why = async (id: string) => (await ask(client, 'why', { id })).why;
  const state = (id: string, wanted: string) =>
    until(`${id} ${wanted}`, async () => (await ask(client, 'runs.get', { runId: id }).catch(() => ({ state: 'unknown' }))).state === wanted);
  const go = (key: string, message: string, session: string) => void order(client, message, { key, session }).catch(() => undefined);

  go('cmd', 'command please', 'c');
  await state('cmd', 'waiting');
  const command = await why('cmd');
  assert.deepEqual([command.state, command.owner], ['waiting', 'a person']);
  assert.match(command.waitingFor, /your answer to a command/);
  assert.equal(command.next.action, 'go on without it');

  go('parent', 'delegate', 'p');
  await state('parent', 'waiting');
  const parent = await why('parent');
  assert.match(parent.waitingFor, /all of 1 sub-agents/);
  assert.deepEqual([parent.because[0].kind, parent.because[0].state], ['run', 'running']);
  const helper = await why(parent.because[0].name);
  assert.deepEqual([helper.kind, helper.name, helper.state], ['spawn', 'helper', 'started']);

  go('slow1', 'slow one', 'a');
  go('slow2', 'slow two', 'b');
  await state('slow1', 'running');
  await state('slow2', 'running');
  assert.match((await why('slow1')).owner, /^worker worker_\S+, attempt 1$/);
  go('third', 'hello', 'd');
  await until('the third', async () => (await why('third').catch(() => undefined))?.state === 'queued');
  assert.match((await why('third')).waitingFor, /a slot of the lane main: 2 of 2 are taken, position 1/);
  go('behind', 'hello', 'a');
  await until('the one behind', async () => (await why('behind').catch(() => undefined))?.state === 'queued');
  const behind = await why('behind');
  assert.match(behind.waitingFor, /run slow1 of its session, position 1/);
  assert.equal(behind.because[0].name, 'slow1');
  assert.equal((await why('agent:main:a')).waitingFor, 'run slow1');

  await ask(client, 'runs.abort', { sessionKey: 'a' });
  await ask(client, 'runs.abort', { runId: 'slow2' });
  await state('third', 'succeeded');
  assert.match((await why('slow2')).next.action, /^none: /);
  await ask(client, 'cron.add', {
    name: 'daily',
    schedule: { kind: 'every', everyMs: 3_600_000 },
    sessionTarget: 'main',
    payload: { kind: 'systemEvent', text: 'x' },
  });
  const job = await why('daily');
  assert.deepEqual([job.kind, job.state, job.waitingFor, job.next.action], ['job', 'scheduled', 'its next slot', 'run']);

  const env = { CLAWDBOT_GATEWAY_PORT: String(gateway.port) };
  const told = await installation.cli(['why', 'parent'], env);
  assert.match(
    told.stdout,
    /^run parent: waiting\n {2}owner +the sub-agents\n {2}waits for +all of 1 sub-agents, since \d+s\n {2}last progress +run\.waiting[\s\S]*\n {2}run [0-9a-f-]{36}: running\n/,
    told.stderr,
  );
  const unknown = await installation.cli(['why', 'nothing'], env);
  assert.deepEqual([unknown.code, /nothing is called "nothing"/.test(unknown.stderr)], [1, true]);
});
