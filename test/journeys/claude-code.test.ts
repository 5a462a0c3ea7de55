// The runtime claude-code, with the real command against the simulator: only the gateway's tools, conversations that go on, a kill in the middle.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, order, startJourney, textOf, toolEvent, workerPid } from '../support/journey.ts';

/** Where npm run test:claude puts it. */
const INSTALLED = fileURLToPath(new URL('../../.runtimes/state/runtimes/claude-code/node_modules/.bin/claude', import.meta.url));
const COMMAND = process.env['CLAWDBOT_TEST_CLAUDE'] ?? INSTALLED;
const skip = existsSync(COMMAND) ? false : 'the claude command is not installed: npm run test:claude';

const SCENARIO = {
  name: 'claude',
  rules: [
    {
      when: { user: 'ask the reviewers', step: 0 },
      tools: [{ name: 'mcp__gateway__sessions_spawn', input: { task: 'review it', label: 'review', role: 'reviewer' } }],
    },
    { when: { user: 'ask the reviewers', step: 1, result: 'accepted' }, tools: [{ name: 'mcp__gateway__sessions_await', input: {} }] },
    { when: { user: 'ask the reviewers', result: 'looks sound' }, text: 'the reviewers agree' },
    { when: { user: 'review it' }, text: 'looks sound' },
    { when: { user: 'take your time', step: 0 }, tools: [{ name: 'mcp__gateway__exec', input: { command: 'echo begun >> log; sleep 60' } }] },
    { when: { user: 'interrupted in the middle' }, text: 'gone on' },
    { when: { user: 'second order' }, text: 'answered the second' },
    { text: 'heard' },
  ],
};
const CONFIG = {
  agents: {
    defaults: { claudeCommand: COMMAND },
    list: [
      { id: 'main', default: true },
      { id: 'architect', role: 'story-architect' },
    ],
  },
};
const SESSION = { session: 'agent:architect:main' };

describe('runtime claude-code', { skip }, () => {
  it('uses the tools of the gateway and no others, and remembers the conversation', { timeout: 120_000 }, async (t) => {
    const { client, simulator } = await startJourney(t, { scenario: SCENARIO, config: CONFIG });
    assert.equal(textOf(await order(client, 'ask the reviewers', SESSION)), 'the reviewers agree');
    const first = JSON.parse(simulator.latestBody());
    const names = first.tools.map(({ name }: { name: string }) => name);
    assert.ok(names.length > 5 && names.every((name: string) => name.startsWith('mcp__gateway__')), names.join());
    assert.match(JSON.stringify(first.system), /You are the story-architect of the team/);
    const { messages } = await ask(client, 'chat.history', { sessionKey: SESSION.session });
    assert.deepEqual(
      messages.map(({ role }: { role: string }) => role),
      ['user', 'assistant', 'toolResult', 'assistant', 'toolResult', 'assistant'],
    );
    assert.equal(textOf(await order(client, 'second order', SESSION)), 'answered the second');
    assert.match(simulator.latestBody(), /ask the reviewers/, 'the conversation went on');
  });

  it('a kill of the worker in the middle: it goes on, and leaves no process behind', { timeout: 120_000 }, async (t) => {
    const { client, workspace } = await startJourney(t, { scenario: SCENARIO, config: CONFIG });
    const answer = order(client, 'take your time', SESSION);
    await toolEvent(client, 'exec');
    process.kill(await workerPid(client), 'SIGKILL');
    assert.equal(textOf(await answer), 'gone on');
    assert.ok(existsSync(workspace) && !existsSync(join(workspace, 'never')));
  });
});
