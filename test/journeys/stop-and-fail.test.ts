// Aborts, time limits, and models that fail.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { order, startJourney, textOf, toolEvent } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const TALK = {
  name: 'talk',
  rules: [
    { when: { user: 'talk' }, text: 'one two three four five six seven eight', stream: { chunk: 4, delayMs: 100 } },
    { when: { user: 'work', step: 0 }, tools: [{ name: 'exec', input: { command: 'sleep 30' } }] },
    { text: 'ok' },
  ],
};

it('an abort keeps the part that had arrived, and the session goes on', async (t) => {
  const { client } = await startJourney(t, { scenario: TALK });
  await client.call('chat.send', { sessionKey: 'main', message: 'talk', idempotencyKey: 'a' });
  await until('some text', () =>
    client.events.some(({ event, payload }) => event === 'agent' && payload.stream === 'assistant' && payload.data.text.length >= 8),
  );
  const aborted = await client.call('chat.abort', { sessionKey: 'main' });
  assert.deepEqual(aborted, { ok: true, aborted: true, runIds: ['a'] });
  const event = await until('the event', () => client.events.find(({ event: name, payload }) => name === 'chat' && payload.state === 'aborted'));
  assert.equal(event.payload.stopReason, 'rpc');
  const { messages } = (await client.call('chat.history', { sessionKey: 'main' })) as {
    messages: { role: string; stopReason?: string; content: { text: string }[] }[];
  };
  assert.equal(messages.at(-1)?.stopReason, 'aborted');
  assert.match(messages.at(-1)?.content[0]?.text ?? '', /^one two/);
  assert.equal(textOf(await order(client, 'and now?')), 'ok');
});

it('a stop word stops what runs and what waits', async (t) => {
  const { client } = await startJourney(t, { scenario: TALK });
  for (const key of ['one', 'two']) await client.call('chat.send', { sessionKey: 'main', message: 'work', idempotencyKey: key });
  await toolEvent(client, 'exec');
  const stopped = (await client.call('chat.send', { sessionKey: 'main', message: '/stop', idempotencyKey: 'three' })) as { runIds: string[] };
  assert.deepEqual(stopped.runIds, ['one', 'two']);
  for (const runId of ['one', 'two']) {
    const run = await until('it ends', async () => {
      const seen = (await client.call('runs.get', { runId })) as { state: string };
      return seen.state !== 'running' && seen;
    });
    assert.equal(run.state, 'cancelled');
  }
});

it('an abort of a run in another session is refused', async (t) => {
  const { client } = await startJourney(t, { scenario: TALK });
  await client.call('chat.send', { sessionKey: 'main', message: 'hi', idempotencyKey: 'a' });
  await assert.rejects(client.call('chat.abort', { sessionKey: 'other', runId: 'a' }), /runId does not match sessionKey/);
  assert.deepEqual(await client.call('chat.abort', { sessionKey: 'main', runId: 'unknown' }), { ok: true, aborted: false, runIds: [] });
});

it('a run past its limit is ended with what it has', async (t) => {
  const { client } = await startJourney(t, { scenario: TALK });
  const params = { message: 'talk', sessionKey: 'main', idempotencyKey: 'slow', timeout: 1 };
  await assert.rejects(client.call('agent', params, { expectFinal: true }), /limit/);
  const run = (await client.call('runs.get', { runId: 'slow' })) as { state: string };
  assert.equal(run.state, 'timed_out');
});

it('a model in trouble is waited for; the turn ends well', async (t) => {
  const { client, simulator } = await startJourney(t, {
    scenario: {
      name: 'trouble',
      rules: [
        { times: 1, fail: { status: 529, type: 'overloaded_error' } },
        { times: 1, fail: { status: 429, type: 'rate_limit_error', retryAfter: 1 } },
        { times: 1, text: 'this is cut off', stream: { chunk: 4, cutAfter: 4, delayMs: 1 } },
        { text: 'fine after all' },
      ],
    },
  });
  assert.equal(textOf(await order(client, 'hi')), 'fine after all');
  const [, second, third] = simulator.requests().map(({ at }) => at);
  assert.ok((third ?? 0) - (second ?? 0) >= 1000, 'retry-after was honoured');
  const { messages } = (await client.call('chat.history', { sessionKey: 'main' })) as { messages: unknown[] };
  assert.equal(messages.length, 2, 'failed tries leave nothing behind');
});

it('a model that refuses gives way to the next of the chain, and is remembered', async (t) => {
  const { client, simulator } = await startJourney(t, {
    scenario: {
      name: 'chain',
      rules: [{ when: { model: 'first' }, fail: { status: 404, type: 'not_found_error', message: 'no such model for you' } }, { text: 'from the second' }],
    },
    config: { agents: { defaults: { model: { primary: 'simulator/first', fallbacks: ['simulator/second'] } } } },
  });
  assert.equal(textOf(await order(client, 'hi')), 'from the second');
  assert.equal(textOf(await order(client, 'again')), 'from the second');
  assert.deepEqual(
    simulator.requests().map(({ model }) => model),
    ['first', 'second', 'second'],
  );
});

it('a request that a provider calls invalid ends the run at once with its reason', async (t) => {
  const { client, simulator } = await startJourney(t, {
    scenario: { name: 'no', rules: [{ fail: { status: 400, type: 'invalid_request_error', message: 'nonsense' } }] },
  });
  await assert.rejects(order(client, 'hi'), /nonsense/);
  assert.equal(simulator.requests().length, 1);
});

it('an agent that never stops calling tools is stopped by its limit of time, not for ever', async (t) => {
  const { client } = await startJourney(t, { scenario: { name: 'loop', rules: [{ tools: [{ name: 'nonsense', input: {} }] }] } });
  await assert.rejects(client.call('agent', { message: 'go', sessionKey: 'main', idempotencyKey: 'loop', timeout: 1.5 }, { expectFinal: true }), /limit|steps/);
});
