// Protocol 3 as existing clients know it: handshake, refusals, frames, scopes, devices.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TOKEN } from '../support/installation.ts';
import { startJourney } from '../support/journey.ts';
import { connectFrame, connectParams, enter as entered, newDevice, raw, signDevice } from '../support/wire.ts';

const SCENARIO = { name: 'ok', rules: [{ text: 'ok' }] };

describe('the handshake', () => {
  it('welcomes a token holder with everything a client needs', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const client = raw(t, gateway.port);
    const challenge = await client.challenge();
    assert.deepEqual(Object.keys(challenge).sort(), ['event', 'payload', 'type']);
    client.send(connectFrame());
    const { ok, payload } = await client.answer('c');
    assert.equal(ok, true);
    assert.deepEqual([payload.type, payload.protocol], ['hello-ok', 3]);
    assert.deepEqual(payload.policy, { maxPayload: 524288, maxBufferedBytes: 1572864, tickIntervalMs: 30000 });
    assert.equal(payload.snapshot.sessionDefaults.mainSessionKey, 'agent:main:main');
    assert.equal(payload.snapshot.health.ok, true);
    assert.equal(payload.snapshot.presence[0].mode, 'gateway');
    for (const method of [
      'health',
      'status',
      'agent',
      'agent.wait',
      'chat.send',
      'chat.history',
      'chat.abort',
      'sessions.list',
      'agents.list',
      'models.list',
      'system-presence',
      'config.get',
      'logs.tail',
      'channels.status',
      'events.since',
    ]) {
      assert.ok(payload.features.methods.includes(method), method);
    }
    assert.equal(payload.auth, undefined);
  });

  it('refuses in the words and with the codes that clients know', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const cases: readonly (readonly [unknown, number, string | RegExp])[] = [
      ['not json', 1000, ''],
      [{ hello: 1 }, 1008, 'invalid request frame'],
      [{ type: 'req', id: 'c', method: 'health' }, 1008, 'invalid handshake: first request must be connect'],
      [
        connectFrame({ client: { id: 'nobody', version: '1', platform: 'x', mode: 'test' } }),
        1008,
        'invalid connect params: at /client/id: must be equal to constant; at /client/id: must match a schema in anyOf',
      ],
      [connectFrame({ foo: 1 }), 1008, "invalid connect params: at root: unexpected property 'foo'"],
      [connectFrame({ minProtocol: 4, maxProtocol: 9 }), 1002, 'protocol mismatch'],
      [connectFrame({ role: 'banana' }), 1008, 'invalid role'],
      [connectFrame({ auth: { token: 'wrong' } }), 1008, 'unauthorized: gateway token mismatch (provide gateway auth token)'],
      [
        connectFrame({ auth: { token: 'wrong' }, client: { id: 'cli', version: '1', platform: 'x', mode: 'cli' } }),
        1008,
        'unauthorized: gateway token mismatch (set gateway.remote.token to match gateway.auth.token)',
      ],
      [connectFrame({ auth: {} }), 1008, 'device identity required'],
    ];
    for (const [frame, code, reason] of cases) {
      const client = raw(t, gateway.port);
      await client.challenge();
      client.send(frame);
      const closed = await client.closed();
      assert.deepEqual([closed.code, closed.reason], [code, reason], JSON.stringify(frame).slice(0, 80));
      const answer = client.frames.find((seen) => seen.type === 'res');
      if (answer) assert.equal(answer.error.message, reason);
    }
    const wide = raw(t, gateway.port);
    await wide.challenge();
    wide.send(connectFrame({ minProtocol: 1, maxProtocol: 9 }));
    assert.equal((await wide.answer('c')).payload.protocol, 3);
  });

  it('refuses pages of other sites before anything else', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const strangers: readonly Readonly<Record<string, string>>[] = [{ origin: 'https://evil.test' }, { origin: 'null' }, { host: 'evil.test:80' }];
    for (const headers of strangers) {
      const client = raw(t, gateway.port, headers);
      assert.equal((await client.closed()).code, 1006, JSON.stringify(headers));
      assert.deepEqual(client.frames, []);
    }
  });

  it('pairs a device of this machine, gives it a token, and knows it again by that token alone', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const device = newDevice();
    const enter = async (token: string, scopes?: string[]) => {
      const client = raw(t, gateway.port);
      const { payload } = await client.challenge();
      client.send({
        type: 'req',
        id: 'c',
        method: 'connect',
        params: connectParams(signDevice(device, { nonce: payload.nonce, token, ...(scopes && { scopes }) })),
      });
      return client.answer('c');
    };
    const first = await enter(TOKEN);
    assert.match(first.payload.auth.deviceToken, /^[0-9a-f]{32}$/);
    assert.deepEqual(first.payload.auth.scopes, ['operator.admin']);
    const second = await enter(first.payload.auth.deviceToken);
    assert.equal(second.payload.auth.deviceToken, first.payload.auth.deviceToken);
    assert.equal((await enter('0'.repeat(32))).error.message, 'unauthorized: gateway token mismatch (provide gateway auth token)');
    const wider = await enter(first.payload.auth.deviceToken, ['operator.admin', 'operator.pairing']);
    assert.deepEqual([wider.error.code, wider.error.message], ['NOT_PAIRED', 'pairing required'], 'a device does not widen its own rights');
    assert.equal((await enter(TOKEN, ['operator.admin', 'operator.pairing'])).ok, true);
  });

  it('names what is wrong with a device', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const device = newDevice();
    const wrong: readonly (readonly [string, (nonce: string) => Readonly<Record<string, unknown>>])[] = [
      ['device signature invalid', (nonce) => ({ ...signDevice(device, { nonce, token: TOKEN }), scopes: ['operator.read'] })],
      ['device signature expired', (nonce) => signDevice(device, { nonce, token: TOKEN, signedAt: 1000 })],
      ['device nonce mismatch', () => signDevice(device, { nonce: 'other', token: TOKEN })],
      ['device identity mismatch', (nonce) => signDevice({ ...device, id: 'ab' }, { nonce, token: TOKEN })],
    ];
    for (const [message, params] of wrong) {
      const client = raw(t, gateway.port);
      const { payload } = await client.challenge();
      client.send(connectFrame(params(payload.nonce)));
      assert.equal((await client.answer('c')).error.message, message);
      assert.equal((await client.closed()).code, 1008);
    }
  });
});

describe('frames', () => {
  it('are answered one by one; bad ones get their reason and the connection stays', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const client = await entered(t, gateway.port);
    client.send('not json');
    client.send({ type: 'req', method: 'health' });
    assert.equal((await client.answer('invalid')).error.message, "invalid request frame: at root: must have required property 'id'");
    const cases: readonly (readonly [string, unknown, string])[] = [
      ['no.such', {}, 'unknown method: no.such'],
      ['connect', {}, 'connect is only valid as the first request'],
      ['sessions.list', { bogus: 1 }, "invalid sessions.list params: at root: unexpected property 'bogus'"],
      ['sessions.list', { limit: 'x' }, 'invalid sessions.list params: at /limit: must be number'],
      ['chat.history', {}, "invalid chat.history params: at root: must have required property 'sessionKey'"],
      ['agent', { message: 'x', idempotencyKey: 'k1', agentId: 'nope' }, 'invalid agent params: unknown agent id "nope"'],
      ['agent', { message: 'x', idempotencyKey: 'k1', agentId: 'main', channel: 'nope' }, 'invalid agent params: unknown channel: nope'],
      ['agent', { message: 'x', idempotencyKey: 'k2' }, 'Pass --to <E.164>, --session-id, or --agent to choose a session'],
      ['agent', { message: 'x', idempotencyKey: 'k3', agentId: 'main', sessionKey: 'agent:other:x' }, 'unknown agent id "other"'],
    ];
    for (const [i, [method, params, message]] of cases.entries()) {
      client.send({ type: 'req', id: `r${i}`, method, params });
      const { ok, error } = await client.answer(`r${i}`);
      assert.deepEqual([ok, error.message], [false, message]);
    }
    for (const [id, params] of [
      ['n1', undefined],
      ['n2', null],
    ] as const) {
      client.send({ type: 'req', id, method: 'health', params });
      assert.equal((await client.answer(id)).ok, true);
    }
    client.send(Buffer.from(JSON.stringify({ type: 'req', id: 'binary', method: 'health' })));
    assert.equal((await client.answer('binary')).ok, true);
  });

  it('carry only the fields that clients accept', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const client = await entered(t, gateway.port);
    client.send({ type: 'req', id: 'a', method: 'agent', params: { message: 'hi', sessionKey: 'main', idempotencyKey: 'x' } });
    await client.answer('a', 2);
    client.send({ type: 'req', id: 'bad', method: 'no.such' });
    await client.answer('bad');
    const allowed = { res: ['type', 'id', 'ok', 'payload', 'error'], event: ['type', 'event', 'payload', 'seq', 'stateVersion'] };
    for (const frame of client.frames) {
      for (const key of Object.keys(frame)) assert.ok(allowed[frame.type as 'res'].includes(key), `${key} in ${frame.type}`);
      if (frame.error) for (const key of Object.keys(frame.error)) assert.ok(['code', 'message', 'details', 'retryable', 'retryAfterMs'].includes(key), key);
    }
    const seqs = client.frames.filter((frame) => frame.type === 'event' && frame.seq !== undefined).map((frame) => frame.seq);
    assert.deepEqual(
      seqs,
      Array.from({ length: seqs.length }, (_, i) => seqs[0] + i),
      'no gaps',
    );
  });

  it('agent answers accepted first and the result later, under the client key', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const client = await entered(t, gateway.port);
    client.send({ type: 'req', id: 'a', method: 'agent', params: { message: 'hi', sessionKey: 'main', idempotencyKey: 'idem-1' } });
    const accepted = await client.answer('a');
    assert.deepEqual([accepted.payload.runId, accepted.payload.status, typeof accepted.payload.acceptedAt], ['idem-1', 'accepted', 'number']);
    const final = await client.answer('a', 2);
    assert.deepEqual(
      [final.ok, final.payload.runId, final.payload.status, final.payload.summary, final.payload.result.payloads],
      [true, 'idem-1', 'ok', 'completed', [{ text: 'ok', mediaUrl: null }]],
    );
    const order = client.frames
      .filter((frame) => frame.id === 'a' || frame.event === 'agent' || frame.event === 'chat')
      .map((frame) => frame.event ?? frame.payload.status);
    assert.deepEqual([order[0], order.at(-1)], ['accepted', 'ok']);
    const events = client.frames.filter((frame) => frame.event === 'agent');
    assert.ok(
      events.every(({ payload }) => payload.sessionKey === 'main'),
      'events name the session as the client did',
    );
    client.send({ type: 'req', id: 'again', method: 'agent', params: { message: 'hi', sessionKey: 'main', idempotencyKey: 'idem-1' } });
    assert.equal((await client.answer('again')).payload.status, 'ok');
    client.send({ type: 'req', id: 'w', method: 'agent.wait', params: { runId: 'nope', timeoutMs: 50 } });
    assert.deepEqual((await client.answer('w')).payload, { runId: 'nope', status: 'timeout' });
  });

  it('scopes are checked before anything about the method is told', async (t) => {
    const { gateway } = await startJourney(t, { scenario: SCENARIO });
    const reader = await entered(t, gateway.port, { scopes: ['operator.read'] });
    const cases: readonly (readonly [string, unknown, string | true])[] = [
      ['health', {}, true],
      ['chat.send', { sessionKey: 'main', message: 'x', idempotencyKey: 'x' }, 'missing scope: operator.write'],
      ['config.get', {}, 'missing scope: operator.admin'],
      ['no.such', {}, 'missing scope: operator.admin'],
    ];
    for (const [i, [method, params, expected]] of cases.entries()) {
      reader.send({ type: 'req', id: `s${i}`, method, params });
      const { ok, error } = await reader.answer(`s${i}`);
      assert.equal(ok ? true : error.message, expected, method);
    }
    const node = await entered(t, gateway.port, { role: 'node', scopes: [], client: { id: 'node-host', version: '1', platform: 'linux', mode: 'node' } });
    node.send({ type: 'req', id: 'n', method: 'health' });
    assert.equal((await node.answer('n')).error.message, 'unauthorized role: node');
  });
});
