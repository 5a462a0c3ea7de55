// Commands of agents: run, asked about or refused.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EXEC_ASK, EXEC_SECURITY, type ExecPolicy, judgeExec, judgeUnanswered, plainProgram, stricter } from './exec-policy.ts';

const policy = (more: Partial<ExecPolicy>): ExecPolicy => ({ security: 'full', ask: 'off', askFallback: 'deny', allowlist: ['/usr/bin/g*'], ...more });

it('runs, asks or refuses by security, ask and the allowlist', () => {
  const table: [Partial<ExecPolicy>, string | undefined, string][] = [
    [{}, '/usr/bin/rm', 'run'],
    [{ security: 'deny', ask: 'always' }, '/usr/bin/git', 'refuse'],
    [{ ask: 'always' }, '/usr/bin/git', 'ask'],
    [{ ask: 'on-miss' }, '/usr/bin/rm', 'run'],
    [{ security: 'allowlist' }, '/usr/bin/git', 'run'],
    [{ security: 'allowlist' }, '/usr/bin/rm', 'refuse'],
    [{ security: 'allowlist' }, undefined, 'refuse'],
    [{ security: 'allowlist', ask: 'on-miss' }, '/usr/bin/git', 'run'],
    [{ security: 'allowlist', ask: 'on-miss' }, '/opt/usr/bin/git', 'ask'],
    [{ security: 'allowlist', ask: 'on-miss' }, undefined, 'ask'],
  ];
  for (const [more, program, verdict] of table) assert.equal(judgeExec(policy(more), program), verdict, JSON.stringify([more, program]));
});

it('falls back to what was said for silence', () => {
  assert.equal(judgeUnanswered(policy({}), '/usr/bin/git'), false);
  assert.equal(judgeUnanswered(policy({ askFallback: 'allowlist' }), '/usr/bin/git'), true);
  assert.equal(judgeUnanswered(policy({ askFallback: 'allowlist' }), '/usr/bin/rm'), false);
  assert.equal(judgeUnanswered(policy({ askFallback: 'full' }), undefined), true);
});

it('tells the program of plain commands only', () => {
  for (const [command, program] of [
    ['git status -s', 'git'],
    ['  /usr/bin/git log --format="%h %s"', '/usr/bin/git'],
    ["grep 'two words' file", 'grep'],
  ] as const)
    assert.equal(plainProgram(command), program);
  const chained = [
    'git status; rm x',
    'git $(rm x)',
    'git `rm x`',
    'git && rm x',
    'git | sh',
    'git > /etc/passwd',
    'git\nrm x',
    'A=1 git',
    '',
    "'g'it",
    'git \\\nrm',
  ];
  for (const command of chained) assert.equal(plainProgram(command), undefined, command);
});

it('the stricter of two wins', () => {
  assert.equal(stricter(EXEC_SECURITY, 'full', 'allowlist'), 'allowlist');
  assert.equal(stricter(EXEC_SECURITY, 'deny', 'full'), 'deny');
  assert.equal(stricter(EXEC_ASK, 'on-miss', undefined), 'on-miss');
});
