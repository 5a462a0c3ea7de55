// How statements are compiled.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statement } from './store.ts';

test('parameters become placeholders in their order, constants stand in the text', () => {
  const { sql, names } = statement<{ id: string; max: number }>()((db, p) =>
    db.selectFrom('run').select('id').where('state', 'in', ['queued', 'running']).where('id', '=', p.id).where('wait', 'is', null).limit(p.max),
  ).compile();
  assert.equal(sql, `select "id" from "run" where "state" in ('queued', 'running') and "id" = ? and "wait" is null limit ?`);
  assert.deepEqual(names, ['id', 'max']);
});

test('a quote in a constant is a quote', () => {
  const { sql } = statement<object>()((db) => db.selectFrom('run').select('id').where('agent_id', '=', "o'clock")).compile();
  assert.ok(sql.endsWith(`"agent_id" = 'o''clock'`), sql);
});

test('a question mark in a constant is refused, since engines count them', () => {
  const asked = statement<object>()((db) => db.selectFrom('run').select('id').where('agent_id', '=', 'who?'));
  assert.throws(() => asked.compile(), /question mark/);
});
