// Messages that come while the agent is busy: each is answered once, under its own run or named in the one that collected it.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TestClient } from '../support/installation.ts';
import { ask, startJourney } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'busy',
  rules: [
    { when: { user: 'do this' }, text: 'doing this' },
    { when: { user: '^slow' }, text: 'slow words '.repeat(20), stream: { chunk: 11, delayMs: 25 } },
    { text: 'heard: {{user}}' },
  ],
};

const send = (client: TestClient, id: string, message: string) => ask(client, 'chat.send', { sessionKey: 'main', message, idempotencyKey: id });
const ended = async (client: TestClient, id: string) => {
  await until(`${id} to end`, async () => (await ask(client, 'agent.wait', { runId: id, timeoutMs: 100 })).status !== 'timeout');
  return ask(client, 'runs.get', { runId: id });
};
const begun = (client: TestClient, id: string) => until(`${id} to begin`, async () => (await ask(client, 'runs.get', { runId: id })).state === 'running');
const userTexts = async (client: TestClient) =>
  (await ask(client, 'chat.history', { sessionKey: 'main' })).messages
    .filter(({ role }: { role: string }) => role === 'user')
    .map(({ content }: { content: { text: string }[] }) => content[0]?.text);

async function busy(t: Parameters<typeof startJourney>[0], queue: Readonly<Record<string, unknown>>) {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: { messages: { queue: { debounceMs: 50, ...queue } } } });
  await send(client, 'first', 'slow please');
  await begun(client, 'first');
  return client;
}

it('collect: what waits is answered together, and every message is named', async (t) => {
  const client = await busy(t, { mode: 'collect' });
  for (const n of [1, 2, 3]) await send(client, `m${n}`, `question ${n}`);
  const runs = await Promise.all(['first', 'm1', 'm2', 'm3'].map((id) => ended(client, id)));
  assert.deepEqual(
    runs.map(({ state }) => state),
    ['succeeded', 'succeeded', 'succeeded', 'succeeded'],
  );
  assert.deepEqual(
    runs.map(({ outcome }) => outcome.collectedBy),
    [undefined, undefined, 'm1', 'm1'],
  );
  const texts = await userTexts(client);
  assert.equal(texts.length, 2);
  for (const n of [1, 2, 3]) assert.ok(texts[1].includes(`question ${n}`));
  const finals = client.events.filter(({ event, payload }) => event === 'chat' && payload.state === 'final');
  assert.deepEqual(finals.map(({ payload }) => payload.runId).sort(), ['first', 'm1', 'm2', 'm3']);
  assert.deepEqual(
    finals.filter(({ payload }) => payload.message).map(({ payload }) => [payload.runId, payload.collected]),
    [
      ['first', undefined],
      ['m1', ['m2', 'm3']],
    ],
    'the answer is shown once, and names what it answers',
  );
});

it('followup: one by one, in order', async (t) => {
  const client = await busy(t, { mode: 'followup' });
  for (const n of [1, 2]) await send(client, `m${n}`, `question ${n}`);
  assert.equal((await ended(client, 'm2')).outcome.text, 'heard: question 2');
  assert.deepEqual(await userTexts(client), ['slow please', 'question 1', 'question 2']);
});

it('interrupt: what runs is stopped, and what was said so far is kept', async (t) => {
  const client = await busy(t, { mode: 'interrupt' });
  await send(client, 'm1', 'stop that, do this');
  assert.equal((await ended(client, 'm1')).outcome.text, 'doing this');
  assert.equal((await ended(client, 'first')).state, 'cancelled');
});

it('above the cap the oldest gives way, is shortened, or the newest is refused, as the owner wants', async (t) => {
  const old = await busy(t, { mode: 'followup', cap: 2, drop: 'old' });
  for (const n of [1, 2, 3]) await send(old, `m${n}`, `question ${n}`);
  assert.deepEqual([(await ended(old, 'm1')).state, (await ended(old, 'm1')).outcome.stopReason], ['cancelled', 'dropped']);
  assert.equal((await ended(old, 'm3')).state, 'succeeded');

  const shortened = await busy(t, { mode: 'collect', cap: 1 });
  await send(shortened, 'm1', `long ${'x'.repeat(500)} end`);
  await send(shortened, 'm2', 'question 2');
  await ended(shortened, 'm2');
  const [, text] = await userTexts(shortened);
  assert.match(text, /Message 1 \(shortened\)\nlong x+…\n---\nMessage 2\nquestion 2/);

  const refusing = await busy(t, { byChannel: { webchat: 'collect' }, cap: 1, drop: 'new' });
  await send(refusing, 'm1', 'question 1');
  await assert.rejects(send(refusing, 'm2', 'question 2'), /1 messages wait for this session already/);
});

it('/queue sets how messages of a session wait, and says what it does not do', async (t) => {
  const client = await busy(t, {});
  const say = async (id: string, text: string) => {
    await send(client, id, text);
    return (await ended(client, id)).outcome.text;
  };
  assert.match(await say('q1', '/queue steer'), /not built yet: messages follow one by one/);
  assert.match(await say('q2', '/queue collect debounce:2s cap:5'), /is set/);
  assert.match(await say('q3', '/queue'), /collect, debounce 2000 ms, cap 5/);
  assert.match(await say('q4', '/queue sideways'), /is not understood/);
});
