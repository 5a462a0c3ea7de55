// Session keys.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { isFault } from '../kit/fault.ts';
import { agentIdOf, canonicalSessionKey } from './session.ts';

const defaults = { defaultAgentId: 'main', mainKey: 'main' };

it('main is one session, however it is written', () => {
  for (const written of ['main', 'MAIN', ' main ', '', 'agent:main:main', 'Agent:Main:Main'])
    assert.equal(canonicalSessionKey(written, defaults), 'agent:main:main');
});

it('a plain name belongs to the default agent, a full key to its own', () => {
  assert.equal(canonicalSessionKey('notes', defaults), 'agent:main:notes');
  assert.equal(canonicalSessionKey('agent:other:slack:C0ABC', defaults), 'agent:other:slack:c0abc');
});

it('keys that no agent can have are refused', () => {
  for (const written of ['agent:', 'agent::x', 'agent:main:', 'agent:../etc:x', 'a\u0000b', 'x'.repeat(600)]) {
    assert.throws(
      () => canonicalSessionKey(written, defaults),
      (error) => isFault(error, 'session.key_invalid'),
      written,
    );
  }
});

it('a canonical key stays what it is', () => {
  fc.assert(
    fc.property(fc.string(), (written) => {
      let key: string;
      try {
        key = canonicalSessionKey(written, defaults);
      } catch (error) {
        assert.ok(isFault(error));
        return;
      }
      assert.equal(canonicalSessionKey(key, defaults), key);
      assert.notEqual(agentIdOf(key), undefined);
    }),
  );
});
