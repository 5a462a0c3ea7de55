// npm run demo carries its order out for real, through a whole team.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../support/installation.ts';
import { scratchDir } from '../support/scratch.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('takes an order through a whole team, refutes the cheat, and proves the same again', async (t) => {
  const env = { PATH: process.env['PATH'] ?? '', HOME: scratchDir(t), TMPDIR: scratchDir(t) };
  const { code, stdout } = await runCommand(process.execPath, [join(ROOT, 'demo', 'demo.ts')], env, ROOT);
  assert.equal(code, 0, stdout);
  for (const line of [
    /US-1 draft → lint_failed[\s\S]*US-1 draft → in_review[\s\S]*US-1-a proving → ready: refuted by G3/,
    /cheat: {5}refuted by G3/,
    /US-1-a done \(sent back 1x\), US-1-b done/,
    /kill -9: .* the same run went on/,
    /replay: {4}the same/,
  ])
    assert.match(stdout, line);
});
