// What becomes of a run whose attempt ended without an outcome.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DEATH_LIMIT, decideAfterAttempt } from './run.ts';

const dead = { end: 'died' as const, deaths: 0, deadlineAt: null, abortRequested: false, now: 1000 };

it('the first death is followed at once, the second after a pause that doubles', () => {
  assert.deepEqual(decideAfterAttempt(dead), { kind: 'requeue', deaths: 1, notBefore: 1000 });
  assert.deepEqual(decideAfterAttempt({ ...dead, deaths: 1 }), { kind: 'requeue', deaths: 2, notBefore: 2000 });
  assert.deepEqual(decideAfterAttempt({ ...dead, deaths: 2 }), { kind: 'requeue', deaths: 3, notBefore: 3000 });
});

it('drain and restart are not deaths', () => {
  for (const end of ['drained', 'gateway_restart', 'operator'] as const)
    assert.deepEqual(decideAfterAttempt({ ...dead, end, deaths: 4 }), { kind: 'requeue', deaths: 4, notBefore: 1000 });
});

it('abort and deadline end the run before the limit of deaths does', () => {
  assert.deepEqual(decideAfterAttempt({ ...dead, deaths: DEATH_LIMIT, abortRequested: true }), { kind: 'end', state: 'cancelled', deaths: DEATH_LIMIT + 1 });
  assert.deepEqual(decideAfterAttempt({ ...dead, deadlineAt: 1000 }), { kind: 'end', state: 'timed_out', deaths: 1 });
  assert.deepEqual(decideAfterAttempt({ ...dead, deaths: DEATH_LIMIT - 1 }), { kind: 'end', state: 'lost', deaths: DEATH_LIMIT });
});
