// Nobody judges his own work, whatever else is true.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { RISKS } from './proof.ts';
import { decideVerdict, type VerdictQuestion, verdictWord } from './trust.ts';

const author = fc.record({
  actor: fc.constantFrom('run:a', 'run:b', 'operator:x'),
  role: fc.constantFrom(null, 'worker-impl', 'coordinator', 'validator', 'task-manager'),
  runId: fc.constantFrom(null, 'a', 'b'),
  sessionKey: fc.constantFrom(null, 's1', 's2'),
  family: fc.constantFrom(null, 'anthropic', 'openai', 'human'),
});
const question: fc.Arbitrary<VerdictQuestion> = fc.record({
  layer: fc.constantFrom(2 as const, 3 as const),
  risk: fc.constantFrom(...RISKS),
  author,
  worker: author,
  commit: fc.constantFrom('c1', 'c2'),
  head: fc.constantFrom('c1', 'c2'),
  policyHash: fc.constantFrom('p1', 'p2'),
  currentPolicyHash: fc.constantFrom('p1', 'p2'),
  isProved: fc.boolean(),
  hasLayer2: fc.boolean(),
  isOneFamily: fc.boolean(),
});

it('a verdict is of somebody else, at the commit that stands, of what is proved', () => {
  fc.assert(
    fc.property(question, (asked) => {
      if (!decideVerdict(asked).ok) return;
      const { author: judge, worker, layer, risk } = asked;
      assert.ok(asked.isProved && asked.commit === asked.head && asked.policyHash === asked.currentPolicyHash);
      assert.ok(
        judge.actor !== worker.actor &&
          (judge.runId === null || judge.runId !== worker.runId) &&
          (judge.sessionKey === null || judge.sessionKey !== worker.sessionKey),
      );
      assert.ok(judge.family === 'human' || judge.role === (layer === 2 ? 'coordinator' : 'validator'));
      if (layer === 3) assert.ok(asked.hasLayer2);
      if (layer === 3 && risk === 'high' && judge.family !== null && judge.family !== 'human') assert.notEqual(judge.family, worker.family);
    }),
    { numRuns: 5000 },
  );
});

it('with models of one maker, medium risk needs another line of it, and high risk a human', () => {
  const by = (actor: string, role: string, model: string) => ({ actor, role, runId: actor, sessionKey: actor, family: 'anthropic', model });
  const decide = (risk: 'low' | 'medium' | 'high', judge: string, work = 'anthropic/claude-sonnet-4-5', change: Partial<VerdictQuestion> = {}) => {
    const found = decideVerdict({
      layer: 3,
      risk,
      author: by('run:v', 'validator', judge),
      worker: by('run:w', 'worker-impl', work),
      commit: 'c',
      head: 'c',
      policyHash: 'p',
      currentPolicyHash: 'p',
      isProved: true,
      hasLayer2: true,
      isOneFamily: true,
      ...change,
    });
    return found.ok ? (found.note ?? 'ok') : found.rule;
  };
  assert.equal(decide('low', 'anthropic/claude-sonnet-4-5'), 'ok');
  assert.match(decide('medium', 'anthropic/claude-sonnet-4-6'), /another line than sonnet/);
  assert.equal(decide('medium', 'anthropic/claude-opus-4-5'), 'one_family');
  assert.equal(decide('medium', 'local/qwen', 'local/qwen'), 'one_family');
  assert.match(decide('high', 'anthropic/claude-opus-4-5'), /signature of a human/);
  assert.match(decide('medium', 'anthropic/claude-opus-4-5', undefined, { isOneFamily: false }), /another maker than anthropic/);
  const unknown = { ...by('run:v', 'validator', ''), family: null };
  assert.match(decide('medium', '', undefined, { isOneFamily: false, author: unknown }), /another maker/, 'a model that nobody knows is no other one');
});

it('what is no plain PASS completes nothing', () => {
  for (const word of ['PASS', 'passed', 'Approved', 'OK']) assert.equal(verdictWord(word), 'PASS');
  for (const word of ['CONDITIONAL_PASS', 'pass with caveats', 'MIXED', 'PARTIAL', 'mostly ok', 'WAIVED', '', 'PASS?'])
    assert.equal(verdictWord(word), 'FAIL', word);
  assert.equal(verdictWord('infrastructure'), 'BLOCKED');
});
