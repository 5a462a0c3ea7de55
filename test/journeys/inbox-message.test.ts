// A message between agents: once, in order, heard with the next turn or at the next tool boundary, answered or escalated.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'inbox',
  rules: [
    {
      when: { user: 'write to (\\S+): (.+)', step: 0 },
      tools: [{ name: 'inbox', input: { action: 'send', to: '{{user.1}}', subject: 'a word', content: '{{user.2}}' } }],
    },
    { when: { user: 'write to', result: '(.*)' }, text: 'sent: {{result.1}}' },
    { when: { user: 'take your time', step: 0 }, tools: [{ name: 'exec', input: { command: 'sleep 1.5; echo slept' } }] },
    { when: { user: 'from human[^]*drop everything' }, text: 'dropped everything' },
    { when: { user: 'take your time' }, text: 'nobody said anything' },
    {
      when: { user: '\\[Inbox of (\\S+): [^]*--- (msg_\\w+) [^\\n]*request', step: 0 },
      tools: [{ name: 'inbox', input: { action: 'send', to: 'human', subject: 're', content: 'done so', replyTo: '{{user.2}}' } }],
    },
    {
      when: { user: 'tell the owner', step: 0 },
      tools: ['one', 'two', 'three'].map((subject) => ({ name: 'inbox', input: { action: 'send', to: 'human', subject, content: 'decide' } })),
    },
    { when: { user: 'poison' }, fail: { status: 400 } },
    { when: { user: '\\[Inbox of (\\S+)' }, text: 'read my mail as {{user.1}}' },
    { text: 'heard' },
  ],
};
const TEAM = {
  agents: {
    list: [
      { id: 'main', default: true },
      { id: 'coordinator', role: 'coordinator' },
      { id: 'checker', role: 'validator' },
    ],
  },
};

it('a message wakes the agent of its box, is told in order of urgency and arrival, and counts as read', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  for (const [priority, content] of [
    ['P2', 'first'],
    ['P2', 'second'],
    ['high', 'third'],
  ] as const)
    await ask(client, 'inbox.send', { to: 'Coordinator (Sonnet)', subject: content, content, priority });
  const read = await until('the mail is read', async () => {
    const { messages } = await ask(client, 'inbox.list', { box: 'coordinator', all: true });
    return messages.length === 3 && messages.every(({ state }: { state: string }) => state === 'read') && messages;
  });
  assert.deepEqual(new Set(read.map(({ from }: { from: string }) => from)), new Set(['human']));
  const { messages } = await ask(client, 'chat.history', { sessionKey: 'agent:coordinator:main' });
  const told = messages
    .filter(({ role }: { role: string }) => role === 'user')
    .map(({ content }: { content: { text: string }[] }) => content[0]?.text ?? '')
    .join('\n');
  for (const word of ['first', 'second', 'third']) assert.equal(told.split(`\n${word}\n${word}`).length, 2, `${word} is told once`);
  assert.match(messages.at(-1).content[0].text, /read my mail as coordinator/);
});

it('one agent writes to another, who it is is known to the gateway', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  const said = textOf(await order(client, 'write to validator: look at p1-2', { session: 'agent:coordinator:main' }));
  assert.equal(JSON.parse(said.replace('sent: ', '')).to, 'validator');
  const [message] = await until('it is read', async () => {
    const { messages } = await ask(client, 'inbox.list', { box: 'qa', all: true });
    return messages[0]?.state === 'read' && messages;
  });
  assert.deepEqual([message.from, message.content], ['coordinator', 'look at p1-2']);
});

it('the same message twice is one, equal alarms are one with a count, and different ones with the same id are two', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  const send = (more: object) => ask(client, 'inbox.send', { to: 'person-manager', subject: 's', content: 'c', ...more });
  const first = await send({});
  assert.deepEqual([(await send({})).id, (await send({})).fate], [first.id, 'duplicate']);
  assert.equal((await send({ content: 'other' })).fate, 'new');
  const alarm = (n: number) => send({ type: 'alert', subject: 'worker is stuck', content: { since: `2026-02-19T1${n}:00:00Z`, n } });
  assert.deepEqual([(await alarm(1)).fate, (await alarm(2)).fate, (await alarm(3)).fate], ['new', 'folded', 'folded']);
  const { messages } = await ask(client, 'inbox.list', { box: 'person-manager' });
  assert.deepEqual(messages.map(({ count }: { count: number }) => count).toSorted(), [1, 1, 3]);
});

it('an urgent message reaches an agent at its next tool boundary', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  const working = order(client, 'take your time', { session: 'agent:coordinator:main' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  await ask(client, 'inbox.send', { to: 'coordinator', subject: 'fire', content: 'drop everything', priority: 'P0' });
  assert.match(textOf(await working), /dropped everything/);
});

it('a request is answered by a reply, and the thread tells it', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  const { id } = await ask(client, 'inbox.send', { to: 'coordinator', subject: 'please', content: 'do so', type: 'request' });
  const thread = await until('the reply', async () => {
    const { messages } = await ask(client, 'inbox.thread', { id });
    return messages.length === 2 && messages;
  });
  assert.deepEqual(
    thread.map(({ box, state, replyTo }: { box: string; state: string; replyTo: string | null }) => [box, state, replyTo]),
    [
      ['coordinator', 'acked', null],
      ['human', 'queued', id],
    ],
  );
});

it('what fails three times is a dead letter, and the manager of the sender hears of it', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  await ask(client, 'inbox.send', { to: 'coordinator', subject: 'poison', content: 'poison' });
  const notice = await until('the notice', async () => {
    const { messages } = await ask(client, 'inbox.list', { box: 'human' });
    return messages.find(({ subject }: { subject: string }) => subject.startsWith('Dead letter'));
  });
  assert.match(notice.subject, /"poison" to coordinator/);
  const { messages } = await ask(client, 'inbox.list', { box: 'coordinator', all: true });
  assert.deepEqual([messages[0].state, messages[0].failures], ['dead_lettered', 3]);
});

it('what one run says to the owner is one digest, and all that waits for the owner is one list', async (t) => {
  const { client, installation } = await startJourney(t, { scenario: SCENARIO, config: TEAM });
  await order(client, 'tell the owner', { session: 'agent:coordinator:main' });
  const { messages } = await ask(client, 'inbox.list', { box: 'human' });
  assert.deepEqual(
    messages.map(({ subject, from, content }: { subject: string; from: string; content: { digest: { subject: string }[] } }) => [
      from,
      subject,
      content.digest.map((point) => point.subject),
    ]),
    [['coordinator', 'coordinator: 3 points', ['one', 'two', 'three']]],
  );
  await ask(client, 'tasks.add', { name: 'p1-1', title: 'stuck' });
  await ask(client, 'tasks.move', { name: 'p1-1', to: 'blocked', blockedBy: { owner: 'human', action: 'choose a colour', recheckMinutes: 60 } });
  const listed = await installation.cli(['decisions']);
  assert.match(listed.stdout, /1\. coordinator: 3 points\n {3}from coordinator.*2\. p1-1 \(main\) waits for you: choose a colour/s);
  await ask(client, 'inbox.ack', { id: messages[0].id });
  assert.equal((await ask(client, 'decisions.list')).decisions.length, 1);
});
