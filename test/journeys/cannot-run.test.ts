// Where the gateway cannot run it says why, exits with 78 and leaves the data alone; where it can, it does.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { connectClient, createInstallation } from '../support/installation.ts';
import { health, order, startJourney, textOf } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';

const SCENARIO = { name: 'ok', rules: [{ text: 'heard {{user}}' }] };
const isRoot = process.getuid?.() === 0;

const failsWith = (start: Promise<unknown>, exitCode: number, message: RegExp) =>
  assert.rejects(start, (error: { exitCode?: number; output?: string }) => {
    assert.equal(error.exitCode, exitCode, error.output);
    assert.match(error.output ?? '', message);
    return true;
  });

it('a second gateway on the same state is refused, the first goes on', async (t) => {
  const { client, installation } = await startJourney(t, { scenario: SCENARIO });
  await failsWith(installation.start(), 78, /another gateway is running on this state.*clawdbot gateway stop/s);
  assert.equal(textOf(await order(client, 'hi')), 'heard hi');
});

it('a port that is taken is named', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const other = await createInstallation({ dir: scratchDir(t) });
  t.after(() => other.close());
  await failsWith(other.start(['--port', String(gateway.port)]), 78, /port \d+ is in use.*--port/s);
});

it('a damaged store is refused and not touched', async (t) => {
  const installation = await createInstallation({ dir: scratchDir(t) });
  const path = join(installation.stateDir, 'gateway.sqlite');
  const damage = 'no database at all '.repeat(1000);
  writeFileSync(path, damage);
  await failsWith(installation.start(), 78, /damaged.*Nothing was changed/s);
  assert.equal(readFileSync(path, 'utf8'), damage);
});

it('a state folder that cannot be written is refused', { skip: isRoot && !canMount() ? 'needs a user without root rights, or mounts' : false }, async (t) => {
  const dir = isRoot ? mountTmpfs(t, '1m') : scratchDir(t);
  const installation = await createInstallation({ dir });
  if (isRoot) execFileSync('mount', ['-o', 'remount,ro', dir]);
  else {
    chmodSync(installation.stateDir, 0o500);
    t.after(() => chmodSync(installation.stateDir, 0o700));
  }
  await failsWith(installation.start(), 78, /cannot use the state folder: no right to write.*CLAWDBOT_STATE_DIR/s);
});

it('a full disk: nothing is acknowledged that is not durable, and work goes on when there is room again', {
  skip: canMount() ? false : 'needs root to mount a small tmpfs',
  timeout: 60_000,
}, async (t) => {
  const dir = mountTmpfs(t, '16m');
  const installation = await createInstallation({ dir, scenario: SCENARIO });
  t.after(() => installation.close());
  const gateway = await installation.start();
  const client = await connectClient(gateway.port);
  t.after(() => client.close());
  assert.equal(textOf(await order(client, 'before')), 'heard before');
  const ballast = join(dir, 'ballast');
  spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=64k']);
  const accepted: string[] = [];
  let refusals = 0;
  for (let i = 0; i < 200 && refusals < 3; i++) {
    try {
      await client.call('chat.send', { sessionKey: `s${i}`, message: 'x'.repeat(20_000), idempotencyKey: `full-${i}` });
      accepted.push(`full-${i}`);
    } catch (error) {
      assert.match(String(error), /the disk is full: nothing was written/);
      refusals += 1;
    }
  }
  assert.ok(refusals >= 3, 'the disk never got full');
  assert.equal((await health(client)).ok, true, 'the gateway itself stays');
  rmSync(ballast);
  assert.equal(textOf(await until('room again', () => order(client, 'after').catch(() => undefined))), 'heard after');
  for (const runId of accepted) assert.equal(((await client.call('agent.wait', { runId, timeoutMs: 20_000 })) as { status: string }).status, 'ok', runId);
});

it('a first start on a full disk is refused', { skip: canMount() ? false : 'needs root to mount a small tmpfs' }, async (t) => {
  const dir = mountTmpfs(t, '1m');
  const installation = await createInstallation({ dir });
  spawnSync('dd', ['if=/dev/zero', `of=${join(dir, 'ballast')}`, 'bs=4k']);
  await failsWith(installation.start(), 78, /disk.*full/s);
});

it('a configuration that is not valid does not stop the gateway; health and the start say so', async (t) => {
  const { installation, gateway, client } = await startJourney(t, { scenario: SCENARIO });
  await client.call('health');
  client.close();
  gateway.child.kill('SIGTERM');
  await gateway.exited;
  const path = join(installation.stateDir, 'clawdbot.json');
  const broken = '{ gateway: { port: "oops" } }';
  writeFileSync(path, broken);
  const second = await installation.start();
  const again = await connectClient(second.port);
  t.after(() => again.close());
  const { config } = await health(again);
  assert.deepEqual([config.source, config.issues[0].path], ['last-good', 'gateway.port']);
  await until('the notice', () => second.output().includes('is not valid'));
  assert.equal(readFileSync(path, 'utf8'), broken);
  assert.equal(textOf(await order(again, 'hi')), 'heard hi');
});

it('without any key the gateway starts, says so and offers the simulator', async (t) => {
  const installation = await createInstallation({ dir: scratchDir(t), config: { agents: { defaults: { model: 'opus' } } } });
  t.after(() => installation.close());
  const gateway = await installation.start();
  await until('the notice', () => /ANTHROPIC_API_KEY.*clawdbot simulator/s.test(gateway.output()));
});

it('a first start writes a private configuration, and never prints the token', async (t) => {
  const installation = await createInstallation({ dir: scratchDir(t) });
  t.after(() => installation.close());
  rmSync(join(installation.stateDir, 'clawdbot.json'));
  const gateway = await installation.start();
  const text = readFileSync(join(installation.stateDir, 'clawdbot.json'), 'utf8');
  const token = /token: "([0-9a-f]{64})"/.exec(text)?.[1] ?? '';
  assert.equal(token.length, 64);
  const { stdout } = await installation.cli(['health', '--json'], { CLAWDBOT_GATEWAY_PORT: String(gateway.port) });
  const { logFile } = JSON.parse(stdout) as { logFile: string };
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(!readFileSync(logFile, 'utf8').includes(token));
  assert.ok(!gateway.output().includes(token));
});

/** A small file system of its own, gone after the test. */
function mountTmpfs(t: TestContext, size: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'cbt-mount-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]);
  t.after(() => {
    spawnSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

function canMount(): boolean {
  if (!isRoot) return false;
  const dir = mkdtempSync(join(tmpdir(), 'cbt-mount-'));
  mkdirSync(join(dir, 'm'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', join(dir, 'm')]);
  if (status === 0) spawnSync('umount', [join(dir, 'm')]);
  rmSync(dir, { recursive: true, force: true });
  return status === 0;
}
