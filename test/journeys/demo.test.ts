// npm run demo carries its order out for real: another repository or a broken one does not pass.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../support/installation.ts';
import { scratchDir } from '../support/scratch.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function runDemo(t: TestContext, ...args: readonly string[]) {
  return runCommand(
    process.execPath,
    [join(ROOT, 'demo', 'repair.ts'), ...args],
    { PATH: process.env['PATH'] ?? '', HOME: scratchDir(t), TMPDIR: scratchDir(t) },
    ROOT,
  );
}

/** A copy of the demo's repository with something changed, committed. */
function repository(t: TestContext, change: (source: string) => string): string {
  const dir = join(scratchDir(t), 'repo');
  cpSync(join(ROOT, 'demo', 'shop'), dir, { recursive: true });
  const source = join(dir, 'src', 'basket.js');
  writeFileSync(source, change(readFileSync(source, 'utf8')));
  const git = (...args: readonly string[]) => execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: dir });
  git('init', '-q');
  git('add', '.');
  git('commit', '-qm', 'x');
  return dir;
}

it('repairs the shop, with the worker killed in the middle', async (t) => {
  const { code, stdout } = await runDemo(t);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /\+ {2}return count - Math\.floor\(count \/ 3\)/);
  assert.match(stdout, /tests: {5}pass/);
  assert.match(stdout, /kill -9: .* the same run went on \d+ ms later/);
  assert.match(stdout, /sandbox: {3}(bwrap|none)/);
});

it('exits with 1 when the mistake is another than the scenario knows', async (t) => {
  const dir = repository(t, (source) => source.replace('Math.ceil(count / 3)', 'Math.round(count / 2)'));
  const { code, stdout } = await runDemo(t, '--repo', dir);
  assert.equal(code, 1, stdout);
  assert.match(stdout, /do not see the mistake I know/);
});

it('works the same on another repository with a scenario for it', async (t) => {
  const dir = repository(t, (source) => source.replace('Math.ceil(count / 3)', 'Math.trunc(count / 4)'));
  const scenario = join(scratchDir(t), 'scenario.json5');
  const test = { name: 'exec', input: { command: 'npm test 2>&1' } };
  const rules = [
    { when: { result: 'interrupted, may have run' }, tools: [test] },
    { when: { step: 0 }, tools: [test] },
    {
      when: { tool: 'exec', result: 'fail [1-9]' },
      tools: [{ name: 'edit', input: { path: 'src/basket.js', oldText: 'Math.trunc(count / 4)', newText: 'Math.floor(count / 3)' } }],
    },
    { when: { tool: 'edit', result: 'Replaced' }, tools: [test] },
    { when: { result: 'fail 0' }, text: 'It counted groups of four.' },
  ];
  writeFileSync(scenario, JSON.stringify({ name: 'other', rules }));
  const { code, stdout } = await runDemo(t, '--repo', dir, '--scenario', scenario);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /It counted groups of four/);
});
