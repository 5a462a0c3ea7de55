// Every method, every field, with values nobody should send: a typed error each time, nothing dies, nothing leaks.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { protocolMethods } from '../../src/doors/protocol3/methods.ts';
import { standIns } from '../../src/doors/protocol3/stand-ins.ts';
import { methods } from '../../src/features/catalog.ts';
import { TOKEN } from '../support/installation.ts';
import { order, startShared, textOf } from '../support/journey.ts';
import type { Cleanup } from '../support/scratch.ts';
import { enter, type RawClient } from '../support/wire.ts';

const ALL = [...protocolMethods({ alias: () => undefined }), ...methods, ...standIns];
const HOOK = 'hook-token-0123456789abcdef';

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
}

/** Values for fields that a method waits on or that would change who we are. */
const KNOWN: Readonly<Record<string, unknown>> = {
  timeoutMs: 20,
  path: 'logging.level',
  value: 'info',
  mode: 'next-heartbeat',
  sessionKey: 'fuzz',
  key: 'fuzz',
  tool: 'read',
  limit: 1,
  decision: 'deny',
  keys: ['fuzz'],
};

function sample(name: string, { type, enum: values, const: only, anyOf, minimum }: JsonSchema): unknown {
  if (name in KNOWN) return KNOWN[name];
  if (only !== undefined) return only;
  if (values) return values[0];
  if (anyOf) return sample('', anyOf[0] ?? {});
  if (type === 'number' || type === 'integer') return minimum ?? 1;
  if (type === 'boolean') return true;
  if (type === 'array') return [];
  if (type === 'object') return {};
  return 'x';
}

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
/** As JSON texts, so that nothing on our side cleans them up. */
const HOSTILE = [
  'null',
  'true',
  '0',
  '-1',
  '1e308',
  '1.5',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"../../../../etc/passwd"',
  '"__proto__"',
  '"${HOME}"',
  '"\\u001b[31m\\r\\nx"',
  JSON.stringify('x'.repeat(300_000)),
  '[]',
  '[[[[]]]]',
  `[${'1,'.repeat(5000)}1]`,
  '{}',
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  deep(200),
];
const WHOLE = ['null', '[]', '"x"', '7', 'true', '{"__proto__":1}', deep(2000)];
const CODES = new Set(['INVALID_REQUEST', 'UNAVAILABLE', 'AGENT_TIMEOUT', 'NOT_LINKED', 'NOT_PAIRED']);

let lastId = 0;
async function ask(client: RawClient, method: string, params: string) {
  lastId += 1;
  const id = `f${lastId}`;
  client.send(`{"type":"req","id":"${id}","method":${JSON.stringify(method)},"params":${params}}`);
  return client.answer(id);
}

/** Parameter texts for a method: each field hostile in turn, each required one missing, one too many, and wrong as a whole. */
function* paramsFor(schema: JsonSchema): Generator<string> {
  const properties = schema.properties ?? {};
  const required = new Set(schema.required ?? []);
  const base = Object.entries(properties)
    .filter(([name]) => required.has(name) || name === 'timeoutMs')
    .map(([name, inner]) => [name, JSON.stringify(sample(name, inner))] as const);
  const text = (entries: readonly (readonly [string, string])[]) => `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
  yield* WHOLE;
  yield text([...base, ['no such field', '1']]);
  for (const name of Object.keys(properties)) {
    if (name !== 'timeoutMs') yield text(base.filter(([other]) => other !== name)); // its default is a long wait
    for (const value of HOSTILE) yield text([...base.filter(([other]) => other !== name), [name, value]]);
  }
}

describe('hostile input', () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  const t: Cleanup = { after: (action) => void cleanups.unshift(action) };
  const shared = startShared(
    { before, after },
    { scenario: { name: 'ok', rules: [{ text: 'heard {{user}}' }] }, config: { hooks: { enabled: true, token: HOOK } } },
  );
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  const stillWell = async () => {
    const { client, gateway, installation } = shared();
    const { workers } = (await client.call('health')) as { workers: { deaths: number }[] };
    assert.equal(workers[0]?.deaths, 0);
    assert.equal(gateway.child.exitCode, null);
    assert.match(textOf(await order(client, 'still here', { session: 'well' })), /still here/);
    const logs = join(installation.stateDir, '..', '..', 'logs');
    const log = readdirSync(logs)
      .map((name) => readFileSync(join(logs, name), 'utf8'))
      .join('');
    assert.deepEqual(
      log.split('\n').filter((line) => /failed unexpectedly|"level":"error"/.test(line)),
      [],
    );
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  };

  it('over the WebSocket gets a typed error each time; nobody else notices', { timeout: 120_000 }, async (test) => {
    const client = await enter(t, shared().gateway.port);
    const bystander = await enter(t, shared().gateway.port, { scopes: ['operator.read'] });
    let calls = 0;
    for (const { name, input } of ALL) {
      const schema = z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
      const answers = await Promise.all(
        [...paramsFor(schema)].map(async (params) => {
          const frame = await ask(client, name, params);
          return { params, frame };
        }),
      );
      calls += answers.length;
      for (const { params, frame } of answers) {
        const seen = `${name} ${params.slice(0, 120)} -> ${JSON.stringify(frame).slice(0, 300)}`;
        assert.ok(!JSON.stringify(frame).includes(TOKEN) && !JSON.stringify(frame).includes(HOOK), `a secret in ${seen}`);
        if (frame.ok) continue;
        assert.ok(CODES.has(frame.error.code) && typeof frame.error.message === 'string' && frame.error.message !== '', seen);
        assert.doesNotMatch(frame.error.message, /unexpected error|at file:|\.ts:\d|TypeError|SQLITE/, seen);
        assert.ok(frame.error.message.length < 5000, `an error that echoes its input: ${seen}`);
      }
      client.frames.length = 0;
      assert.equal((await bystander.ask('health')).ok, true);
    }
    assert.ok(!bystander.frames.some(({ type, id }) => type === 'res' && String(id).startsWith('f')), 'an answer went to another client');
    test.diagnostic(`${calls} calls of ${ALL.length} methods`);
    await stillWell();
  });

  it('over HTTP gets a 4xx with a reason', { timeout: 60_000 }, async (test) => {
    const base = `http://127.0.0.1:${shared().gateway.port}`;
    const routes: readonly (readonly [string, string, readonly string[]])[] = [
      ['/v1/chat/completions', TOKEN, ['messages', 'model', 'stream', 'user', 'stream_options']],
      ['/v1/responses', TOKEN, ['input', 'model', 'instructions', 'tools', 'user', 'previous_response_id']],
      ['/tools/invoke', TOKEN, ['tool', 'args', 'action', 'sessionKey']],
      ['/hooks/wake', HOOK, ['text', 'mode']],
      ['/hooks/agent', HOOK, ['message', 'name', 'sessionKey', 'model', 'timeoutSeconds', 'channel', 'wakeMode']],
      ['/rpc/sessions.list', TOKEN, ['limit', 'search']],
    ];
    const valid: Readonly<Record<string, unknown>> = {
      messages: [{ role: 'user', content: 'x' }],
      input: 'x',
      tool: 'read',
      text: 'x',
      message: 'x',
      mode: 'next-heartbeat',
      wakeMode: 'next-heartbeat',
    };
    let calls = 0;
    for (const [path, token, fields] of routes) {
      const bodies = [
        ...WHOLE,
        '',
        '{',
        '\u0000',
        'x'.repeat(1000),
        ...fields.flatMap((field) =>
          HOSTILE.map((value) => {
            const others = fields
              .filter((other) => other !== field && other in valid)
              .map((other) => `${JSON.stringify(other)}:${JSON.stringify(valid[other])}`);
            return `{${[...others, `${JSON.stringify(field)}:${value}`].join(',')}}`;
          }),
        ),
      ];
      for (const body of bodies) {
        calls += 1;
        const response = await fetch(base + path, { method: 'POST', body, headers: { authorization: `Bearer ${token}` } });
        const text = await response.text();
        const seen = `${path} ${body.slice(0, 120)} -> ${response.status} ${text.slice(0, 200)}`;
        assert.ok(response.status < 500, seen);
        assert.ok(!text.includes(TOKEN) && !text.includes(HOOK), seen);
        assert.doesNotMatch(text, /at file:|\.ts:\d|SQLITE/, seen);
      }
    }
    test.diagnostic(`${calls} bodies on ${routes.length} routes`);
    await stillWell();
  });

  it('frames that are no requests are refused or passed over', async () => {
    const client = await enter(t, shared().gateway.port);
    for (const frame of [
      '',
      ' ',
      '[]',
      'null',
      '1',
      '"x"',
      '{}',
      '{"type":"req"}',
      '{"type":"res","id":"x","ok":true}',
      '{"type":"req","id":1,"method":"health"}',
      '{"type":"req","id":"","method":"health"}',
      '{"type":"req","id":"x","method":"health","extra":1}',
      deep(3000),
      Buffer.from([0, 1, 2]),
    ])
      client.send(frame);
    assert.equal((await client.ask('health')).ok, true);
    for (const { type, error } of client.frames.filter(({ id }) => id === 'invalid')) assert.match(`${type} ${error.message}`, /^res invalid request frame/);
  });
});
