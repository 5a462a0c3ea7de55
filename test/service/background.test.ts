// Where no systemd runs the same verbs keep the gateway in the background.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { createInstallation } from '../support/installation.ts';
import { scratchDir, until } from '../support/scratch.ts';

it('start, kill -9, restart, stop: kept by a process of its own', async (t) => {
  const dir = scratchDir(t);
  const nothing = join(dir, 'bin');
  mkdirSync(nothing);
  const installation = await createInstallation({
    dir,
    env: { PATH: nothing, XDG_RUNTIME_DIR: join(dir, 'none') },
    config: { gateway: { port: 28_947, drainSeconds: 1, auth: { mode: 'token', token: 'a'.repeat(32) } } },
  });
  t.after(() => installation.cli(['gateway', 'stop']));
  t.after(() => installation.close());
  const state = async () => JSON.parse((await installation.cli(['gateway', 'status', '--json'])).stdout);

  const refused = await installation.cli(['gateway', 'install']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^Gateway service check failed: Error: systemctl --user unavailable: [\s\S]*gateway start/);
  const started = await installation.cli(['gateway', 'start']);
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stdout, /started \(PID \d+\)[\s\S]*in the background/);
  const first = await state();
  assert.deepEqual([first.service.manager, first.service.runtime.status, first.rpc.ok], ['background', 'running', true]);
  process.kill(first.process.pid, 'SIGKILL');
  const second = await until('another gateway', async () => {
    const now = await state();
    return now.process !== null && now.process.pid !== first.process.pid && now.rpc.ok && now;
  });
  assert.equal(second.service.runtime.restarts, 1);
  const restarted = await installation.cli(['gateway', 'restart']);
  assert.equal(restarted.code, 0, restarted.stderr);
  assert.notEqual((await state()).process.pid, second.process.pid);
  const stopped = await installation.cli(['gateway', 'stop']);
  assert.match(stopped.stdout, /^stopped \(PID \d+\)/);
  assert.equal((await state()).service.manager, 'none');
});
