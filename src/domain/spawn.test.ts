// The rules of spawning, each by its name.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_POLICIES, ROLES, type Role, spawnRight, spawnRightsOf } from './role.ts';
import { decideSpawn } from './spawn.ts';

const RIGHTS = spawnRightsOf(DEFAULT_POLICIES);
const LIMITS = { maxDepth: 4, fanOut: 8, perMinute: 60, grants: 'auto' } as const;
const asked = (more: Partial<Parameters<typeof decideSpawn>[0]> = {}) =>
  decideSpawn({
    rights: RIGHTS,
    spawner: 'owner',
    role: null,
    depth: 1,
    openChildren: 0,
    openInRole: 0,
    inLastMinute: 0,
    agentAllowed: true,
    budgetFits: true,
    limits: LIMITS,
    ...more,
  });

it('the first rule that fails is named', () => {
  assert.deepEqual(asked(), { kind: 'queue' });
  assert.deepEqual(asked({ depth: 5 }), { kind: 'deny', rule: 'depth' });
  assert.deepEqual(asked({ openChildren: 8 }), { kind: 'deny', rule: 'fan_out' });
  assert.deepEqual(asked({ inLastMinute: 60 }), { kind: 'deny', rule: 'rate' });
  assert.deepEqual(asked({ budgetFits: false }), { kind: 'deny', rule: 'budget' });
  assert.deepEqual(asked({ agentAllowed: false }), { kind: 'deny', rule: 'agent' });
  assert.deepEqual(asked({ spawner: 'worker-impl', role: 'worker-impl' }), { kind: 'deny', rule: 'role' });
  assert.deepEqual(asked({ spawner: 'coordinator', role: 'reviewer', openInRole: 3 }), { kind: 'deny', rule: 'fan_out' });
});

it('a request is granted within the limits, or a person is asked', () => {
  const ask = { ...LIMITS, grants: 'ask' } as const;
  assert.deepEqual(asked({ spawner: 'plain' }), { kind: 'queue' });
  assert.deepEqual(asked({ spawner: 'plain', limits: ask }), { kind: 'ask' });
  assert.deepEqual(asked({ spawner: 'coordinator', role: 'validator', limits: ask }), { kind: 'ask' });
  assert.deepEqual(asked({ spawner: 'coordinator', role: 'task-manager', limits: ask }), { kind: 'queue' });
});

it('what is not listed is denied, whatever the limits', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ROLES), fc.option(fc.constantFrom(...ROLES)), fc.nat(3), (spawner: Role, role: Role | null, open: number) => {
      const decision = asked({ spawner, role, openChildren: open, openInRole: open, limits: { maxDepth: 100, fanOut: 0, perMinute: 0, grants: 'auto' } });
      if (spawnRight(RIGHTS, spawner, role) === undefined) assert.deepEqual(decision, { kind: 'deny', rule: 'role' });
    }),
  );
});
