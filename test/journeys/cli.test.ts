// The command line as a person and a script use it.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createInstallation } from '../support/installation.ts';
import { order, startJourney } from '../support/journey.ts';
import { scratchDir } from '../support/scratch.ts';

const SCENARIO = { name: 'ok', rules: [{ text: 'heard {{user}}' }] };

it('asks the running gateway', async (t) => {
  const { installation } = await startJourney(t, { scenario: SCENARIO });
  const { cli } = installation;
  const agent = await cli(['agent', '--agent', 'main', '-m', 'hello']);
  assert.deepEqual([agent.code, agent.stdout, agent.stderr], [0, 'heard hello\n', '']);
  const json = JSON.parse((await cli(['agent', '--agent', 'main', '-m', 'again', '--json'])).stdout) as { status: string; result: { payloads: unknown[] } };
  assert.deepEqual([json.status, json.result.payloads], ['ok', [{ text: 'heard again', mediaUrl: null }]]);
  const sessions = JSON.parse((await cli(['sessions', '--json'])).stdout) as {
    count: number;
    activeMinutes: null;
    sessions: { key: string; totalTokens: number }[];
  };
  assert.deepEqual([sessions.count, sessions.activeMinutes, sessions.sessions[0]?.key], [1, null, 'agent:main:main']);
  assert.equal((JSON.parse((await cli(['sessions', '--active', '5', '--json'])).stdout) as { activeMinutes: number }).activeMinutes, 5);
  assert.equal((JSON.parse((await cli(['health', '--json'])).stdout) as { ok: boolean }).ok, true);
  assert.equal((JSON.parse((await cli(['status', '--json'])).stdout) as { sessions: { count: number } }).sessions.count, 1);
  assert.equal((JSON.parse((await cli(['gateway', 'call', 'agents.list'])).stdout) as { defaultId: string }).defaultId, 'main');
  assert.equal((JSON.parse((await cli(['gateway', 'status', '--json'])).stdout) as { rpc: { ok: boolean } }).rpc.ok, true);
  assert.match((await cli(['logs'])).stdout, /gateway ready/);
  assert.match((await cli(['sessions', 'main'])).stdout, /\[user\]\nhello\n/);
  assert.match((await cli(['health'])).stdout, /sandbox none/);
});

it('answers errors on stderr with exit code 1', async (t) => {
  const { installation } = await startJourney(t, { scenario: SCENARIO });
  const { cli } = installation;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['agent', '-m', 'x'], /Pass --to <E.164>, --session-id, or --agent to choose a session/],
    [['agent', '--agent', 'nope', '-m', 'x'], /unknown agent id "nope"/],
    [['sessions', '--active', '0'], /--active must be a positive integer \(minutes\)/],
    [['gateway', 'call', 'no.such'], /Gateway call failed: Error: unknown method: no\.such/],
    [['gateway', 'call', 'health', '--params', '{'], /--params is not JSON/],
    [['config', 'get', 'nope.nope'], /Config path not found: nope\.nope/],
    [['health', '--token', 'wrong'], /token mismatch/],
    [['nonsense'], /unknown command/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await cli(args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr, message);
  }
});

it('stops the gateway, and then still shows what is on disk', async (t) => {
  const { installation, client, gateway } = await startJourney(t, { scenario: SCENARIO });
  await order(client, 'remember me');
  client.close();
  const { cli } = installation;
  assert.match((await cli(['gateway', 'stop'])).stdout, /stopped/);
  assert.equal(await gateway.exited, 0);
  assert.match((await cli(['gateway', 'stop'])).stdout, /no gateway/);
  const down = await cli(['health']);
  assert.deepEqual([down.code, down.stdout], [1, '']);
  assert.match(down.stderr, /no gateway answers.*Start one with: clawdbot gateway/);
  assert.equal((JSON.parse((await cli(['sessions', '--json'])).stdout) as { count: number }).count, 1);
  assert.match((await cli(['sessions', 'main'])).stdout, /remember me/);
});

it('shows the configuration with credentials masked, and checks it', async (t) => {
  const installation = await createInstallation({ dir: scratchDir(t) });
  const all = await installation.cli(['config', 'get']);
  assert.ok(!all.stdout.includes('test-token'));
  assert.equal((await installation.cli(['config', 'get', 'gateway.mode'])).stdout, 'local\n');
  assert.deepEqual((await installation.cli(['config', 'validate'])).code, 0);
});
