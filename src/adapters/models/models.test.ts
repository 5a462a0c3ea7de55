// Both SDKs against the simulator over real HTTP: streams, tools, and every way a call can fail.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { scratchDir } from '../../../test/support/scratch.ts';
import { parseConfig } from '../../domain/config-schema.ts';
import { systemClock } from '../../kit/clock.ts';
import { isFault } from '../../kit/fault.ts';
import { silentLog } from '../../kit/log.ts';
import type { ModelRequest } from '../../ports/model.ts';
import { createModels } from './catalog.ts';
import type { ScenarioFile } from './simulator/scenario.ts';
import { startSimulator } from './simulator/server.ts';

const APIS = ['anthropic-messages', 'openai-completions'] as const;

interface SetUp {
  readonly rules: ScenarioFile['rules'];
  readonly api?: (typeof APIS)[number];
  readonly idleSeconds?: number;
  readonly provider?: Readonly<Record<string, unknown>>;
}

async function setUp(t: TestContext, { rules, api = 'anthropic-messages', idleSeconds = 10, provider }: SetUp) {
  const simulator = await startSimulator({ scenario: { name: 'test', rules }, clock: systemClock });
  t.after(() => simulator.close());
  const baseUrl = api === 'anthropic-messages' ? simulator.url : `${simulator.url}/v1`;
  const stateDir = scratchDir(t);
  const parsed = parseConfig({ models: { idleSeconds, providers: { sim: { baseUrl, api, apiKey: 'key', ...provider } } } });
  assert.ok(parsed.ok);
  const models = createModels({ config: parsed.config, stateDir, providerKeys: {}, clock: systemClock, log: silentLog });
  const call = async (request: Partial<ModelRequest> = {}, signal = new AbortController().signal) => {
    const [endpoint] = await models.endpointsFor('sim', 'main');
    assert.ok(endpoint);
    const pieces: string[] = [];
    const client = await models.clientFor(endpoint);
    const reply = await client.call(
      {
        model: 'any',
        system: 'You test.',
        tools: [{ name: 'exec', about: 'runs', schema: { type: 'object', properties: {} } }],
        messages: [{ role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
        maxOutputTokens: 100,
        ...request,
      },
      { signal, onText: (piece) => pieces.push(piece) },
    );
    return { ...reply, pieces };
  };
  return { simulator, models, stateDir, call };
}

const fails = (code: string, details?: Readonly<Record<string, unknown>>) => (error: unknown) => {
  assert.ok(isFault(error, code), `${String(error)} is not ${code}`);
  for (const [key, value] of Object.entries(details ?? {})) assert.equal(error.details[key], value);
  return true;
};

for (const api of APIS) {
  describe(`models: ${api}`, () => {
    it('streams text and counts tokens', async (t) => {
      const { call } = await setUp(t, { api, rules: [{ text: 'one two three', stream: { chunk: 4 } }] });
      const { text, pieces, stopReason, usage } = await call();
      assert.deepEqual([text, pieces, stopReason], ['one two three', ['one ', 'two ', 'thre', 'e'], 'stop']);
      assert.ok(usage.input > 0 && usage.output > 0);
    });

    it('asks for tools, and their results reach the model', async (t) => {
      const { call } = await setUp(t, {
        api,
        rules: [
          { when: { tool: 'exec', result: 'it is (\\w+)' }, text: 'so {{result.1}}' },
          {
            text: 'let me look',
            tools: [
              { name: 'exec', input: { command: 'date' } },
              { name: 'exec', input: { command: 'id' } },
            ],
          },
        ],
      });
      const first = await call();
      assert.equal(first.stopReason, 'tool_use');
      assert.deepEqual(
        first.toolCalls.map(({ name, input }) => [name, input]),
        [
          ['exec', { command: 'date' }],
          ['exec', { command: 'id' }],
        ],
      );
      const second = await call({
        messages: [
          { role: 'user', parts: [{ type: 'text', text: 'hello' }] },
          {
            role: 'assistant',
            parts: [{ type: 'text', text: first.text }, ...first.toolCalls.map((toolCall) => ({ type: 'tool_call' as const, call: toolCall }))],
          },
          { role: 'user', parts: first.toolCalls.map(({ id }) => ({ type: 'tool_result' as const, callId: id, text: 'it is late', isError: false })) },
        ],
      });
      assert.equal(second.text, 'so late');
    });

    it('a request that breaks the pairing is refused as invalid, as the real provider does', async (t) => {
      const { call } = await setUp(t, { api, rules: [{ text: 'x' }] });
      const messages = [
        { role: 'user' as const, parts: [{ type: 'text' as const, text: 'hello' }] },
        { role: 'assistant' as const, parts: [{ type: 'tool_call' as const, call: { id: 'c1', name: 'exec', input: {} } }] },
        { role: 'user' as const, parts: [{ type: 'text' as const, text: 'and?' }] },
      ];
      await assert.rejects(call({ messages }), fails('model.invalid'));
    });

    it('names each refusal, with the pause the provider asks for', async (t) => {
      const { call, simulator } = await setUp(t, { api, rules: [{ text: 'x' }] });
      const cases = [
        [429, 'rate_limit_error', 'model.rate_limited'],
        [529, 'overloaded_error', 'model.overloaded'],
        [500, 'api_error', 'model.overloaded'],
        [401, 'authentication_error', 'model.auth'],
        [402, 'billing_error', 'model.billing'],
        [404, 'not_found_error', 'model.not_found'],
        [400, 'invalid_request_error', 'model.invalid'],
      ] as const;
      for (const [status, type, code] of cases) {
        simulator.play({ name: 'fail', rules: [{ fail: { status, type, retryAfter: 3 } }] });
        await assert.rejects(call(), fails(code, { retryAfterMs: 3000 }));
      }
    });

    it('a stream that is cut, one that stalls, and a server that is gone are told apart', async (t) => {
      const { call, simulator } = await setUp(t, {
        api,
        idleSeconds: 0.3,
        rules: [{ text: 'a long answer that is cut', stream: { chunk: 4, cutAfter: 4, delayMs: 1 } }],
      });
      await assert.rejects(call(), fails('model.network'));
      simulator.play({ name: 'stall', rules: [{ text: 'a long answer that stalls', stream: { chunk: 4, stallAfter: 4, delayMs: 1 } }] });
      await assert.rejects(call(), fails('model.stalled'));
      await simulator.close();
      await assert.rejects(call(), fails('model.network'));
    });

    it('a slow stream that goes on is not given up', async (t) => {
      const { call } = await setUp(t, { api, idleSeconds: 0.3, rules: [{ text: 'slow but steady', stream: { chunk: 2, delayMs: 60 } }] });
      assert.equal((await call()).text, 'slow but steady');
    });

    it('an abort ends the call at once', async (t) => {
      const { call } = await setUp(t, { api, rules: [{ text: 'never heard', stream: { firstMs: 5000 } }] });
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      const before = performance.now();
      await assert.rejects(call({}, stop.signal));
      assert.ok(performance.now() - before < 1000);
    });
  });
}

describe('credentials', () => {
  const profiles = (stateDir: string, list: Readonly<Record<string, unknown>>) => {
    const dir = join(stateDir, 'agents', 'main', 'agent');
    mkdirSync(dir, { recursive: true });
    const path = join(dir, 'auth-profiles.json');
    writeFileSync(path, JSON.stringify({ version: 1, profiles: list }));
    return path;
  };

  it('of the file come first, expired tokens are left out', async (t) => {
    const { models, stateDir } = await setUp(t, { rules: [{ text: 'x' }] });
    profiles(stateDir, {
      'sim:old': { type: 'token', provider: 'sim', token: 'old', expires: 1 },
      'sim:new': { type: 'token', provider: 'sim', token: 'new' },
      'other:x': { type: 'api_key', provider: 'other', key: 'no' },
    });
    const endpoints = await models.endpointsFor('sim', 'main');
    assert.deepEqual(
      endpoints.map(({ credential: { id, kind, secret } }) => [id, kind, secret]),
      [
        ['sim:new', 'token', 'new'],
        ['sim:config', 'api_key', 'key'],
      ],
    );
  });

  it('by OAuth are renewed before they expire, once, and kept beside the file they came from', async (t) => {
    const simulator = await startSimulator({ scenario: { name: 'oauth', rules: [{ text: 'x' }] }, clock: systemClock });
    t.after(() => simulator.close());
    const { models, stateDir } = await setUp(t, { rules: [{ text: 'x' }], provider: { oauth: { tokenUrl: `${simulator.url}/oauth/token`, clientId: 'c' } } });
    const path = profiles(stateDir, { 'sim:login': { type: 'oauth', provider: 'sim', access: 'stale', refresh: 'r', expires: 1 } });
    const before = readFileSync(path, 'utf8');
    const [one, two] = await Promise.all([models.endpointsFor('sim', 'main'), models.endpointsFor('sim', 'main')]);
    assert.match(one[0]?.credential.secret ?? '', /^sim-access-/);
    assert.equal(one[0]?.credential.secret, two[0]?.credential.secret);
    assert.equal((await models.endpointsFor('sim', 'main'))[0]?.credential.secret, one[0]?.credential.secret);
    assert.equal(readFileSync(path, 'utf8'), before);
  });

  it('that are missing are named with the way to get one', async (t) => {
    const { models } = await setUp(t, { rules: [{ text: 'x' }] });
    await assert.rejects(models.endpointsFor('anthropic', 'main'), /ANTHROPIC_API_KEY/);
    await assert.rejects(models.endpointsFor('nobody', 'main'), /models\.providers\.nobody/);
  });
});
