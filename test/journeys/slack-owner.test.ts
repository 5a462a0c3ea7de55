// What the owner does through Slack: answers questions by button, is told what is wrong, hears of agents' own messages; and the command line beside it.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ask } from '../support/journey.ts';
import { until } from '../support/scratch.ts';
import { DIRECT, OWNER, STRANGER, startOnSlack, TEAM_CHANNEL } from '../support/slack.ts';

const SCENARIO = {
  name: 'slack-owner',
  rules: [
    { when: { user: 'tell the team', step: 0 }, tools: [{ name: 'message', input: { action: 'send', target: TEAM_CHANNEL, message: 'the **news**' } }] },
    { when: { user: 'tell the world', step: 0 }, tools: [{ name: 'message', input: { action: 'send', target: 'C0WORLD00', message: 'x' } }] },
    { when: { tool: 'message' }, text: 'told: {{result}}' },
    { text: 'heard: {{user}}' },
  ],
};

describe('the owner on Slack', () => {
  it('a question comes with buttons; only his finger counts, and the question says how it was answered', async (t) => {
    const { slack, client, answers, texts } = await startOnSlack(t, { scenario: SCENARIO });
    const asked = ask(client, 'exec.approval.request', { id: 'q1', command: 'rm -rf build', cwd: '/srv/shop', timeoutMs: 60_000 }, 70_000);
    const [question = ''] = await answers(DIRECT, 1);
    assert.match(question, /wants to run in \/srv\/shop:\n```\nrm -rf build\n```/);
    const { ts = '' } = slack.ofBot(DIRECT)[0] ?? {};
    slack.press(DIRECT, ts, STRANGER, 'clawdbot:allow-once');
    await answers(DIRECT, 2);
    assert.match(texts(DIRECT)[1] ?? '', /Only my owner/);
    slack.press(DIRECT, ts, OWNER, 'clawdbot:allow-once');
    assert.equal((await asked).decision, 'allow-once');
    await until('the question to be settled', () => /\*granted\* by owner:slack:U0OWNER00/.test(texts(DIRECT)[0] ?? ''));
    const second = ask(client, 'exec.approval.request', { id: 'q2', command: 'make', timeoutMs: 60_000 }, 70_000);
    await answers(DIRECT, 3);
    slack.say({ user: OWNER, channel: DIRECT, text: '/deny' });
    assert.equal((await second).decision, 'deny');
  });

  it('an agent writes where the owner has let it, once, and is refused elsewhere', async (t) => {
    const { slack, answers, texts } = await startOnSlack(t, { scenario: SCENARIO, slack: { channels: { [TEAM_CHANNEL]: {} } } });
    slack.say({ user: OWNER, channel: DIRECT, text: 'tell the team' });
    assert.deepEqual(await answers(TEAM_CHANNEL, 1), ['the *news*']);
    await answers(DIRECT, 1);
    slack.say({ user: OWNER, channel: DIRECT, text: 'tell the world' });
    const [, refused = ''] = await answers(DIRECT, 2);
    assert.match(refused, /neither the owner, nor listed under channels/);
    assert.deepEqual(texts('C0WORLD00'), []);
  });

  it('reactions and edits are told with the next turn', async (t) => {
    const { slack, answers } = await startOnSlack(t, { scenario: SCENARIO });
    const said = slack.say({ user: OWNER, channel: DIRECT, text: 'first' });
    await answers(DIRECT, 1);
    slack.react(DIRECT, slack.ofBot(DIRECT)[0]?.ts ?? '', OWNER, 'thumbsup');
    slack.edit(DIRECT, said, 'first, in other words');
    await until('both to be taken', () => slack.open() === 0);
    slack.say({ user: OWNER, channel: DIRECT, text: 'second' });
    const [, answer = ''] = await answers(DIRECT, 2);
    assert.match(answer, /reacted with :thumbsup: on a message of yours/);
    assert.match(answer, /it reads now: "first, in other words"/);
  });

  it('what is wrong is told once and where it can be read, and so is its end', async (t) => {
    const { slack, client, installation, texts } = await startOnSlack(t, { scenario: SCENARIO });
    slack.faults.refuse = 'token_revoked';
    slack.cut();
    const inbox = async () => (await ask(client, 'inbox.list', { box: 'human' })).messages.map(({ subject }: { subject: string }) => subject);
    await until('the alert', async () => (await inbox()).includes('critical: channel:slack/default'), 20_000);
    const shown = await installation.cli(['alerts']);
    assert.match(shown.stdout, /!! channel:slack\/default: refused[\s\S]*token_revoked[\s\S]*channel down\n {2}stops: /);
    assert.equal((await installation.cli(['message', 'send', '-t', OWNER, '-m', 'later', '--json'])).code, 0, 'it is kept, and says so');
    slack.faults.refuse = '';
    const file = join(installation.stateDir, 'clawdbot.json');
    const written = JSON.parse(readFileSync(file, 'utf8'));
    written.channels.slack.botToken = 'xoxb-simulated-new';
    writeFileSync(file, JSON.stringify(written));
    await until('the recovery', () => texts(DIRECT).some((text) => /over: channel:slack\/default/.test(text)), 30_000);
    assert.equal(texts(DIRECT).filter((text) => text === 'later').length, 1);
    assert.equal((await inbox()).filter((subject: string) => subject.includes('channel:')).length, 1);
  });

  it('the command line: status, send, and where a message would go', async (t) => {
    const { installation, texts } = await startOnSlack(t, {
      scenario: SCENARIO,
      slack: { channels: { [TEAM_CHANNEL]: { users: [OWNER] } } },
      config: { bindings: [{ agentId: 'main', match: { channel: 'slack', peer: { kind: 'channel', id: TEAM_CHANNEL } } }] },
    });
    const sent = await installation.cli(['message', 'send', '--target', TEAM_CHANNEL, '--message', 'from the *shell*', '--json']);
    assert.equal(sent.code, 0, sent.stderr);
    const { channel, channelId, state } = JSON.parse(sent.stdout);
    assert.deepEqual([channel, channelId, state], ['slack', TEAM_CHANNEL, 'sent']);
    assert.deepEqual(texts(TEAM_CHANNEL), ['from the _shell_']);
    const unknown = await installation.cli(['message', 'send', '--channel', 'slack', '--target', 'C1', '--message', 'y']);
    assert.deepEqual([unknown.code, unknown.stderr], [1, 'Gateway call failed: Error: Unknown target "C1" for slack.\n']);
    const status = await installation.cli(['channels', 'status']);
    assert.match(status.stdout, /slack\/default +connected .* 2 +clawdbot/);
    const explain = async (user: string) =>
      JSON.parse((await installation.cli(['route', 'explain', '--place', TEAM_CHANNEL, '--user', user])).stdout).admission;
    const owner = await explain(OWNER);
    assert.deepEqual(
      [owner.kind, owner.agentId, owner.binding, owner.sessionKey, owner.trust],
      ['accepted', 'main', 0, `agent:main:slack:channel:${TEAM_CHANNEL.toLowerCase()}`, 'owner'],
    );
    assert.match((await explain(STRANGER)).reason, /not among the users/);
  });
});
