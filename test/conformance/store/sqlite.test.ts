// The embedded engine passes the suite, and some things only a file can go through.

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { MIGRATIONS, migrateFile } from '../../../src/adapters/store/migrate.ts';
import { openSqlite } from '../../../src/adapters/store/sqlite.ts';
import type { SealedEvent } from '../../../src/domain/event.ts';
import { sealEvents } from '../../../src/features/events/ops.ts';
import { ops } from '../../../src/features/ops-catalog.ts';
import { Fault } from '../../../src/kit/fault.ts';
import type { Store } from '../../../src/ports/store.ts';
import { scratchDir } from '../../support/scratch.ts';
import { handClock, type OpenedStore, storeConformance } from './suite.ts';

async function open(t: TestContext, path = join(scratchDir(t), 'store.sqlite')): Promise<OpenedStore> {
  const clock = handClock();
  const events: SealedEvent[] = [];
  const engine = openSqlite({ path, ops, seal: sealEvents, clock, onCommitted: (sealed) => void events.push(...sealed) });
  t.after(() => engine.close());
  const store: Store = {
    call: (op, args) =>
      new Promise((resolve, reject) => {
        // Through JSON, as over the workers' socket: what does not survive that must not be relied on.
        const copy: unknown = args === undefined ? undefined : JSON.parse(JSON.stringify(args));
        engine.submit({
          op: op.name,
          args: copy,
          fromWorker: false,
          answer: (answer) => (answer.ok ? resolve(answer.value as never) : reject(new Fault(answer.code, answer.message, answer.details))), // the op's own result type
        });
      }),
    close: async () => engine.close(),
  };
  return { store, events: () => events, advance: clock.advance };
}

storeConformance('sqlite', open);

const SECOND = { version: 2, name: 'second', statements: ['CREATE TABLE second (id TEXT PRIMARY KEY)'] };

it('a migration works on a copy and keeps the old file until the next good start', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path);
  const before = new Database(path);
  before.exec("INSERT INTO lane VALUES ('main', 'w', 4)");
  before.close();
  migrateFile(path, [...MIGRATIONS, SECOND]);
  assert.ok(existsSync(`${path}.before-2`));
  const after = new Database(path);
  assert.equal(after.pragma('user_version', { simple: true }), 2);
  assert.deepEqual(after.prepare('SELECT name FROM lane').pluck().all(), ['main']);
  after.close();
  migrateFile(path, [...MIGRATIONS, SECOND]);
  assert.ok(!existsSync(`${path}.before-2`), 'the good start lets go of it');
});

it('a migration that fails leaves the file as it was', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path);
  const before = readFileSync(path);
  assert.throws(() => migrateFile(path, [...MIGRATIONS, { version: 2, name: 'broken', statements: ['CREATE NONSENSE'] }]));
  assert.deepEqual(readFileSync(path), before);
});

it('a store of a newer program is refused, not touched', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path, [...MIGRATIONS, SECOND]);
  const before = readFileSync(path);
  assert.throws(() => migrateFile(path), /start the newer version/);
  assert.deepEqual(readFileSync(path), before);
});

it('a damaged file is refused, not repaired by force', (t) => {
  const dir = scratchDir(t);
  const path = join(dir, 'store.sqlite');
  writeFileSync(path, 'this is no database, it is a shopping list, and a long one at that'.repeat(100));
  copyFileSync(path, join(dir, 'copy'));
  assert.throws(() => openSqlite({ path, ops, seal: sealEvents, clock: handClock(), onCommitted: () => undefined }), /not a database/);
  assert.deepEqual(readFileSync(path), readFileSync(join(dir, 'copy')));
});
