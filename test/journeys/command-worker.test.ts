// A worker for commands: it gets a list of words and no shell, and where every command is listed no model is asked.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ask, startJourney, workerPid } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'commands',
  rules: [
    { when: { user: 'what is there', step: 0 }, tools: [{ name: 'exec_listed', input: { i: 0 } }] },
    {
      when: { user: 'what is there', step: 1 },
      tools: [
        { name: 'exec', input: { command: 'rm -rf x' } },
        { name: 'exec_listed', input: { i: 7 } },
      ],
    },
    { when: { user: 'what is there', result: 'not found[^]*no command 7' }, text: 'there is a file' },
    { text: 'heard' },
  ],
};

it('listed commands run without a model, in order, up to the first that fails', async (t) => {
  const { client, workspace, simulator } = await startJourney(t, { scenario: SCENARIO });
  writeFileSync(join(workspace, 'a.txt'), 'hello');
  const commands = [
    { argv: ['cat', 'a.txt'] },
    { argv: ['printf', '%s\n', '$(touch hacked)', 'x; touch hacked'] },
    { argv: ['false'] },
    { argv: ['touch', 'never'] },
  ];
  const { spawn } = await ask(client, 'spawns.request', { role: 'worker-cmd', commands });
  const { spawn: done } = await ask(client, 'spawns.wait', { id: spawn.id });
  assert.equal(done.runState, 'failed');
  assert.match(
    done.result.text,
    /Run by the gateway without a model.*\$ cat a\.txt\nexit code 0, output sha256 [0-9a-f]{64}\nhello.*\$\(touch hacked\)\nx; touch hacked.*\$ false\nexit code 1.*Not run: touch never/s,
  );
  assert.match(done.result.error, /command 2 failed/);
  assert.deepEqual([existsSync(join(workspace, 'hacked')), existsSync(join(workspace, 'never'))], [false, false]);
  assert.equal(simulator.requests().length, 0, 'no model was asked');
});

it('with a task a model looks at what came of them, and has no shell', async (t) => {
  const { client, workspace } = await startJourney(t, { scenario: SCENARIO });
  writeFileSync(join(workspace, 'a.txt'), 'hello');
  const { spawn } = await ask(client, 'spawns.request', { role: 'worker-cmd', task: 'what is there', commands: [{ argv: ['ls'] }] });
  const { spawn: done } = await ask(client, 'spawns.wait', { id: spawn.id });
  assert.deepEqual([done.runState, done.result.text], ['succeeded', 'there is a file']);
  await assert.rejects(ask(client, 'spawns.request', { role: 'worker-cmd', task: 'do something' }), /runs only what its task lists/);
  await assert.rejects(ask(client, 'spawns.request', {}), /needs a task, or a list of commands/);
});

it('a command that a crash hid is not run again', async (t) => {
  const { client, workspace } = await startJourney(t, { scenario: SCENARIO });
  const commands = [{ argv: ['sh', '-c', 'echo once >> log; sleep 30'] }, { argv: ['touch', 'never'] }];
  const { spawn } = await ask(client, 'spawns.request', { role: 'worker-cmd', commands });
  await until('the command', () => existsSync(join(workspace, 'log')));
  process.kill(await workerPid(client), 'SIGKILL');
  const { spawn: done } = await ask(client, 'spawns.wait', { id: spawn.id }, 20_000);
  assert.equal(done.runState, 'failed');
  assert.match(done.result.text, /interrupted, may have run/);
  assert.equal(existsSync(join(workspace, 'never')), false);
});
