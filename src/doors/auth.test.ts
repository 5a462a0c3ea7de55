// Who may enter.

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { it } from 'node:test';
import { authorize } from '../domain/authorize.ts';
import type { ConnectParams } from '../domain/frame.ts';
import { systemClock } from '../kit/clock.ts';
import { checkBearer, checkSharedSecret, deviceProblem, deviceToken, isLocal, isTrustedOrigin } from './auth.ts';
import { createLoginGuard } from './login-guard.ts';

it('the shared secret is the token, or the password in that mode', () => {
  const secrets = { mode: 'token' as const, token: 'right', password: undefined };
  assert.deepEqual(checkSharedSecret(secrets, { token: 'right' }), { ok: true });
  assert.deepEqual(checkSharedSecret(secrets, { token: 'wrong' }), { ok: false, reason: 'token_mismatch' });
  assert.deepEqual(checkSharedSecret(secrets, {}), { ok: false, reason: 'token_missing' });
  assert.deepEqual(checkSharedSecret({ ...secrets, token: undefined }, { token: 'x' }), { ok: false, reason: 'token_mismatch' });
  const check = (header: string | undefined) => checkBearer(secrets, createLoginGuard(systemClock), '127.0.0.1', header).kind;
  assert.equal(check('Bearer right'), 'ok');
  for (const header of [undefined, '', 'right', 'Basic right', 'Bearer ', 'Bearer wrong']) assert.equal(check(header), 'refused', String(header));
});

it('guessing is slowed down by address; a right long token is let in all the same, a right password is not', () => {
  let now = 1_000_000;
  const clock = { ...systemClock, now: () => now };
  const guard = createLoginGuard(clock);
  const long = { mode: 'token' as const, token: 'a'.repeat(64), password: undefined };
  const short = { mode: 'password' as const, token: undefined, password: 'hunter2' };
  const check = (secrets: typeof long | typeof short, secret: string, address = '192.0.2.7') => checkBearer(secrets, guard, address, `Bearer ${secret}`);
  for (let i = 0; i < 10; i++) assert.equal(check(short, `guess${i}`).kind, 'refused');
  assert.deepEqual(check(short, 'hunter2'), { kind: 'wait', seconds: 60 });
  assert.deepEqual(check(short, 'hunter2', '::ffff:192.0.2.7'), { kind: 'wait', seconds: 60 }, 'the same host in other letters');
  assert.equal(check(short, 'hunter2', '192.0.2.8').kind, 'ok', 'others are not disturbed');
  assert.equal(check(long, 'a'.repeat(64)).kind, 'ok');
  assert.equal(check(long, 'b'.repeat(64)).kind, 'wait');
  now += 61_000;
  assert.equal(check(short, 'hunter2').kind, 'ok');
});

function signedHello(change: (fields: string[]) => string[] = (fields) => fields) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const id = createHash('sha256').update(raw).digest('hex');
  const fields = ['v2', id, 'cli', 'cli', 'operator', 'operator.admin', '1000', 'tok', 'nonce-1'];
  const signature = sign(null, Buffer.from(change(fields).join('|')), privateKey).toString('base64url');
  const device = { id, publicKey: raw.toString('base64url'), signature, signedAt: 1000, nonce: 'nonce-1' };
  const params: ConnectParams = {
    minProtocol: 3,
    maxProtocol: 3,
    client: { id: 'cli', version: '1', platform: 'linux', mode: 'cli' },
    role: 'operator',
    scopes: ['operator.admin'],
    auth: { token: 'tok' },
    device,
  };
  return { device, params, role: 'operator', nonce: 'nonce-1', local: true, now: 2000 };
}

it('a device proves its key over exactly what it asks for', () => {
  assert.equal(deviceProblem(signedHello()), undefined);
  for (let i = 0; i < 9; i++) {
    assert.equal(deviceProblem(signedHello((fields) => fields.map((field, at) => (at === i ? `${field}x` : field)))), 'device signature invalid', `field ${i}`);
  }
});

it('each fault of a device has its own words', () => {
  const hello = signedHello();
  const { nonce: _nonce, ...withoutNonce } = hello.device;
  assert.equal(deviceProblem({ ...hello, device: { ...hello.device, id: '00' } }), 'device identity mismatch');
  assert.equal(deviceProblem({ ...hello, now: 1000 + 11 * 60_000 }), 'device signature expired');
  assert.equal(deviceProblem({ ...hello, nonce: 'other' }), 'device nonce mismatch');
  assert.equal(deviceProblem({ ...hello, device: withoutNonce, local: false }), 'device nonce required');
  assert.equal(deviceProblem({ ...hello, device: { ...hello.device, publicKey: 'AAAA' } }), 'device public key invalid');
});

it('a device token belongs to one device, role and generation', () => {
  const token = deviceToken('secret', 'device', 'operator', 1);
  assert.match(token, /^[0-9a-f]{32}$/);
  const others = [
    deviceToken('secret', 'device', 'operator', 2),
    deviceToken('secret', 'device', 'node', 1),
    deviceToken('secret', 'other', 'operator', 1),
    deviceToken('other', 'device', 'operator', 1),
  ];
  assert.equal(new Set([token, ...others]).size, 5);
});

it('local means this machine with nobody in between', () => {
  for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) assert.ok(isLocal(address, {}), address);
  for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '128.0.0.1', undefined]) assert.ok(!isLocal(address, {}), String(address));
  for (const header of ['x-forwarded-for', 'x-real-ip', 'forwarded']) assert.ok(!isLocal('127.0.0.1', { [header]: '127.0.0.1' }), header);
});

it('pages of other sites and names of other people are refused', () => {
  assert.ok(isTrustedOrigin(undefined, '127.0.0.1:18789', []));
  assert.ok(isTrustedOrigin('http://127.0.0.1:18789', '127.0.0.1:18789', []));
  assert.ok(isTrustedOrigin('http://localhost:5173', 'localhost:18789', ['http://localhost:5173']));
  for (const [origin, host] of [
    ['https://evil.test', '127.0.0.1:18789'],
    ['null', '127.0.0.1:18789'],
    ['http://127.0.0.1:9999', '127.0.0.1:18789'],
    [undefined, 'evil.test:18789'],
    ['http://evil.test:18789', 'evil.test:18789'],
    [undefined, undefined],
  ] as const) {
    assert.ok(!isTrustedOrigin(origin, host, []), `${origin} at ${host}`);
  }
});

it('scopes are looked up, admin has all, write includes read, unknown is denied', () => {
  const principal = (scopes: string[], role: 'operator' | 'node' = 'operator') => ({ workspaceId: 'w', actor: 'a', role, scopes });
  assert.equal(authorize(principal(['operator.admin']), 'operator.pairing').kind, 'allowed');
  assert.equal(authorize(principal(['operator.write']), 'operator.read').kind, 'allowed');
  assert.equal(authorize(principal(['operator.read']), 'operator.write').kind, 'denied');
  assert.equal(authorize(principal([]), 'operator.read').kind, 'denied');
  assert.equal(authorize(principal(['operator.admin'], 'node'), 'operator.read').kind, 'denied');
  assert.equal(authorize(principal(['operator.admin']), 'node').kind, 'denied');
  assert.equal(authorize(principal(['operator.admin']), 'operator.read', 'other').kind, 'denied');
});
