// An order goes in, an agent does it with real tools, a durable answer comes out.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const WORK = {
  name: 'work',
  rules: [
    {
      when: { user: 'repair', step: 0 },
      text: 'I look. ',
      tools: [
        { name: 'read', input: { path: 'notes.txt' } },
        { name: 'exec', input: { command: 'cat notes.txt | wc -l' } },
      ],
    },
    { when: { user: 'repair', result: 'teh' }, text: 'A slip. ', tools: [{ name: 'edit', input: { path: 'notes.txt', oldText: 'teh', newText: 'the' } }] },
    { when: { user: 'repair', tool: 'edit', result: 'Replaced' }, text: 'Repaired the word in line one.' },
    { when: { user: 'slow' }, text: 'one two three four five', stream: { chunk: 4, delayMs: 30 } },
    { text: 'You said {{user}}.' },
  ],
};

it('an agent reads, runs, edits and answers; what clients see is in order', async (t) => {
  const { client, workspace, installation } = await startJourney(t, { scenario: WORK });
  writeFileSync(join(workspace, 'notes.txt'), 'this is teh first line\n');
  const answer = await order(client, 'repair the notes', { key: 'order-1' });
  assert.equal(answer.runId, 'order-1');
  assert.equal(answer.status, 'ok');
  assert.equal(textOf(answer), 'Repaired the word in line one.');
  assert.equal(readFileSync(join(workspace, 'notes.txt'), 'utf8'), 'this is the first line\n');
  assert.ok(answer.result.meta.agentMeta.usage.input > 0);

  const own = client.events.filter(({ payload }) => payload?.runId === 'order-1');
  const lifecycle = own.filter(({ event, payload }) => event === 'agent' && payload.stream === 'lifecycle').map(({ payload }) => payload.data.phase);
  assert.deepEqual(lifecycle, ['start', 'end']);
  const seqs = own.filter(({ event }) => event === 'agent').map(({ payload }) => payload.seq);
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => a - b),
  );
  const last = own.at(-1);
  assert.deepEqual([last?.event, last?.payload.state, last?.payload.message.content[0].text], ['chat', 'final', 'Repaired the word in line one.']);

  const history = (await client.call('chat.history', { sessionKey: 'main' })) as { messages: { role: string }[] };
  assert.deepEqual(
    history.messages.map(({ role }) => role),
    ['user', 'assistant', 'toolResult', 'toolResult', 'assistant', 'toolResult', 'assistant'],
  );
  const marks = installation.simulator.requests().map(({ cacheMarks }) => cacheMarks);
  assert.deepEqual(marks, [[0], [0, 2], [2, 4]], 'each request marks where the last one ended, so that its prefix is found in the cache');
  assert.ok(
    installation.simulator.requests().every(({ status }) => status === 200),
    'every request was valid for the provider',
  );
});

it('the same order twice is one run with one answer', async (t) => {
  const { client, simulator } = await startJourney(t, { scenario: WORK });
  const [one, two] = await Promise.all([order(client, 'hello', { key: 'k' }), order(client, 'hello', { key: 'k' })]);
  assert.deepEqual([textOf(one), textOf(two)], ['You said hello.', 'You said hello.']);
  assert.equal(textOf(await order(client, 'hello', { key: 'k' })), 'You said hello.');
  assert.equal(simulator.requests().length, 1);
});

it('text streams while the model speaks, cumulative and in pieces', async (t) => {
  const { client } = await startJourney(t, { scenario: WORK });
  await order(client, 'slow please', { key: 's' });
  const pieces = client.events.filter(({ event, payload }) => event === 'agent' && payload.stream === 'assistant').map(({ payload }) => payload.data);
  assert.ok(pieces.length > 3, `${pieces.length} pieces`);
  assert.equal(pieces.map(({ delta }) => delta).join(''), 'one two three four five');
  assert.equal(pieces.at(-1)?.text, 'one two three four five');
});

it('turns of one session wait for each other and see what was said', async (t) => {
  const { client, simulator } = await startJourney(t, { scenario: { name: 'order', rules: [{ text: 'ok {{user}}', stream: { firstMs: 50 } }] } });
  await Promise.all(['a', 'b', 'c'].map((message) => order(client, message)));
  assert.deepEqual(
    simulator.requests().map(({ user }) => user),
    ['a', 'b', 'c'],
  );
  const times = simulator.requests().map(({ at }) => at);
  assert.ok((times[2] ?? 0) - (times[0] ?? 0) >= 90, 'they ran one after another');
});

it('lanes hold what the configuration says', async (t) => {
  const { client, simulator } = await startJourney(t, {
    scenario: { name: 'slow', rules: [{ text: 'ok', stream: { firstMs: 300 } }] },
    config: { agents: { defaults: { maxConcurrent: 2 } } },
  });
  const before = performance.now();
  await Promise.all([1, 2, 3, 4].map((n) => order(client, 'x', { session: `s${n}` })));
  const took = performance.now() - before;
  assert.ok(took >= 600, `${Math.round(took)} ms for four turns of 300 ms, two at once`);
  const calls = simulator.requests();
  const atOnce = calls.map(
    ({ arrivedAt }) => calls.filter((other) => other.arrivedAt <= arrivedAt && (other.answeredAt ?? Number.POSITIVE_INFINITY) > arrivedAt).length,
  );
  assert.deepEqual([calls.length, Math.max(...atOnce)], [4, 2], 'two at once, and not one alone');
});

it('events can be read again from a cursor', async (t) => {
  const { client } = await startJourney(t, { scenario: WORK });
  const { cursor } = (await client.call('events.since', {})) as { cursor: number };
  await order(client, 'hello', { key: 'e' });
  const page = await until('the events', async () => {
    const seen = (await client.call('events.since', { cursor })) as { events: { runKey: string; body: { kind: string } }[] };
    return seen.events.some(({ body }) => body.kind === 'run.ended') && seen;
  });
  assert.deepEqual(
    page.events.map(({ body }) => body.kind),
    ['run.queued', 'run.started', 'run.ended'],
  );
});

it('an agent without a model says what to do, and the run fails for that reason', async (t) => {
  const { client } = await startJourney(t, { scenario: WORK, config: { agents: { defaults: { model: 'anthropic/claude-opus-4-5' } } } });
  await assert.rejects(order(client, 'hello'), /ANTHROPIC_API_KEY/);
});

it('secrets do not reach the transcript, the log or the model', async (t) => {
  const { client, workspace } = await startJourney(t, {
    scenario: {
      name: 'leak',
      rules: [{ when: { step: 0 }, tools: [{ name: 'exec', input: { command: 'cat leak.txt; env' } }] }, { text: 'I saw {{result}}' }],
    },
  });
  const canary = 'sk-ant-api03-canarycanarycanary';
  writeFileSync(join(workspace, 'leak.txt'), canary);
  const answer = await order(client, 'go');
  const history = JSON.stringify(await client.call('chat.history', { sessionKey: 'main' }));
  const { lines } = (await client.call('logs.tail', {})) as { lines: string[] };
  for (const text of [textOf(answer), history, lines.join('\n')]) {
    assert.ok(!text.includes(canary));
    assert.ok(!text.includes('test-token-0123456789abcdef'));
  }
  assert.match(history, /\[secret\]/);
});

it('a workspace that does not exist yet is made for the first order', async (t) => {
  const { client, installation, workspace } = await startJourney(t, {
    scenario: {
      name: 'new',
      rules: [{ when: { step: 0 }, tools: [{ name: 'write', input: { path: 'first.txt', content: 'hello' } }] }, { text: '{{result}}' }],
    },
  });
  rmSync(installation.workspace, { recursive: true });
  assert.match(textOf(await order(client, 'begin')), /Wrote 5 bytes/);
  assert.equal(readFileSync(join(workspace, 'first.txt'), 'utf8'), 'hello');
});
