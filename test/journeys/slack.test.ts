// An inbound Slack message: taken once, answered where it came from, by what the gate and the routing table say.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BOT_USER } from '../../src/adapters/slack-simulator/workspace.ts';
import { ask } from '../support/journey.ts';
import { until } from '../support/scratch.ts';
import { DIRECT, OWNER, STRANGER, startOnSlack, TEAM_CHANNEL } from '../support/slack.ts';

const SCENARIO = {
  name: 'slack',
  rules: [
    { when: { user: 'say nothing' }, text: 'NO_REPLY' },
    { when: { user: 'write slowly' }, text: 'a long story in many words. '.repeat(30), stream: { chunk: 20, delayMs: 90 } },
    { when: { user: 'fail please' }, fail: { status: 400, type: 'invalid_request_error', message: 'no such thing' } },
    { when: { user: 'in markdown' }, text: '# Title\n\n- **bold** and [link](https://example.org/a)\n\n```ts\nconst a = 1 < 2;\n```' },
    { text: 'heard: {{user}}' },
  ],
};

describe('messages of Slack', () => {
  it('a direct message of the owner is answered in the same place, in his main session', async (t) => {
    const { slack, answers, simulator, client } = await startOnSlack(t, { scenario: SCENARIO });
    slack.say({ user: OWNER, channel: DIRECT, text: 'hello &amp; welcome' });
    const [answer = ''] = await answers(DIRECT, 1);
    assert.match(answer, /^heard: \[slack direct message, from your owner U0OWNER00\]\nhello &amp; welcome$/);
    assert.equal(simulator.requests().length, 1);
    const { sessions } = await ask(client, 'sessions.list', {});
    assert.deepEqual(
      sessions.map(({ key }: { key: string }) => key),
      ['agent:main:main'],
    );
  });

  it('in a channel it answers when it is named, in the thread where it was named, each conversation with its own session', async (t) => {
    const { slack, answers, texts, client } = await startOnSlack(t, { scenario: SCENARIO, slack: { channels: { [TEAM_CHANNEL]: {} } } });
    slack.say({ user: STRANGER, channel: TEAM_CHANNEL, text: 'lunch at noon' });
    const parent = slack.say({ user: STRANGER, channel: TEAM_CHANNEL, text: `<@${BOT_USER}> are you there?` });
    const [answer = ''] = await answers(TEAM_CHANNEL, 1);
    assert.match(
      answer,
      /Said here since your last turn[\s\S]*U0STRANGE: lunch at noon[\s\S]*who is not your owner[\s\S]*&lt;outside&gt;\nare you there\?\n&lt;\/outside&gt;$/,
    );
    slack.say({ user: OWNER, channel: TEAM_CHANNEL, text: `<@${BOT_USER}> and here?`, thread: parent });
    await answers(TEAM_CHANNEL, 2);
    assert.equal(slack.ofBot(TEAM_CHANNEL)[1]?.thread_ts, parent);
    slack.say({ user: STRANGER, channel: 'C0UNKNOWN', text: `<@${BOT_USER}> and in a channel that is not listed?` });
    slack.say({ user: OWNER, channel: DIRECT, text: 'last' });
    await answers(DIRECT, 1);
    assert.deepEqual(texts('C0UNKNOWN'), []);
    const { sessions } = await ask(client, 'sessions.list', {});
    const keys = sessions.map(({ key }: { key: string }) => key).sort();
    assert.deepEqual(keys, [
      'agent:main:main',
      `agent:main:slack:channel:${TEAM_CHANNEL.toLowerCase()}`,
      `agent:main:slack:channel:${TEAM_CHANNEL.toLowerCase()}:thread:${parent}`,
    ]);
    const seed = await ask(client, 'chat.history', { sessionKey: `agent:main:slack:${TEAM_CHANNEL}`, limit: 10 });
    assert.ok(seed.messages.length >= 2, 'the short form in capitals is the same session');
  });

  it('a stranger gets a code, and is heard once it is approved; the code is given once', async (t) => {
    const { slack, answers, texts, installation } = await startOnSlack(t, { scenario: SCENARIO });
    slack.say({ user: STRANGER, channel: 'D0STRANGE', text: 'hi' });
    const [asked = ''] = await answers('D0STRANGE', 1);
    const code = /\*([A-Z2-9]{8})\*/.exec(asked)?.[1] ?? '';
    slack.say({ user: STRANGER, channel: 'D0STRANGE', text: 'hello?' });
    const listed = await installation.cli(['pairing', 'list', 'slack', '--json']);
    assert.deepEqual(
      JSON.parse(listed.stdout).requests.map((request: { id: string; code: string }) => [request.id, request.code]),
      [[STRANGER, code]],
    );
    const approved = await installation.cli(['pairing', 'approve', 'slack', code, '--notify']);
    assert.equal(approved.code, 0, approved.stderr);
    await answers('D0STRANGE', 2);
    slack.say({ user: STRANGER, channel: 'D0STRANGE', text: 'now?' });
    const [, welcome = '', answer = ''] = await answers('D0STRANGE', 3);
    assert.match(welcome, /let in/);
    assert.match(answer, /not your owner[\s\S]*now\?/);
    assert.equal(texts('D0STRANGE').length, 3);
  });

  it('a long answer appears while it is written and ends as one message; a reaction comes and goes', async (t) => {
    const { slack, answers } = await startOnSlack(t, { scenario: SCENARIO });
    const ts = slack.say({ user: OWNER, channel: DIRECT, text: 'write slowly' });
    await until('the reaction', () => slack.find(DIRECT, ts)?.reactions.has('eyes'));
    const [first = ''] = await answers(DIRECT, 1);
    assert.match(first, /…$/);
    const whole = 'a long story in many words. '.repeat(30).trim();
    await until('the whole answer', () => slack.ofBot(DIRECT)[0]?.text === whole, 20_000);
    await until('the reaction to be gone', () => slack.find(DIRECT, ts)?.reactions.size === 0);
    assert.equal(slack.ofBot(DIRECT).length, 1);
    assert.ok((slack.ofBot(DIRECT)[0]?.edits ?? 0) >= 2);
  });

  it('Markdown is shown as Slack shows it; silence stays silent; a failure is told', async (t) => {
    const { slack, answers } = await startOnSlack(t, { scenario: SCENARIO, config: { messages: { queue: { mode: 'followup' } } } });
    slack.say({ user: OWNER, channel: DIRECT, text: 'in markdown' });
    const [shown] = await answers(DIRECT, 1);
    assert.equal(shown, '*Title*\n\n• *bold* and <https://example.org/a|link>\n\n```\nconst a = 1 &lt; 2;\n```');
    slack.say({ user: OWNER, channel: DIRECT, text: 'say nothing' });
    slack.say({ user: OWNER, channel: DIRECT, text: 'fail please' });
    const [, failed = ''] = await answers(DIRECT, 2);
    assert.match(failed, /^:warning: .*no such thing/);
  });

  it('chat commands are answered without a model; only the owner gives those that reach beyond the conversation', async (t) => {
    const { slack, answers, simulator } = await startOnSlack(t, { scenario: SCENARIO, slack: { channels: { [TEAM_CHANNEL]: {} } } });
    const said: string[] = [];
    for (const text of ['/status', '/tasks', '/usage', '/why', '/approve', '/model']) {
      slack.say({ user: OWNER, channel: DIRECT, text });
      said.push((await answers(DIRECT, said.length + 1)).at(-1) ?? '');
    }
    assert.match(said.join('\n---\n'), /Model[\s\S]*No task is open[\s\S]*No model was asked[\s\S]*No question is open[\s\S]*Model: simulator/);
    slack.say({ user: STRANGER, channel: TEAM_CHANNEL, text: `<@${BOT_USER}> /approve` });
    assert.deepEqual(await answers(TEAM_CHANNEL, 1), ['Only my owner can do that.']);
    slack.slash(TEAM_CHANNEL, OWNER, 'status');
    await answers(TEAM_CHANNEL, 2);
    assert.equal(slack.ofBot(TEAM_CHANNEL)[1]?.ephemeralFor, OWNER);
    assert.equal(simulator.requests().length, 0);
  });
});
