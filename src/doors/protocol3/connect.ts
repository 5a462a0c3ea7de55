// The handshake: decides who connects, with which rights, and what hello-ok tells.

import type { Principal, Role } from '../../domain/authorize.ts';
import { ConnectParams, PROTOCOL, RequestFrame, type WireError } from '../../domain/frame.ts';
import { getDeviceGrant, pairDevice } from '../../features/devices/ops.ts';
import type { Clock } from '../../kit/clock.ts';
import { newUuid, secretsEqual } from '../../kit/id.ts';
import type { Store } from '../../ports/store.ts';
import { checkSharedSecret, deviceProblem, deviceToken, type SharedAuth, type SharedSecrets } from '../auth.ts';
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
  /** Device tokens are derived from it. */
  readonly gatewaySecret: string;
}

const DEFAULT_SCOPES: Readonly<Record<Role, readonly string[]>> = { operator: ['operator.admin'], node: [] };

/** Decides about the first frame of a connection. */
export async function shakeHands(world: HandshakeWorld, text: string, nonce: string, local: boolean): Promise<Refused | Welcomed> {
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
  const wanted = hello.scopes ?? DEFAULT_SCOPES[role];
  const { device } = hello;
  if (!device && !hello.auth?.token) return refuse('device identity required', { wire: 'NOT_PAIRED' });
  if (device) {
    const problem = deviceProblem({ device, params: hello, role, nonce, local, now: world.clock.now() });
    if (problem) return refuse(problem);
  }
  const shared = checkSharedSecret(world.secrets(), { token: hello.auth?.token, password: hello.auth?.password });
  if (!device) {
    if (!shared.ok) return refuse(unauthorized(shared, hello));
    return { kind: 'welcomed', id, params: hello, principal: { workspaceId: world.workspaceId, actor: `token:${hello.client.id}`, role, scopes: wanted } };
  }

  let grant = await world.store.call(getDeviceGrant, { deviceId: device.id, role });
  const tokenOf = (generation: number) => deviceToken(world.gatewaySecret, device.id, role, generation);
  const byDeviceToken = grant !== null && !grant.revoked && hello.auth?.token !== undefined && secretsEqual(hello.auth.token, tokenOf(grant.generation));
  if (!shared.ok && !byDeviceToken) return refuse(unauthorized(shared, hello));
  const granted = grant !== null && !grant.revoked && wanted.every((scope) => grant?.scopes.includes(scope));
  if (!granted) {
    // Only the shared secret on this very machine pairs or widens without being asked.
    if (!local || !shared.ok) return refuse('pairing required', { wire: 'NOT_PAIRED', details: { requestId: newUuid() } });
    const { id: clientId, mode, platform, displayName } = hello.client;
    grant = await world.store.call(pairDevice, {
      deviceId: device.id,
      role,
      workspaceId: world.workspaceId,
      publicKey: device.publicKey,
      about: { clientId, clientMode: mode, platform, ...(displayName !== undefined && { displayName }) },
      scopes: wanted,
      actor: `device:${device.id}`,
    });
  }
  return {
    kind: 'welcomed',
    id,
    params: hello,
    principal: { workspaceId: world.workspaceId, actor: `device:${device.id}`, role, scopes: wanted },
    ...(grant && { auth: { deviceToken: tokenOf(grant.generation), role, scopes: grant.scopes, issuedAtMs: grant.issuedAt } }),
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
