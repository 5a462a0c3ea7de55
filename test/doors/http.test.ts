// The HTTP door with the clients people really use: the openai package, curl-like calls, hooks.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { TOKEN } from '../support/installation.ts';
import { startShared } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const HOOK = 'hook-token-0123456789abcdef';
const SCENARIO = {
  name: 'http',
  rules: [
    { when: { user: 'fail please' }, fail: { status: 400, type: 'invalid_request_error', message: 'no such thing' } },
    { when: { user: 'long' }, text: 'a long answer in many pieces '.repeat(40), stream: { chunk: 20, delayMs: 2 } },
    { when: { user: 'use the tool', step: 0 }, text: 'I look.', tools: [{ name: 'exec', input: { command: 'echo found' } }] },
    { when: { result: '(found)' }, text: 'It said {{result.1}}.' },
    { text: 'heard {{user}}' },
  ],
};
const PIXEL = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked into by tests
type Answer = any;

describe('the HTTP door', () => {
  const shared = startShared({ before, after }, { scenario: SCENARIO, config: { hooks: { enabled: true, token: HOOK } } });
  const base = () => `http://127.0.0.1:${shared().gateway.port}`;
  const openai = () => new OpenAI({ baseURL: `${base()}/v1`, apiKey: TOKEN, maxRetries: 0 });
  const post = async (path: string, body: unknown, headers: Readonly<Record<string, string>> = { authorization: `Bearer ${TOKEN}` }) => {
    const response = await fetch(base() + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers });
    const text = await response.text();
    let json: Answer;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined; // plain text, looked at by the test
    }
    return { status: response.status, text, json, headers: response.headers };
  };

  it('answers chat completions of the openai package, with its usage', async () => {
    const answer = await openai().chat.completions.create({ model: 'clawdbot', messages: [{ role: 'user', content: 'hello' }] });
    assert.equal(answer.choices[0]?.message.content, 'heard hello');
    assert.equal(answer.choices[0]?.finish_reason, 'stop');
    assert.ok(
      (answer.usage?.prompt_tokens ?? 0) > 0 && answer.usage?.total_tokens === (answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0),
    );
  });

  it('streams them, with a last chunk that says why it ended and what it cost', async () => {
    const stream = await openai().chat.completions.create({
      model: 'clawdbot:main',
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: 'long' }],
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    assert.equal(text, 'a long answer in many pieces '.repeat(40));
    assert.ok(chunks.length > 5, 'it came in pieces');
    assert.deepEqual(chunks.map(({ choices }) => choices[0]?.finish_reason).filter(Boolean), ['stop']);
    assert.ok((chunks.at(-1)?.usage?.completion_tokens ?? 0) > 0);
  });

  it('works as an agent behind them: tools run, and what is said before them is part of the stream', async () => {
    const ask = { model: 'clawdbot', messages: [{ role: 'user' as const, content: 'use the tool' }] };
    assert.equal((await openai().chat.completions.create(ask)).choices[0]?.message.content, 'It said found.');
    let text = '';
    for await (const chunk of await openai().chat.completions.create({ ...ask, stream: true })) text += chunk.choices[0]?.delta.content ?? '';
    assert.equal(text, 'I look.\n\nIt said found.');
  });

  it('keeps conversations apart by user, and takes system messages, earlier turns and images', async () => {
    const say = (content: string, user: string) => openai().chat.completions.create({ model: 'clawdbot', user, messages: [{ role: 'user', content }] });
    await say('my word is zebra', 'anna');
    await say('and mine is lion', 'ben');
    await say('which?', 'anna');
    const seen = shared().simulator.latestBody();
    assert.ok(seen.includes('zebra') && !seen.includes('lion'));
    await openai().chat.completions.create({
      model: 'clawdbot',
      messages: [
        { role: 'system', content: 'talk like a pirate' },
        { role: 'user', content: 'first' },
        { role: 'assistant', content: 'aye' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'second' },
            { type: 'image_url', image_url: { url: PIXEL } },
          ],
        },
      ],
    });
    for (const part of ['talk like a pirate', 'user: first', 'assistant: aye', 'second', '"media_type":"image/png"'])
      assert.ok(shared().simulator.latestBody().includes(part), part);
  });

  it('answers responses of the openai package, plain and streamed, and goes on from an earlier one', async () => {
    const first = await openai().responses.create({ model: 'clawdbot', input: 'my word is otter', instructions: 'be brief' });
    assert.equal(first.output_text, 'heard my word is otter');
    assert.ok((first.usage?.input_tokens ?? 0) > 0);
    assert.ok(shared().simulator.latestBody().includes('be brief'));
    const stream = await openai().responses.create({
      model: 'clawdbot',
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'long' }] }],
      previous_response_id: first.id,
      stream: true,
    });
    const types: string[] = [];
    let text = '';
    let final: Answer;
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (event.type === 'response.completed') final = event.response;
    }
    assert.equal(text, 'a long answer in many pieces '.repeat(40));
    assert.deepEqual([types[0], types[1], types.at(-1)], ['response.created', 'response.in_progress', 'response.completed']);
    assert.deepEqual([final.output[0].content[0].text, final.usage.output_tokens > 0], [text, true]);
    assert.ok(shared().simulator.latestBody().includes('otter'), 'the earlier turn is known');
  });

  it('says what is wrong in the shapes these clients know', async () => {
    await assert.rejects(
      new OpenAI({ baseURL: `${base()}/v1`, apiKey: 'wrong', maxRetries: 0 }).models.list(),
      (error) => error instanceof OpenAI.AuthenticationError,
    );
    await assert.rejects(
      openai().chat.completions.create({ model: 'clawdbot', messages: [{ role: 'user', content: 'fail please' }] }),
      (error) => error instanceof OpenAI.APIError && error.status === 400 && /no such thing/.test(error.message),
    );
    assert.equal(
      (await post('/v1/chat/completions', { messages: [{ role: 'system', content: 'x' }] })).json.error.message,
      'Missing user message in `messages`.',
    );
    assert.match((await post('/v1/chat/completions', '{"x')).json.error.message, /SyntaxError/);
    assert.match(
      (await post('/v1/chat/completions', { model: 'clawdbot:nobody', messages: [{ role: 'user', content: 'x' }] })).json.error.message,
      /unknown agent "nobody"/,
    );
    assert.match((await post('/v1/responses', { input: 'x', tools: [{ type: 'function', name: 'f' }] })).json.error.message, /not supported/);
    assert.match((await post('/v1/responses', { input: 'x', previous_response_id: 'resp_nope' })).json.error.message, /no response "resp_nope"/);
    assert.match((await post('/v1/responses', {})).json.error.message, /^input: /);
    const { status, headers } = await fetch(`${base()}/v1/chat/completions`, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.deepEqual([status, headers.get('allow')], [405, 'POST']);
    let streamed = '';
    for await (const line of (
      await fetch(`${base()}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}` },
        body: JSON.stringify({ stream: true, messages: [{ role: 'user', content: 'fail please' }] }),
      })
    ).body ?? [])
      streamed += Buffer.from(line).toString();
    assert.match(streamed, /"error":\{"message":".*no such thing/);
    assert.ok(streamed.endsWith('data: [DONE]\n\n'));
  });

  it('the same idempotency key is one turn with one answer', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'idempotency-key': 'order-7' };
    const before = shared().simulator.requests().length;
    const body = { model: 'clawdbot', messages: [{ role: 'user', content: 'once' }] };
    const answers = await Promise.all([post('/v1/chat/completions', body, headers), post('/v1/chat/completions', body, headers)]);
    assert.deepEqual(
      answers.map(({ json }) => json.choices[0].message.content),
      ['heard once', 'heard once'],
    );
    assert.equal((await post('/v1/chat/completions', body, headers)).json.choices[0].message.content, 'heard once');
    assert.equal(shared().simulator.requests().length, before + 1);
  });

  it('calls single tools as an agent would, once per key, and says which there are not', async () => {
    const ran = await post('/tools/invoke', { tool: 'exec', args: { command: 'pwd; echo $CLAWDBOT_GATEWAY_TOKEN' } });
    assert.equal(ran.json.result.content[0].text, shared().workspace);
    assert.equal(ran.json.result.details.exitCode, 0);
    const failed = await post('/tools/invoke', { tool: 'exec', args: { command: 'exit 3' } });
    assert.deepEqual([failed.status, failed.json.result.details.exitCode], [200, 3]);
    assert.deepEqual((await post('/tools/invoke', { tool: 'nope' })).json, { ok: false, error: { type: 'not_found', message: 'Tool not available: nope' } });
    assert.equal((await post('/tools/invoke', { tool: 'nope' })).status, 404);
    assert.deepEqual((await post('/tools/invoke', {})).json.error.message, 'tools.invoke requires body.tool');
    assert.equal((await post('/tools/invoke', { tool: 'read', args: {} })).json.error.type, 'tool_error');
    const headers = { authorization: `Bearer ${TOKEN}`, 'idempotency-key': 'append' };
    for (let i = 0; i < 3; i++) await post('/tools/invoke', { tool: 'exec', args: { command: 'echo x >> once.txt; cat once.txt' } }, headers);
    assert.equal((await post('/tools/invoke', { tool: 'read', args: { path: 'once.txt' } })).json.result.content[0].text, 'x\n');
    const { client } = shared();
    const answer = (await client.call('tools.invoke', { tool: 'process', action: 'list' })) as Answer;
    assert.equal(answer.result.content[0].text, 'No commands.');
    await assert.rejects(client.call('tools.invoke', { tool: 'nope' }), /Tool not available: nope/);
  });

  it('hooks: the token travels in headers only, an order runs in a session of its own and is reported to the main one', async () => {
    const hook = { 'x-clawdbot-token': HOOK };
    const bearer = { authorization: `Bearer ${HOOK}` };
    assert.deepEqual((await post('/hooks/wake', { text: 'the mail came', mode: 'next-heartbeat' }, hook)).json, { ok: true, mode: 'next-heartbeat' });
    assert.equal((await post('/hooks/wake', { text: 'x' }, {})).status, 401);
    assert.equal((await post(`/hooks/wake?token=${HOOK}`, { text: 'x' }, {})).status, 401);
    assert.equal((await post('/hooks/wake', { text: 'x' }, { authorization: `Bearer ${TOKEN}` })).text, 'Unauthorized', 'the gateway token opens no hooks');
    assert.equal((await post('/rpc/health', {}, bearer)).status, 401, 'the hook token opens nothing else');
    assert.equal((await fetch(`${base()}/hooks/wake`, { headers: hook })).status, 405);
    assert.deepEqual(
      [(await post('/hooks/wake', {}, hook)).json.error, (await post('/hooks/agent', {}, hook)).json.error],
      ['text required', 'message required'],
    );
    assert.equal((await post('/hooks/agent', { message: 'x', channel: 'pigeon' }, hook)).status, 400);
    assert.match((await post('/hooks/wake', '{"x', hook)).json.error, /SyntaxError/);
    assert.equal((await post('/hooks/wake', { text: 'x'.repeat(300_000) }, hook)).status, 413);
    assert.equal((await post('/hooks/nope', {}, hook)).status, 404);
    const headers = { ...bearer, 'idempotency-key': 'mail-1' };
    const accepted = await post('/hooks/agent', { message: 'sort the mail', name: 'Mail', wakeMode: 'now' }, headers);
    assert.deepEqual([accepted.status, accepted.json], [202, { ok: true, runId: 'hook:mail-1' }]);
    assert.deepEqual((await post('/hooks/agent', { message: 'sort the mail', name: 'Mail' }, headers)).json, { ok: true, runId: 'hook:mail-1' });
    const history = await until('the main session was told', async () => {
      const { messages } = (await shared().client.call('chat.history', { sessionKey: 'main' })) as Answer;
      return JSON.stringify(messages).includes('Hook Mail') && (messages as Answer[]);
    });
    const told = history
      .filter(({ role }: Answer) => role === 'user')
      .map(({ content }: Answer) => content[0].text)
      .join('\n');
    assert.match(told, /the mail came/);
    assert.equal(told.match(/Hook Mail: heard sort the mail/g)?.length, 1);
  });

  it('the OpenAPI document describes every method', async () => {
    const document = (await (await fetch(`${base()}/openapi.json`)).json()) as Answer;
    const { client } = shared();
    const { features } = client.hello as Answer;
    assert.equal(document.openapi, '3.1.0');
    for (const name of features.methods) assert.ok(document.paths[`/rpc/${name}`]?.post.requestBody, name);
    const ids = Object.values(document.paths).flatMap((path: Answer) => Object.values(path).map(({ operationId }: Answer) => operationId));
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(!JSON.stringify(document).includes(TOKEN));
  });

  it('pages of other sites get nothing, with or without an origin', async () => {
    const strangers: readonly Readonly<Record<string, string>>[] = [{ origin: 'https://evil.test' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }];
    for (const headers of strangers) {
      assert.equal((await post('/v1/chat/completions', {}, { authorization: `Bearer ${TOKEN}`, ...headers })).status, 403, JSON.stringify(headers));
      assert.equal((await post('/hooks/wake', { text: 'x' }, { 'x-clawdbot-token': HOOK, ...headers })).status, 403);
    }
    const status = await new Promise((resolve) =>
      request(`${base()}/health`, { headers: { host: 'evil.test' } }, (response) => resolve(response.statusCode)).end(),
    );
    assert.equal(status, 403);
  });
});
