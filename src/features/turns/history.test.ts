// A request rendered from a log is valid at every cut point, and fits whatever the budget is.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AssistantEntry, type Entry, type EntryBody, NO_USAGE, openCalls } from '../../domain/transcript.ts';
import type { ModelMessage } from '../../ports/model.ts';
import { createHistory, estimateTokens } from './history.ts';

const assistant = (text: string, calls: readonly string[], stopReason: AssistantEntry['stopReason'] = calls.length > 0 ? 'tool_use' : 'stop'): EntryBody => ({
  kind: 'assistant',
  text,
  toolCalls: calls.map((id) => ({ id, name: 'exec', input: { command: 'true' } })),
  stopReason,
  provider: 'p',
  model: 'm',
  usage: NO_USAGE,
});
const result = (callId: string, text = 'ok'): EntryBody => ({ kind: 'tool_result', callId, toolName: 'exec', text, isError: false });
const user = (text: string): EntryBody => ({ kind: 'user', text });
const asEntries = (bodies: readonly EntryBody[]): Entry[] => bodies.map((body, i) => ({ seq: i + 1, runId: null, at: 0, body }));

function render(bodies: readonly EntryBody[], budget = 100_000): readonly ModelMessage[] {
  const history = createHistory(budget);
  history.add(asEntries(bodies));
  return history.messages();
}

/** The rules that providers refuse a request for. */
function problemIn(messages: readonly ModelMessage[]): string | undefined {
  if (messages.length > 0 && messages[0]?.role !== 'user') return 'the user does not speak first';
  for (const [i, { role, parts }] of messages.entries()) {
    if (parts.length === 0) return `message ${i} is empty`;
    if (i > 0 && messages[i - 1]?.role === role) return `messages ${i - 1} and ${i} have one role`;
    const calls = parts.flatMap((part) => (part.type === 'tool_call' ? [part.call.id] : []));
    const next = messages[i + 1]?.parts.flatMap((part) => (part.type === 'tool_result' ? [part.callId] : [])) ?? [];
    if (calls.some((id) => !next.includes(id))) return `a call of message ${i} has no result`;
    const before = messages[i - 1]?.parts.flatMap((part) => (part.type === 'tool_call' ? [part.call.id] : [])) ?? [];
    for (const part of parts) {
      if (part.type === 'tool_result' && !before.includes(part.callId)) return `a result of message ${i} has no call`;
      if (part.type === 'text' && part.text === '') return `message ${i} has an empty text`;
    }
  }
  return undefined;
}

/** A log as the gateway writes it: turns with tool steps, some answered in other order, some interrupted or aborted. */
const turns = fc
  .array(
    fc.record({
      said: fc.string({ maxLength: 40 }),
      steps: fc.array(
        fc.record({ calls: fc.integer({ min: 1, max: 3 }), missing: fc.boolean(), text: fc.string({ maxLength: 30 }), output: fc.string({ maxLength: 200 }) }),
        { maxLength: 4 },
      ),
      end: fc.constantFrom('stop', 'aborted', 'none'),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((list) => {
    let id = 0;
    return list.flatMap(({ said, steps, end }): EntryBody[] => [
      user(said),
      ...steps.flatMap(({ calls, missing, text, output }): EntryBody[] => {
        const ids = Array.from({ length: calls }, () => `call_${id++}`);
        return [
          assistant(text, ids),
          ...ids
            .toReversed()
            .slice(missing ? 1 : 0)
            .map((callId) => result(callId, output)),
        ];
      }),
      ...(end === 'stop' ? [assistant('done', [])] : end === 'aborted' ? [assistant('half', [], 'aborted')] : []),
    ]);
  });

describe('history', () => {
  it('is a valid request at every cut point of any log', () => {
    fc.assert(
      fc.property(turns, (log) => {
        for (let cut = 1; cut <= log.length; cut++) assert.equal(problemIn(render(log.slice(0, cut))), undefined);
      }),
      { numRuns: 200 },
    );
  });

  it('is a valid request that fits, whatever the budget', () => {
    const size = (messages: readonly ModelMessage[]) =>
      messages.reduce(
        (sum, { parts }) =>
          sum + parts.reduce((inner, part) => inner + (part.type === 'text' || part.type === 'tool_result' ? estimateTokens(part.text) : 0), 0),
        0,
      );
    fc.assert(
      fc.property(turns, fc.integer({ min: 200, max: 2000 }), (log, budget) => {
        const messages = render(log, budget);
        assert.equal(problemIn(messages), undefined);
        assert.ok(size(messages) <= budget, `${size(messages)} tokens in a budget of ${budget}`);
      }),
      { numRuns: 300 },
    );
  });

  it('renders the same whether entries come one by one or at once', () => {
    fc.assert(
      fc.property(turns, fc.integer({ min: 200, max: 5000 }), (log, budget) => {
        const grown = createHistory(budget);
        for (const entry of asEntries(log)) grown.add([entry]);
        assert.deepEqual(grown.messages(), render(log, budget));
      }),
    );
  });

  it('keeps the latest order even when everything else had to go', () => {
    const log = [
      user('old'),
      assistant('fine', []),
      user('the order'),
      ...Array.from({ length: 200 }, (_, i) => [assistant('', [`c${i}`]), result(`c${i}`, 'x'.repeat(300))]).flat(),
    ];
    const [first] = render(log, 3000);
    assert.match(JSON.stringify(first), /the order/);
  });

  it('cuts in leaps, so that the beginning stays the same from call to call', () => {
    const history = createHistory(2000);
    let changes = 0;
    let beginning = '';
    for (let i = 1; i <= 400; i++) {
      history.add([{ seq: i, runId: null, at: 0, body: i % 2 ? user(`question ${i} ${'x'.repeat(60)}`) : assistant(`answer ${i} ${'y'.repeat(60)}`, []) }]);
      const now = JSON.stringify(history.messages().slice(0, 2));
      if (now !== beginning) changes += 1;
      beginning = now;
    }
    assert.ok(changes < 40, `${changes} changes of the beginning in 400 steps`);
  });

  it('says of a call without a result that it was interrupted', () => {
    assert.match(JSON.stringify(render([user('go'), assistant('', ['a', 'b']), result('a')])), /interrupted, may have run/);
  });

  it('one giant result is shortened in the middle, not dropped', () => {
    const messages = render([user('go'), assistant('', ['a']), result('a', `begin${'z'.repeat(500_000)}end`)], 2000);
    const text = JSON.stringify(messages);
    assert.match(text, /begin/);
    assert.match(text, /end/);
    assert.ok(text.length < 10_000);
  });
});

describe('openCalls', () => {
  it('answers the calls of the last step that have no result', () => {
    assert.deepEqual(
      openCalls(asEntries([user('go'), assistant('', ['a', 'b', 'c']), result('b')])).map(({ id }) => id),
      ['a', 'c'],
    );
    assert.deepEqual(openCalls(asEntries([user('go'), assistant('', ['a']), result('a')])), []);
    assert.deepEqual(openCalls(asEntries([user('go')])), []);
  });
});
