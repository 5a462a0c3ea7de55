// Secrets do not get through, whatever their shape.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createScrub } from './scrub.ts';

it('masks the shapes of known credentials anywhere in a text', () => {
  const scrub = createScrub();
  for (const secret of [
    'sk-ant-api03-abcdefghijklmnop',
    'sk-proj-abcdefghijklmnopqrst',
    'xoxb-123456789-abcdef',
    'xapp-1-A0-123456',
    'ghp_abcdefghijklmnopqrstuv',
    'AKIAABCDEFGHIJKLMNOP',
    'eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abcdefghijklmnop',
  ]) {
    const clean = scrub(`before ${secret} after {"deep":{"value":"${secret}"}}`);
    assert.ok(!clean.includes(secret), secret);
    assert.match(clean, /^before \[secret\] after/);
  }
  assert.equal(scrub('Authorization: Bearer abcdefghijklmnop'), 'Authorization: Bearer [secret]');
});

it('masks exact secrets, and patterns of the configuration', () => {
  const scrub = createScrub(['my(odd)+secret', 'short'], [/card \d{4}/g]);
  assert.equal(scrub('a my(odd)+secret b short card 1234'), 'a [secret] b short [secret]');
});

it('leaves ordinary text alone', () => {
  const scrub = createScrub(['0123456789abcdef']);
  const text = 'The task sk-1 is at https://example.test/?token, see tests/basket.test.js:12';
  assert.equal(scrub(text), text);
});
