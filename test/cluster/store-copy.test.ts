// A whole installation moves from the file to a database and back, and goes on as if nothing had been.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, it } from 'node:test';
import Database from 'better-sqlite3';
import { connectClient, createInstallation } from '../support/installation.ts';
import { ask, order } from '../support/journey.ts';
import { startPostgres } from '../support/postgres.ts';
import { scratchDir } from '../support/scratch.ts';

const server = await startPostgres();
after(() => server?.stop());

const skip = server === undefined && 'no PostgreSQL';
const scenario = {
  name: 'copy',
  rules: [{ when: { user: 'run', step: 0 }, tools: [{ name: 'exec', input: { command: 'echo hi' } }] }, { text: 'an answer with ✓ and "quotes"' }],
};

it('a store is copied to PostgreSQL and back, row by row, and gateways go on with either', { skip }, async (t) => {
  const url = (await server?.createDatabase()) ?? '';
  const installation = await createInstallation({ dir: scratchDir(t), scenario });
  t.after(installation.close);
  const first = await installation.start();
  const client = await connectClient(first.port);
  for (let i = 0; i < 5; i++) await order(client, i % 2 ? 'run it' : 'say it', { session: `s${i}` });
  const file = join(installation.stateDir, 'gateway.sqlite');
  const busy = await installation.cli(['store', 'copy', '--from', file, '--to', url]);
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, /a gateway uses .*: stop it first/);
  client.close();
  first.child.kill('SIGTERM');
  await first.exited;

  const there = await installation.cli(['store', 'copy', '--from', file, '--to', url]);
  assert.equal(there.code, 0, there.stderr);
  assert.match(there.stdout, /^run +5$/m);
  assert.match(there.stdout, /both stores hold the same/);
  const again = await installation.cli(['store', 'copy', '--from', file, '--to', url]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /the target is not empty/);

  const moved = await createInstallation({ dir: scratchDir(t), scenario, config: { store: { url } } });
  t.after(moved.close);
  const second = await moved.start();
  const onDatabase = await connectClient(second.port);
  const { sessions } = await ask(onDatabase, 'sessions.list', {});
  assert.equal(sessions.length, 5);
  await order(onDatabase, 'say more', { session: 's1' });
  const { cursor } = await ask(onDatabase, 'events.since', {});
  onDatabase.close();
  second.child.kill('SIGTERM');
  await second.exited;
  const offline = await moved.cli(['sessions', '--json']);
  assert.equal(JSON.parse(offline.stdout).sessions.length, 5, 'the command line reads the database when no gateway runs');

  const back = join(scratchDir(t), 'back.sqlite');
  const returned = await installation.cli(['store', 'copy', '--from', url, '--to', back]);
  assert.equal(returned.code, 0, returned.stderr);
  const db = new Database(back, { readonly: true });
  const events = db.prepare('SELECT count(*) FROM event').pluck().get();
  assert.ok(Number(events) >= cursor, 'every event came along');
  assert.equal(db.prepare('SELECT count(*) FROM run').pluck().get(), 6);
  db.close();
});

it('a copy that cannot be leaves nothing behind, and says why', { skip }, async (t) => {
  const url = (await server?.createDatabase()) ?? '';
  const installation = await createInstallation({ dir: scratchDir(t) });
  const target = join(scratchDir(t), 'new.sqlite');
  const empty = await installation.cli(['store', 'copy', '--from', url, '--to', target]);
  assert.match(empty.stderr, /there is no store in this database/);
  const nowhere = await installation.cli(['store', 'copy', '--from', 'postgres://x@127.0.0.1:9/y', '--to', target]);
  assert.match(nowhere.stderr, /127\.0\.0\.1:9\/y: .*ECONNREFUSED/);
  assert.ok(!existsSync(target));
});
