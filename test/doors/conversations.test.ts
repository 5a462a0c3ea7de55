// Conversations through the door: commands keep the history, aborts keep what was said, resets lose nothing.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';
import { enter, type RawClient } from '../support/wire.ts';

const SLOW = { chunk: 8, delayMs: 40 };
const SCENARIO = {
  name: 'talk',
  rules: [
    { when: { user: 'slowly' }, text: 'one two three four five six seven eight nine ten '.repeat(20), stream: SLOW },
    { when: { user: 'tool', step: 0 }, text: 'I look.', tools: [{ name: 'exec', input: { command: 'echo found' } }] },
    { when: { result: '(found)' }, text: 'It said {{result.1}}.' },
    { text: 'heard {{user}}' },
  ],
};

const say = (client: RawClient, message: string, idempotencyKey: string, sessionKey = 'main') =>
  client.ask('chat.send', { sessionKey, message, idempotencyKey });
const finalOf = (client: RawClient, runId: string) => client.event('chat', (payload) => payload.runId === runId && payload.state !== 'delta');
const textOfChat = (payload: { message: { content: { text: string }[] } }) => payload.message.content.map(({ text }) => text).join('');

it('a chat keeps its own run id, has one final with the whole answer, and none that is empty', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const client = await enter(t, gateway.port);
  assert.deepEqual((await say(client, 'a', 'k1')).payload, { runId: 'k1', status: 'started' });
  await say(client, 'b', 'k2');
  await say(client, 'c', 'k3');
  for (const [key, text] of [
    ['k1', 'heard a'],
    ['k2', 'heard b'],
    ['k3', 'heard c'],
  ] as const) {
    assert.equal(textOfChat(await finalOf(client, key)), text);
    assert.equal(client.frames.filter(({ event, payload }) => event === 'chat' && payload.runId === key && payload.state === 'final').length, 1);
  }
  assert.deepEqual((await say(client, 'a', 'k1')).payload, { runId: 'k1', status: 'ok' });
});

it('main is one session, whatever it is called and whoever writes', async (t) => {
  const { gateway, client } = await startJourney(t, { scenario: SCENARIO });
  const chat = await enter(t, gateway.port);
  await say(chat, 'from the chat', 'k1');
  await finalOf(chat, 'k1');
  await order(client, 'from a program', { session: 'agent:main:main' });
  await client.call('agent', { message: 'from the agent flag', agentId: 'main', idempotencyKey: 'k3' }, { expectFinal: true });
  const { payload } = await chat.ask('chat.history', { sessionKey: 'main' });
  assert.deepEqual(
    payload.messages.filter(({ role }: { role: string }) => role === 'user').map(({ content }: { content: { text: string }[] }) => content[0]?.text),
    ['from the chat', 'from a program', 'from the agent flag'],
  );
  assert.equal((await chat.ask('sessions.list')).payload.count, 1);
});

it('a slash command answers without a model, keeps the history, and happens once however often it is sent', async (t) => {
  const { gateway, client, simulator } = await startJourney(t, { scenario: SCENARIO });
  await order(client, 'remember the word zebra');
  const chat = await enter(t, gateway.port);
  const before = simulator.requests().length;
  await say(chat, '/status', 'c1');
  const card = await finalOf(chat, 'c1');
  assert.deepEqual([card.message.stopReason, card.message.usage], ['injected', { input: 0, output: 0, totalTokens: 0 }]);
  assert.match(textOfChat(card), /Model: simulator\/any/);
  assert.ok(!chat.frames.some(({ event, payload }) => event === 'agent' && payload.runId === 'c1'));
  assert.equal(simulator.requests().length, before);
  await order(client, 'which word?');
  const asked = simulator.latestBody();
  assert.ok(asked.includes('zebra') && !asked.includes('Model: simulator'), 'the model sees the history and not the card');
  assert.match(JSON.stringify((await chat.ask('chat.history', { sessionKey: 'main' })).payload.messages), /Model: simulator/);

  await say(chat, '/model simulator/other', 'c2');
  assert.match(textOfChat(await finalOf(chat, 'c2')), /simulator\/other/);
  assert.equal(JSON.parse(JSON.stringify(await client.call('sessions.list'))).sessions[0].modelOverride, 'other');
  const { sessionId } = (await client.call('chat.history', { sessionKey: 'main' })) as { sessionId: string };
  await say(chat, '/new', 'c3');
  await finalOf(chat, 'c3');
  const fresh = (await client.call('chat.history', { sessionKey: 'main' })) as { sessionId: string };
  assert.notEqual(fresh.sessionId, sessionId);
  assert.deepEqual((await say(chat, '/new', 'c3')).payload, { runId: 'c3', status: 'ok' });
  assert.equal(((await client.call('chat.history', { sessionKey: 'main' })) as { sessionId: string }).sessionId, fresh.sessionId);
  await say(chat, '/new and tell me', 'c4');
  assert.equal(textOfChat(await finalOf(chat, 'c4')), 'heard and tell me');
  await say(chat, '/unknown thing', 'c5');
  assert.equal(textOfChat(await finalOf(chat, 'c5')), 'heard /unknown thing');
  await say(chat, '/think sideways', 'c6');
  assert.match(textOfChat(await finalOf(chat, 'c6')), /use off\|minimal\|low\|medium\|high/);
});

it('an abort keeps what was said so far, in the events and in the history, and the next turn knows it', async (t) => {
  const { gateway, simulator } = await startJourney(t, { scenario: SCENARIO });
  const chat = await enter(t, gateway.port);
  await say(chat, 'slowly', 'k1');
  await chat.event('chat', ({ runId, state }) => runId === 'k1' && state === 'delta');
  const { payload } = await chat.ask('chat.abort', { sessionKey: 'main' });
  assert.deepEqual(payload, { ok: true, aborted: true, runIds: ['k1'] });
  const end = await finalOf(chat, 'k1');
  assert.deepEqual([end.state, end.stopReason], ['aborted', 'rpc']);
  assert.match(textOfChat(end), /^one two/);
  const { messages } = (await chat.ask('chat.history', { sessionKey: 'main' })).payload;
  assert.deepEqual([messages.length, messages[1].stopReason], [2, 'aborted']);
  await say(chat, 'go on', 'k2');
  await finalOf(chat, 'k2');
  assert.match(simulator.latestBody(), /one two/);
  assert.deepEqual((await chat.ask('chat.abort', { sessionKey: 'main', runId: 'k2' })).payload, { ok: true, aborted: false, runIds: [] });
  await say(chat, 'slowly', 'k3');
  await chat.event('chat', ({ runId, state }) => runId === 'k3' && state === 'delta');
  assert.equal((await say(chat, 'stop', 'k4')).payload.aborted, true);
  assert.equal((await finalOf(chat, 'k3')).stopReason, 'stop');
});

it('messages that were acknowledged survive a stop and are answered after the next start', async (t) => {
  const { gateway, installation } = await startJourney(t, {
    scenario: SCENARIO,
    config: { gateway: { mode: 'local', port: 0, auth: { mode: 'token', token: 'test-token-0123456789abcdef' }, drainSeconds: 0 } },
  });
  const chat = await enter(t, gateway.port);
  await say(chat, 'slowly', 'k1');
  for (const key of ['k2', 'k3', 'k4']) assert.equal((await say(chat, `message ${key}`, key)).payload.status, 'started');
  await chat.ask('wake', { mode: 'next-heartbeat', text: 'the mail came' });
  gateway.child.kill('SIGTERM');
  assert.equal((await chat.event('shutdown')).reason, 'gateway stopping');
  assert.equal((await chat.closed()).code, 1012);
  await gateway.exited;
  const next = await installation.start();
  const after = await enter(t, next.port);
  await after.ask('chat.abort', { sessionKey: 'main', runId: 'k1' });
  for (const key of ['k2', 'k3', 'k4']) {
    const { payload } = await after.ask('agent.wait', { runId: key, timeoutMs: 20_000 });
    assert.equal(payload.status, 'ok', key);
  }
  const { messages } = (await after.ask('chat.history', { sessionKey: 'main' })).payload;
  const users = messages.filter(({ role }: { role: string }) => role === 'user').map(({ content }: { content: { text: string }[] }) => content[0]?.text ?? '');
  assert.equal(users.length, 4);
  assert.equal(users.filter((text: string) => text.includes('the mail came')).length, 1, 'the event is told once');
});

it('words put in by a client are events, history and context', async (t) => {
  const { gateway, client, simulator } = await startJourney(t, { scenario: SCENARIO });
  const chat = await enter(t, gateway.port);
  assert.equal((await chat.ask('chat.inject', { sessionKey: 'main', message: 'x' })).error.message, 'session not found');
  await order(client, 'hello');
  const { payload } = await chat.ask('chat.inject', { sessionKey: 'main', message: 'the build is green', label: 'CI' });
  assert.equal(payload.ok, true);
  const event = await chat.event('chat', ({ runId }) => String(runId).startsWith('inject-'));
  assert.match(textOfChat(event), /\[CI\]\n\nthe build is green/);
  assert.equal(textOf(await order(client, 'what of it?')), 'heard what of it?');
  assert.match(simulator.latestBody(), /the build is green/);
});

it('sessions are set, shown, named, compacted and let go in the words clients know', async (t) => {
  const { gateway, client } = await startJourney(t, { scenario: SCENARIO });
  const chat = await enter(t, gateway.port);
  for (const n of [1, 2, 3]) await order(client, `turn ${n}`, { session: 'notes' });
  const patched = await chat.ask('sessions.patch', { key: 'notes', label: 'My notes', thinkingLevel: 'high', verboseLevel: 'off' });
  assert.deepEqual([patched.payload.key, patched.payload.entry.label, patched.payload.entry.thinkingLevel], ['agent:main:notes', 'My notes', 'high']);
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['sessions.patch', { key: 'notes', thinkingLevel: 'sideways' }, 'invalid thinkingLevel (use off|minimal|low|medium|high)'],
    ['sessions.patch', { key: 'other', label: 'My notes' }, 'label already in use: My notes (by agent:main:notes)'],
    ['sessions.patch', { key: 'notes', spawnedBy: 'agent:main:main' }, 'spawnedBy is only supported for subagent:* sessions'],
    ['sessions.resolve', { key: 'nope' }, 'No session found: nope'],
    ['sessions.resolve', { label: 'nope' }, 'No session found with label: nope'],
    ['sessions.delete', { key: 'main' }, 'Cannot delete the main session (agent:main:main).'],
    ['sessions.compact', { key: 'nope' }, 'No session found: agent:main:nope'],
  ];
  for (const [method, params, message] of cases) assert.equal((await chat.ask(method, params)).error.message, message, method);
  assert.deepEqual((await chat.ask('sessions.resolve', { label: 'My notes' })).payload, { ok: true, key: 'agent:main:notes' });
  const { payload: list } = await chat.ask('sessions.list', { search: 'NOTES', includeDerivedTitles: true, includeLastMessage: true });
  assert.deepEqual([list.count, list.sessions[0].derivedTitle, list.sessions[0].lastMessagePreview], [1, 'turn 1', 'heard turn 3']);
  const { payload: preview } = await chat.ask('sessions.preview', { keys: ['notes', 'nope'] });
  assert.deepEqual(
    [preview.previews[0].items.at(-1), preview.previews[1]],
    [
      { role: 'assistant', text: 'heard turn 3' },
      { key: 'nope', status: 'missing', items: [] },
    ],
  );
  assert.deepEqual((await chat.ask('sessions.compact', { key: 'notes', maxLines: 2 })).payload, {
    ok: true,
    key: 'agent:main:notes',
    compacted: true,
    kept: 2,
  });
  const reset = await chat.ask('sessions.reset', { key: 'notes' });
  assert.deepEqual([reset.payload.entry.label, reset.payload.entry.totalTokens], ['My notes', 0]);
  assert.equal((await chat.ask('sessions.delete', { key: 'notes' })).payload.deleted, true);
  assert.equal((await chat.ask('sessions.delete', { key: 'notes' })).payload.deleted, false);
});

it('a session that is not verbose shows clients no tool calls, and its answer all the same', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const chat = await enter(t, gateway.port);
  await say(chat, 'use a tool', 'k1');
  await finalOf(chat, 'k1');
  assert.ok(chat.frames.some(({ event, payload }) => event === 'agent' && payload.stream === 'tool'));
  await chat.ask('sessions.patch', { key: 'quiet', verboseLevel: 'off' });
  await say(chat, 'use a tool', 'k2', 'quiet');
  assert.equal(textOfChat(await finalOf(chat, 'k2')), 'It said found.');
  assert.ok(!chat.frames.some(({ event, payload }) => event === 'agent' && payload.stream === 'tool' && payload.runId === 'k2'));
});

it('a wake gives the main session a turn of its own; heartbeats off leave the event for the next one', async (t) => {
  const { gateway } = await startJourney(t, {
    scenario: { name: 'beat', rules: [{ when: { user: 'HEARTBEAT.md' }, text: 'HEARTBEAT_OK' }, { text: 'heard {{user}}' }] },
  });
  const chat = await enter(t, gateway.port);
  assert.equal((await chat.ask('last-heartbeat')).payload, null);
  await chat.ask('wake', { mode: 'now', text: 'disk almost full' });
  assert.equal((await chat.event('heartbeat')).status, 'ok-token');
  assert.equal((await chat.ask('last-heartbeat')).payload.status, 'ok-token');
  await chat.ask('set-heartbeats', { enabled: false });
  await chat.ask('wake', { mode: 'now', text: 'and the mail came' });
  await chat.ask('system-event', { text: 'a window opened' });
  await until('queued', async () => (await chat.ask('status')).payload.queuedSystemEvents.length === 2);
  await say(chat, 'hello', 'k1');
  assert.match(textOfChat(await finalOf(chat, 'k1')), /and the mail came\nSystem: .*a window opened\n\nhello/);
});
