// Devices: pairing from here and from elsewhere, tokens that can be changed and taken away, effective at once.

import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { createInstallation, TOKEN } from '../support/installation.ts';
import { startJourney } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';
import { connectParams, type Device, enter, type Frame, newDevice, type RawClient, raw, signDevice } from '../support/wire.ts';

const SCENARIO = { name: 'ok', rules: [{ text: 'ok' }] };
const REMOTE = { 'x-forwarded-for': '198.51.100.7' };

/** A connection attempt of a device; from this machine, or as if from another one. */
async function knock(
  t: TestContext,
  port: number,
  device: Device,
  token: string,
  { remote = false, scopes }: { remote?: boolean; scopes?: readonly string[] } = {},
) {
  const client = raw(t, port, remote ? REMOTE : {});
  const { payload } = await client.challenge();
  client.send({
    type: 'req',
    id: 'c',
    method: 'connect',
    params: connectParams(signDevice(device, { nonce: payload.nonce, token, ...(scopes && { scopes }) })),
  });
  return { client, answer: (await client.answer('c')) as Frame };
}

async function closedWithin(client: RawClient, ms: number) {
  const since = performance.now();
  const close = await client.closed();
  assert.ok(performance.now() - since < ms, `closed after ${Math.round(performance.now() - since)} ms`);
  return close;
}

it('a device from elsewhere asks, an operator hears of it and lets it in, and its token works from then on', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const operator = await enter(t, gateway.port, { scopes: ['operator.pairing'] });
  const reader = await enter(t, gateway.port, { scopes: ['operator.read'] });
  const device = newDevice();
  const { answer } = await knock(t, gateway.port, device, TOKEN, { remote: true });
  assert.deepEqual([answer.error.code, answer.error.message], ['NOT_PAIRED', 'pairing required']);
  const { requestId } = answer.error.details;
  const asked = await operator.event('device.pair.requested');
  assert.deepEqual([asked.requestId, asked.deviceId, asked.role, asked.scopes], [requestId, device.id, 'operator', ['operator.admin']]);
  const again = await knock(t, gateway.port, device, TOKEN, { remote: true });
  assert.equal(again.answer.error.details.requestId, requestId, 'asking again is the same question');
  const { payload: list } = await operator.ask('device.pair.list');
  assert.deepEqual([list.pending.length, list.pending[0].requestId, list.paired.length], [1, requestId, 0]);

  assert.equal((await reader.ask('device.pair.approve', { requestId })).error.message, 'missing scope: operator.pairing');
  const approved = await operator.ask('device.pair.approve', { requestId });
  assert.deepEqual([approved.ok, approved.payload.device.deviceId], [true, device.id]);
  assert.equal((await operator.event('device.pair.resolved')).decision, 'approved');
  assert.equal((await operator.ask('device.pair.approve', { requestId })).error.message, 'unknown requestId');
  const let_in = await knock(t, gateway.port, device, TOKEN, { remote: true });
  const { deviceToken } = let_in.answer.payload.auth;
  assert.equal((await knock(t, gateway.port, device, deviceToken, { remote: true })).answer.ok, true);
  assert.ok(!reader.frames.some(({ event }) => String(event).startsWith('device.pair')), 'others hear nothing of it');
  await until('its use is noted', async () => (await operator.ask('device.pair.list')).payload.paired[0].tokens[0].lastUsedAtMs !== undefined);
});

it('a device that is turned away stays out, and a request survives a restart', async (t) => {
  const { gateway, installation } = await startJourney(t, { scenario: SCENARIO });
  const device = newDevice();
  const first = await knock(t, gateway.port, device, TOKEN, { remote: true });
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  const next = await installation.start();
  const operator = await enter(t, next.port, { scopes: ['operator.pairing'] });
  const { requestId } = first.answer.error.details;
  assert.deepEqual((await operator.ask('device.pair.reject', { requestId })).payload, { requestId, deviceId: device.id });
  assert.equal((await knock(t, next.port, device, TOKEN, { remote: true })).answer.error.code, 'NOT_PAIRED');
});

it('a rotated token is void within a second, its connections are closed, others go on', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const operator = await enter(t, gateway.port);
  const [device, other] = [newDevice(), newDevice()];
  const inside = await knock(t, gateway.port, device, TOKEN);
  const bystander = await knock(t, gateway.port, other, TOKEN);
  const old = inside.answer.payload.auth.deviceToken;
  const rotated = await operator.ask('device.token.rotate', { deviceId: device.id, role: 'operator', scopes: ['operator.read'] });
  assert.match(rotated.payload.token, /^[0-9a-f]{32}$/);
  assert.deepEqual(rotated.payload.scopes, ['operator.read']);
  assert.equal((await closedWithin(inside.client, 1000)).code, 1008);
  assert.equal((await knock(t, gateway.port, device, old)).answer.ok, false);
  assert.equal((await knock(t, gateway.port, device, rotated.payload.token, { scopes: ['operator.read'] })).answer.ok, true);
  const wide = await knock(t, gateway.port, device, rotated.payload.token, { scopes: ['operator.admin'] });
  assert.equal(wide.answer.error.message, 'pairing required', 'the new token has the new scopes only');
  assert.equal(bystander.client.isClosed(), false);
  assert.equal((await operator.ask('device.token.rotate', { deviceId: 'nope', role: 'operator' })).error.message, 'unknown deviceId/role');
});

it('a revoked device is out within a second, and back only when somebody lets it in', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const operator = await enter(t, gateway.port);
  const device = newDevice();
  const inside = await knock(t, gateway.port, device, TOKEN);
  const { deviceToken } = inside.answer.payload.auth;
  const revoked = await operator.ask('device.token.revoke', { deviceId: device.id, role: 'operator' });
  assert.equal(typeof revoked.payload.revokedAtMs, 'number');
  await closedWithin(inside.client, 1000);
  assert.equal((await knock(t, gateway.port, device, deviceToken)).answer.ok, false);
  const { answer } = await knock(t, gateway.port, device, TOKEN);
  assert.equal(answer.error.message, 'pairing required', 'not even this machine lets it in without being asked');
  await operator.ask('device.pair.approve', { requestId: answer.error.details.requestId });
  const back = await knock(t, gateway.port, device, TOKEN);
  assert.notEqual(back.answer.payload.auth.deviceToken, deviceToken);
});

it('guesses are slowed down, whatever else the client sends along; the right token is not kept out', async (t) => {
  const installation = await createInstallation({
    dir: scratchDir(t),
    config: { gateway: { mode: 'local', port: 0, auth: { mode: 'token', token: 'f'.repeat(64) }, drainSeconds: 1 } },
  });
  t.after(() => installation.close());
  const gateway = await installation.start();
  const attempt = async (more: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = {}) => {
    const client = raw(t, gateway.port, headers);
    const { payload } = await client.challenge();
    const params = typeof more['sign'] === 'string' ? signDevice(newDevice(), { nonce: payload.nonce, token: more['sign'] }) : more;
    client.send({ type: 'req', id: 'c', method: 'connect', params: connectParams(params) });
    return client.answer('c');
  };
  for (let i = 0; i < 10; i++) assert.match((await attempt({ auth: { token: `guess-${i}` } })).error.message, /mismatch/);
  const tricks: readonly (readonly [Readonly<Record<string, unknown>>, Readonly<Record<string, string>>?])[] = [
    [{ auth: { token: 'guess' } }],
    [{ auth: { token: 'guess', password: 'x' } }],
    [{ sign: 'guess' }],
    [{ auth: { token: 'guess' }, client: { id: 'cli', version: '1', platform: 'x', mode: 'cli' } }],
    [{ auth: { token: 'guess' }, role: 'node' }],
    [{ auth: { token: 'guess' } }, { 'x-forwarded-for': '198.51.100.9' }],
  ];
  for (const [more, headers] of tricks) assert.match((await attempt(more, headers)).error.message, /too many failed attempts/, JSON.stringify(more));
  const http = await fetch(`http://127.0.0.1:${gateway.port}/rpc/health`, { method: 'POST', body: '{}', headers: { authorization: 'Bearer guess' } });
  assert.deepEqual([http.status, Number(http.headers.get('retry-after')) > 0], [429, true]);
  assert.equal((await attempt({ auth: { token: 'f'.repeat(64) } })).ok, true);
});
