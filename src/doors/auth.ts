// Who is at the door: the shared secret, a device's signature, a device's token.

import { createHash, createHmac, createPublicKey, verify } from 'node:crypto';
import type { Config } from '../domain/config.ts';
import type { ConnectParams } from '../domain/frame.ts';
import { secretsEqual } from '../kit/id.ts';
import type { LoginGuard } from './login-guard.ts';

export interface SharedSecrets {
  readonly mode: Config['gateway']['auth']['mode'];
  readonly token: string | undefined;
  readonly password: string | undefined;
}

export type SharedAuth =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'token_missing' | 'token_mismatch' | 'password_missing' | 'password_mismatch' };

export function checkSharedSecret(
  { mode, token, password }: SharedSecrets,
  given: { readonly token?: string | undefined; readonly password?: string | undefined },
): SharedAuth {
  if (mode === 'password' && password !== undefined) {
    if (!given.password) return { ok: false, reason: 'password_missing' };
    return secretsEqual(given.password, password) ? { ok: true } : { ok: false, reason: 'password_mismatch' };
  }
  if (!given.token) return { ok: false, reason: 'token_missing' };
  return token !== undefined && secretsEqual(given.token, token) ? { ok: true } : { ok: false, reason: 'token_mismatch' };
}

const GUESSABLE_BELOW = 32;

/** Whether trying could find the secret: a password, or a token that is shorter than what the gateway makes. */
export function isGuessable({ mode, token = '', password }: SharedSecrets): boolean {
  return (mode === 'password' && password !== undefined) || token.length < GUESSABLE_BELOW;
}

export type BearerCheck = { readonly kind: 'ok' } | { readonly kind: 'refused' } | { readonly kind: 'wait'; readonly seconds: number };

/** Checks a bearer header against the shared secret, token or password. */
export function checkBearer(secrets: SharedSecrets, guard: LoginGuard, address: string | undefined, header: string | undefined): BearerCheck {
  return guarded(guard, address, isGuessable(secrets), () => {
    const given = /^Bearer (.+)$/i.exec(header ?? '')?.[1];
    if (given === undefined) return 'missing';
    return checkSharedSecret(secrets, { token: given, password: given }).ok ? 'ok' : 'wrong';
  });
}

/** A credential check that counts failures. What can be guessed is not even looked at while the address has to wait. */
export function guarded(guard: LoginGuard, address: string | undefined, guessable: boolean, check: () => 'ok' | 'wrong' | 'missing'): BearerCheck {
  const seconds = guard.waitSeconds(address);
  if (seconds > 0 && guessable) return { kind: 'wait', seconds };
  const result = check();
  if (result === 'ok') return { kind: 'ok' };
  if (result === 'wrong') guard.failed(address);
  return seconds > 0 ? { kind: 'wait', seconds } : { kind: 'refused' };
}

const SKEW_MS = 10 * 60_000;
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex'); // DER header of a raw Ed25519 key

type Device = NonNullable<ConnectParams['device']>;

interface SignedHello {
  readonly device: Device;
  readonly params: ConnectParams;
  readonly role: string;
  readonly nonce: string;
  readonly local: boolean;
  readonly now: number;
}

/** The problem with a device's proof of its key, in the words clients know, or undefined when it holds. */
export function deviceProblem({ device, params, role, nonce, local, now }: SignedHello): string | undefined {
  const raw = Buffer.from(device.publicKey, 'base64url');
  if (raw.length !== 32) return 'device public key invalid';
  if (createHash('sha256').update(raw).digest('hex') !== device.id) return 'device identity mismatch';
  if (Math.abs(now - device.signedAt) > SKEW_MS) return 'device signature expired';
  if (device.nonce === undefined && !local) return 'device nonce required';
  if (device.nonce !== undefined && device.nonce !== nonce) return 'device nonce mismatch';
  const version = device.nonce === undefined ? 'v1' : 'v2';
  const fields = [
    version,
    device.id,
    params.client.id,
    params.client.mode,
    role,
    (params.scopes ?? []).join(','),
    String(device.signedAt),
    params.auth?.token ?? '',
  ];
  const payload = (device.nonce === undefined ? fields : [...fields, device.nonce]).join('|');
  try {
    const key = createPublicKey({ key: Buffer.concat([ED25519_PREFIX, raw]), format: 'der', type: 'spki' });
    return verify(null, Buffer.from(payload), key, Buffer.from(device.signature, 'base64url')) ? undefined : 'device signature invalid';
  } catch {
    return 'device public key invalid';
  }
}

/** A device's token, derived from the gateway's own secret: it is stored nowhere and one generation voids the last. */
export function deviceToken(gatewaySecret: string, deviceId: string, role: string, generation: number): string {
  return createHmac('sha256', gatewaySecret).update(`${deviceId}|${role}|${generation}`).digest('hex').slice(0, 32);
}

/** Whether a connection comes from this machine, with nothing in between that says otherwise. */
export function isLocal(remoteAddress: string | undefined, headers: Readonly<Record<string, unknown>>): boolean {
  if (headers['x-forwarded-for'] !== undefined || headers['x-real-ip'] !== undefined || headers['forwarded'] !== undefined) return false;
  return remoteAddress !== undefined && /^(::1|(::ffff:)?127\.\d+\.\d+\.\d+)$/.test(remoteAddress);
}

/** Refuses pages of other sites: a browser always tells its origin, and the host it believes to talk to. */
export function isTrustedOrigin(origin: string | undefined, host: string | undefined, allowed: readonly string[]): boolean {
  if (!isOwnHost(host)) return false;
  if (origin === undefined || allowed.includes(origin)) return true;
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** Names of this machine and plain addresses: a name that somebody else's DNS resolves is not one of ours. */
function isOwnHost(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || /^\d+\.\d+\.\d+\.\d+$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
}
