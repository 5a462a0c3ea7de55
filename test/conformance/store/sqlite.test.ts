// The embedded engine passes the suite, and some things only a file can go through.

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { MIGRATIONS } from '../../../src/adapters/store/migrations/list.ts';
import { openSqlite } from '../../../src/adapters/store/sqlite/engine.ts';
import { migrateFile } from '../../../src/adapters/store/sqlite/migrate.ts';
import type { SealedEvent } from '../../../src/domain/event.ts';
import { sealEvents } from '../../../src/features/events/ops.ts';
import { ops } from '../../../src/features/ops-catalog.ts';
import { Fault } from '../../../src/kit/fault.ts';
import type { Store } from '../../../src/ports/store.ts';
import { scratchDir } from '../../support/scratch.ts';
import { storeChannelConformance } from './channels.ts';
import { storeDoorsConformance } from './doors.ts';
import { storeOrchestrationConformance } from './orchestration.ts';
import { storePlanningConformance } from './planning.ts';
import { handClock, type OpenedStore, storeConformance } from './suite.ts';
import { storeTeamConformance } from './team.ts';
import { storeTrustConformance } from './trust.ts';

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
storeDoorsConformance('sqlite', open);
storeOrchestrationConformance('sqlite', open);
storeTeamConformance('sqlite', open);
storeTrustConformance('sqlite', open);
storePlanningConformance('sqlite', open);
storeChannelConformance('sqlite', open);

const NEXT = (MIGRATIONS.at(-1)?.version ?? 0) + 1;
const LATER = { version: NEXT, name: 'later', statements: ['CREATE TABLE later (id TEXT PRIMARY KEY)'] };

it('a migration works on a copy and keeps the old file until the next good start', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path);
  const before = new Database(path);
  before.exec("INSERT INTO lane (name, workspace_id, slots) VALUES ('main', 'w', 4)");
  before.close();
  migrateFile(path, [...MIGRATIONS, LATER]);
  assert.ok(existsSync(`${path}.before-${NEXT}`));
  const after = new Database(path);
  assert.equal(after.pragma('user_version', { simple: true }), NEXT);
  assert.deepEqual(after.prepare('SELECT name FROM lane').pluck().all(), ['main']);
  after.close();
  migrateFile(path, [...MIGRATIONS, LATER]);
  assert.ok(!existsSync(`${path}.before-${NEXT}`), 'the good start lets go of it');
});

it('a migration that fails leaves the file as it was', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path);
  const before = readFileSync(path);
  assert.throws(() => migrateFile(path, [...MIGRATIONS, { version: NEXT, name: 'broken', statements: ['CREATE NONSENSE'] }]));
  assert.deepEqual(readFileSync(path), before);
});

it('a store of a newer program is refused, not touched', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path, [...MIGRATIONS, LATER]);
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

it('the rows of the first schema come through: sessions keep their keys, runs their history, one turn per session holds', (t) => {
  const path = join(scratchDir(t), 'store.sqlite');
  migrateFile(path, MIGRATIONS.slice(0, 1));
  const before = new Database(path);
  before.exec(`INSERT INTO session VALUES ('sess_1', 'w', 'agent:main:main', 'main', 'sess_1', NULL, NULL, 2, 10, 5, 10, 'p/m', 0, 1, 2);
    INSERT INTO entry VALUES ('sess_1', 1, 'w', 'run_1', 'user', '{"kind":"user","text":"hello"}', 1);
    INSERT INTO run VALUES ('run_1', 'w', 'key-1', 'sess_1', 'agent:main:main', 'main', 'main', 40, 'succeeded', 'test', '{"message":"hello"}', NULL, 1000, 5, 1, 1, 2, 3, 2, NULL, NULL, 0, NULL, 1)`);
  before.close();
  migrateFile(path);
  const after = new Database(path);
  t.after(() => after.close());
  assert.deepEqual(after.prepare('SELECT id, key, settings, context_from, archived_at FROM session').all(), [
    { id: 'sess_1', key: 'agent:main:main', settings: '{}', context_from: 1, archived_at: null },
  ]);
  assert.deepEqual(after.prepare('SELECT id, kind, session_id, state FROM run').all(), [
    { id: 'run_1', kind: 'turn', session_id: 'sess_1', state: 'succeeded' },
  ]);
  const insert = after.prepare(
    `INSERT INTO run (id, client_key, workspace_id, kind, session_id, session_key, agent_id, lane, priority, state, actor, input, timeout_ms, not_before, queued_at, fence, deaths)
      SELECT ?, ?, workspace_id, kind, session_id, session_key, agent_id, lane, priority, 'running', actor, input, timeout_ms, not_before, queued_at, fence, deaths FROM run WHERE id = 'run_1'`,
  );
  insert.run('run_2', 'key-2');
  assert.throws(() => insert.run('run_3', 'key-3'), /UNIQUE/);
});
