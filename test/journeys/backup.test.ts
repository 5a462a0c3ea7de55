// Backups: made while agents work, tried out, put back into a running installation, and undone where that does not come up.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { it } from 'node:test';
import { connectClient, createInstallation } from '../support/installation.ts';
import { ask, order, startJourney } from '../support/journey.ts';
import { startPostgres } from '../support/postgres.ts';
import { scratchDir, until } from '../support/scratch.ts';

const SCENARIO = { name: 'backup', rules: [{ text: 'heard: {{user}}' }] };
const list = async (installation: { cli: (args: string[]) => Promise<{ stdout: string }> }) =>
  JSON.parse((await installation.cli(['backup', 'list', '--json'])).stdout).backups;

it('a backup made under load is whole; one that is damaged is found out', async (t) => {
  const { installation, client } = await startJourney(t, { scenario: SCENARIO });
  const orders = Array.from({ length: 30 }, (_, i) => order(client, `work ${i}`, { session: `s${i % 5}` }));
  const made = await installation.cli(['backup', 'create', '--json']);
  assert.equal(made.code, 0, made.stderr);
  const { id, path } = JSON.parse(made.stdout);
  await Promise.all(orders);
  const verified = await installation.cli(['backup', 'verify']);
  assert.equal(verified.stdout, `${id} can be restored\n`);
  const store = join(path, 'store', 'gateway.sqlite.zst');
  const bytes = readFileSync(store);
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 0xff;
  writeFileSync(store, bytes);
  const refused = await installation.cli(['backup', 'verify', id]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /cannot be unpacked|is not what was backed up/);
});

it('one that is killed while it is made is never listed', async (t) => {
  const { installation, client } = await startJourney(t, { scenario: SCENARIO });
  await order(client, 'work');
  const cut = await installation.cli(['backup', 'create'], {
    NODE_OPTIONS: `--import=data:text/javascript,setTimeout(()=>process.kill(process.pid,"SIGKILL"),130)`,
  });
  assert.notEqual(cut.code, 0);
  assert.deepEqual(await list(installation), []);
  assert.equal((await installation.cli(['backup', 'create'])).code, 0);
  assert.equal((await list(installation)).length, 1);
});

it('restored into an installation that is kept running: as it was then; undone where the restored one does not come up', async (t) => {
  const dir = scratchDir(t);
  const port = 28_953;
  const config = { gateway: { port, drainSeconds: 1, auth: { mode: 'token', token: 'test-token-0123456789abcdef' } } };
  const installation = await createInstallation({ dir, scenario: SCENARIO, config, env: { PATH: join(dir, 'nothing') } });
  t.after(() => installation.cli(['gateway', 'stop']));
  t.after(() => installation.close());
  const file = join(installation.stateDir, 'clawdbot.json');
  const written = JSON.parse(readFileSync(file, 'utf8'));
  const sessions = async () => {
    const client = await connectClient(port);
    const { sessions: rows } = await ask(client, 'sessions.list', {});
    client.close();
    return rows.map(({ key }: { key: string }) => key).sort();
  };
  const say = async (session: string) => {
    const client = await connectClient(port);
    await order(client, 'work', { session });
    client.close();
  };

  assert.equal((await installation.cli(['gateway', 'start'])).code, 0);
  await say('before');
  const good = JSON.parse((await installation.cli(['backup', 'create', '--json'])).stdout);
  await say('after');
  assert.deepEqual(await sessions(), ['agent:main:after', 'agent:main:before']);

  const restored = await installation.cli(['backup', 'restore', good.id]);
  assert.equal(restored.code, 0, restored.stderr);
  assert.deepEqual(await sessions(), ['agent:main:before']);

  // A backup whose configuration cannot run: its port belongs to somebody else.
  const taken = createServer().listen(0, '127.0.0.1');
  await until('a port', () => taken.listening);
  t.after(() => void taken.close());
  writeFileSync(file, JSON.stringify({ ...written, gateway: { ...written.gateway, port: (taken.address() as { port: number }).port } }));
  const bad = JSON.parse((await installation.cli(['backup', 'create', '--json'])).stdout);
  writeFileSync(file, JSON.stringify(written));
  await say('later');
  const undone = await installation.cli(['backup', 'restore', bad.id]);
  assert.equal(undone.code, 1);
  assert.match(undone.stderr, /did not come up[\s\S]*everything is as it was before, and runs/);
  assert.deepEqual(await sessions(), ['agent:main:before', 'agent:main:later']);

  // One that is cut off leaves a mark: no gateway starts on files of two times, and the next restore undoes it first.
  await installation.cli(['gateway', 'stop']);
  const sealed = join(installation.stateDir, 'gateway.sqlite');
  const kept = join(installation.stateDir, 'backups', 'cut-off.sqlite');
  writeFileSync(join(installation.stateDir, 'restoring.json'), JSON.stringify({ moves: [{ to: sealed, kept, existed: true }], dump: null }));
  writeFileSync(kept, readFileSync(sealed));
  writeFileSync(sealed, 'half');
  const refused = await installation.cli(['gateway', '--port', '0']);
  assert.equal(refused.code, 78);
  assert.match(refused.stderr, /a restore of a backup was cut off/);
  const again = await installation.cli(['backup', 'restore', good.id]);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /cut off before is undone/);
  assert.equal((await installation.cli(['gateway', 'start'])).code, 0);
  assert.deepEqual(await sessions(), ['agent:main:before']);
  assert.ok(
    existsSync(join(installation.stateDir, 'backups')) &&
      readdirSync(join(installation.stateDir, 'backups')).some((name) => name.startsWith('before-restore-')),
  );
});

it('a database is dumped, tried out and put back', async (t) => {
  const server = await startPostgres({ withDump: true });
  if (!server) return t.skip('no PostgreSQL with pg_dump');
  t.after(() => server.stop());
  const { installation, client, gateway } = await startJourney(t, { scenario: SCENARIO, config: { store: { url: await server.createDatabase() } } });
  await order(client, 'work', { session: 'before' });
  const made = await installation.cli(['backup', 'create', '--json']);
  assert.equal(made.code, 0, made.stderr);
  const { id, engine } = JSON.parse(made.stdout);
  assert.equal(engine, 'postgres');
  await order(client, 'work', { session: 'after' });
  gateway.child.kill('SIGTERM');
  await gateway.exited;
  const restored = await installation.cli(['backup', 'restore', id]);
  assert.equal(restored.code, 0, restored.stderr);
  const again = await connectClient((await installation.start()).port);
  t.after(() => again.close());
  const { sessions } = await ask(again, 'sessions.list', {});
  assert.deepEqual(
    sessions.map(({ key }: { key: string }) => key),
    ['agent:main:before'],
  );
});
