// The handshake: decides who connects, with which rights, and what hello-ok tells.

import type { Principal, Role } from '../../domain/authorize.ts';
import { fault } from '../../domain/fault-codes.ts';
import { ConnectParams, RequestFrame } from '../../domain/frame.ts';
import { PROTOCOL, type WireError } from '../../domain/protocol.ts';
import { type DeviceGrant, getDeviceGrant, noteTokenUse, pairDevice, requestPairing } from '../../features/devices/ops.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import { newUuid, secretsEqual } from '../../kit/id.ts';
import type { Log } from '../../kit/log.ts';
import type { Store } from '../../ports/store.ts';
import { checkSharedSecret, deviceProblem, guarded, isGuessable, type SharedAuth, type SharedSecrets } from '../auth.ts';
import type { LoginGuard } from '../login-guard.ts';
import { describeIssues } from './error-text.ts';

interface Refused {
  readonly kind: 'refused';
  /** Absent where no request id was understood: then the socket just closes. */
  readonly reply?: { readonly id: string; readonly error: WireError };
  readonly code: number;
  readonly reason: string;
}

export interface Welcomed {
  readonly kind: 'welcomed';
  readonly id: string;
  readonly params: ConnectParams;
  readonly principal: Principal;
  readonly auth?: { readonly deviceToken: string; readonly role: string; readonly scopes: readonly string[]; readonly issuedAtMs: number };
}

export interface HandshakeWorld {
  readonly store: Store;
  readonly clock: Clock;
  readonly workspaceId: string;
  readonly secrets: () => SharedSecrets;
  readonly deviceToken: (deviceId: string, role: string, generation: number) => string;
  readonly guard: LoginGuard;
  readonly log: Log;
}

const DEFAULT_SCOPES: Readonly<Record<Role, readonly string[]>> = { operator: ['operator.admin'], node: [] };

/** Where a connection comes from, as its socket says. */
export interface Peer {
  readonly address: string | undefined;
  readonly local: boolean;
  readonly nonce: string;
}

/** Decides about the first frame of a connection. */
export async function shakeHands(world: HandshakeWorld, text: string, { address, local, nonce }: Peer): Promise<Refused | Welcomed> {
  const { store, clock, guard, workspaceId } = world;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'refused', code: 1000, reason: '' };
  }
  const frame = RequestFrame.safeParse(value);
  if (!frame.success) return { kind: 'refused', code: 1008, reason: 'invalid request frame' };
  const { id, method, params } = frame.data;
  const refuse = (message: string, { wire = 'INVALID_REQUEST', code = 1008, details }: { wire?: string; code?: number; details?: unknown } = {}): Refused => ({
    kind: 'refused',
    reply: { id, error: { code: wire, message, ...(details !== undefined && { details }) } },
    code,
    reason: message,
  });
  if (method !== 'connect') return refuse('invalid handshake: first request must be connect');
  const parsed = ConnectParams.safeParse(params);
  if (!parsed.success) return refuse(`invalid connect params: ${describeIssues(parsed.error, params)}`);
  const hello = parsed.data;
  if (hello.maxProtocol < PROTOCOL || hello.minProtocol > PROTOCOL) return refuse('protocol mismatch', { code: 1002, details: { expectedProtocol: PROTOCOL } });
  const role = hello.role ?? 'operator';
  if (role !== 'operator' && role !== 'node') return refuse('invalid role');
  const scopes = hello.scopes ?? DEFAULT_SCOPES[role];
  const { device } = hello;
  if (!device && !hello.auth?.token) return refuse('device identity required', { wire: 'NOT_PAIRED' });
  if (device) {
    const problem = deviceProblem({ device, params: hello, role, nonce, local, now: clock.now() });
    if (problem) return refuse(problem);
  }

  const secrets = world.secrets();
  let shared: SharedAuth = { ok: false, reason: 'token_missing' };
  let grant: DeviceGrant | null = null;
  const byDeviceToken = () =>
    device !== undefined &&
    grant !== null &&
    !grant.revoked &&
    hello.auth?.token !== undefined &&
    secretsEqual(hello.auth.token, world.deviceToken(device.id, role, grant.generation));
  if (device) grant = await store.call(getDeviceGrant, { workspaceId, deviceId: device.id, role });
  const check = guarded(guard, address, isGuessable(secrets), () => {
    shared = checkSharedSecret(secrets, { token: hello.auth?.token, password: hello.auth?.password });
    if (shared.ok || byDeviceToken()) return 'ok';
    return shared.reason.endsWith('missing') ? 'missing' : 'wrong';
  });
  if (check.kind === 'wait') return refuse(fault('auth.too_many_failures', check).message, { wire: 'UNAVAILABLE' });
  if (check.kind === 'refused') return refuse(unauthorized(shared, hello));
  const principal: Principal = { workspaceId, actor: `token:${hello.client.id}`, role, scopes, bySharedSecret: shared.ok };
  if (!device) return { kind: 'welcomed', id, params: hello, principal };

  const { id: clientId, mode, platform, displayName } = hello.client;
  const about = {
    clientId,
    clientMode: mode,
    platform,
    ...(displayName !== undefined && { displayName }),
    ...(address !== undefined && { remoteIp: address }),
  };
  const asked = { workspaceId, deviceId: device.id, role, publicKey: device.publicKey, about, scopes };
  const isGranted = grant !== null && !grant.revoked && scopes.every((scope) => grant?.scopes.includes(scope));
  if (!isGranted) {
    // Only the shared secret on this very machine pairs or widens without being asked, and never what somebody revoked.
    if (!local || !shared.ok || grant?.revoked) {
      const { requestId } = await store.call(requestPairing, { ...asked, requestId: newUuid() });
      return refuse('pairing required', { wire: 'NOT_PAIRED', details: { requestId } });
    }
    grant = await store.call(pairDevice, { ...asked, actor: `device:${device.id}` });
  } else if (!shared.ok) {
    // For people who look at the list of devices: nobody waits for it.
    store
      .call(noteTokenUse, { workspaceId, deviceId: device.id, role })
      .catch((error: unknown) => world.log.debug({ error: messageOf(error) }, 'a token use was not noted'));
  }
  return {
    kind: 'welcomed',
    id,
    params: hello,
    principal: { ...principal, actor: `device:${device.id}`, deviceId: device.id },
    ...(grant && { auth: { deviceToken: world.deviceToken(device.id, role, grant.generation), role, scopes: grant.scopes, issuedAtMs: grant.issuedAt } }),
  };
}

const HINTS: readonly (readonly [(hello: ConnectParams) => boolean, string])[] = [
  [({ client }) => client.id === 'cli' || client.mode === 'cli', 'set gateway.remote.token to match gateway.auth.token'],
  [({ client }) => client.id.endsWith('control-ui') || client.id === 'webchat-ui', 'open a tokenized dashboard URL or paste token in Control UI settings'],
];

function unauthorized(shared: SharedAuth, hello: ConnectParams): string {
  if (shared.ok) return 'unauthorized';
  if (shared.reason.startsWith('password'))
    return `unauthorized: gateway password ${shared.reason.endsWith('missing') ? 'missing' : 'mismatch'} (provide gateway auth password)`;
  const hint = HINTS.find(([applies]) => applies(hello))?.[1] ?? 'provide gateway auth token';
  return `unauthorized: gateway token ${shared.reason === 'token_missing' ? 'missing' : 'mismatch'} (${hint})`;
}
