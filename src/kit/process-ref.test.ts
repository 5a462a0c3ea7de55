// Leftovers are killed with their groups; strangers are not.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { it } from 'node:test';
import { until } from '../../test/support/scratch.ts';
import { killLeftover, startTimeOf } from './process-ref.ts';

function startGroup(command: string) {
  const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const pid = child.pid ?? 0;
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return {
    pid,
    pidStarted: startTimeOf(pid),
    member: () => until('the member', () => Number(output) || undefined),
    exited: new Promise((resolve) => child.once('exit', resolve)),
  };
}

it('kills the process and everything in its group', async () => {
  const group = startGroup('sleep 60 & echo $!; wait');
  const member = await group.member();
  assert.ok(killLeftover(group));
  await until('both are gone', () => startTimeOf(group.pid) === '' && startTimeOf(member) === '');
});

it('kills the group of a leader that has ended already', async () => {
  const group = startGroup('sleep 60 & echo $!; sleep 0.3'); // long enough to be known
  const member = await group.member();
  await group.exited;
  assert.ok(killLeftover(group));
  await until('the member is gone', () => startTimeOf(member) === '');
});

it('leaves a later process under the same pid alone', async (t) => {
  const group = startGroup('sleep 60 & echo $!; wait');
  t.after(() => killLeftover(group));
  const member = await group.member();
  assert.equal(killLeftover({ pid: group.pid, pidStarted: '1' }), false);
  assert.notEqual(startTimeOf(member), '');
});
