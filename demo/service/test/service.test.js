import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createService } from '../src/service.js';

test('it greets', () => {
  assert.deepEqual(createService().handle({ client: 'ann', path: '/hello' }), { status: 200, body: 'hello ann' });
});

test('it knows no other path', () => {
  assert.equal(createService().handle({ client: 'ann', path: '/' }).status, 404);
});
