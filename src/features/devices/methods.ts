// Who is paired, who asks to be, and their tokens.

import { z } from 'zod';
import type { PairingRequest } from '../../domain/event.ts';
import { method } from '../../ports/method.ts';
import type { DeviceTokenTable } from '../../ports/tables.ts';
import { type DeviceList, decidePairing, listDevices, revokeToken, rotateToken } from './ops.ts';

const Payload = z.record(z.string(), z.unknown());
const Named = z.strictObject({ requestId: z.string().min(1) });
const Role = z.strictObject({ deviceId: z.string().min(1), role: z.string().min(1) });

export const devicePairList = method({
  name: 'device.pair.list',
  scope: 'operator.pairing',
  about: 'Devices that ask to be paired, and those that are.',
  input: z.strictObject({}),
  output: Payload,
  run: async ({ store, workspaceId }) => {
    const { pending, paired } = await store.call(listDevices, { workspaceId });
    return { pending: pending.map(toPending), paired: paired.map(toPaired) };
  },
});

/** A request as clients show it. */
export function toPending({ requestId, deviceId, publicKey, role, scopes, about, createdAt }: PairingRequest) {
  return { requestId, deviceId, publicKey, ...about, role, scopes, silent: false, ts: createdAt };
}

function toPaired({ device, tokens }: DeviceList['paired'][number]) {
  const about = JSON.parse(device.about) as Record<string, unknown>; // written by devices/ops
  const scopes = new Set(tokens.filter(({ revoked_at }) => revoked_at === null).flatMap((token) => scopesOf(token)));
  return {
    deviceId: device.id,
    publicKey: device.public_key,
    ...about,
    role: tokens[0]?.role ?? 'operator',
    roles: tokens.map(({ role }) => role),
    scopes: [...scopes],
    createdAtMs: device.created_at,
    approvedAtMs: device.approved_at,
    tokens: tokens.map((token) => ({
      role: token.role,
      scopes: scopesOf(token),
      createdAtMs: token.created_at,
      ...(token.rotated_at !== null && { rotatedAtMs: token.rotated_at }),
      ...(token.last_used_at !== null && { lastUsedAtMs: token.last_used_at }),
      ...(token.revoked_at !== null && { revokedAtMs: token.revoked_at }),
    })),
  };
}

function scopesOf({ scopes }: DeviceTokenTable): readonly string[] {
  return scopes === '' ? [] : scopes.split(',');
}

const decision = (name: string, about: string, approve: boolean) =>
  method({
    name,
    scope: 'operator.pairing',
    about,
    input: Named,
    output: Payload,
    run: async ({ store, workspaceId, principal }, { requestId }) => {
      const request = await store.call(decidePairing, { workspaceId, requestId, approve, actor: principal.actor });
      if (!approve) return { requestId, deviceId: request.deviceId };
      const { paired } = await store.call(listDevices, { workspaceId });
      const device = paired.find(({ device: { id } }) => id === request.deviceId);
      return { requestId, device: device && toPaired(device) };
    },
  });

export const devicePairApprove = decision('device.pair.approve', 'Lets a device in that asked to be paired.', true);
export const devicePairReject = decision('device.pair.reject', 'Turns a device away that asked to be paired.', false);

export const deviceTokenRotate = method({
  name: 'device.token.rotate',
  scope: 'operator.pairing',
  about: 'Voids the token of a device and role and makes the next one. Connections by the old one are closed.',
  input: z.strictObject({ ...Role.shape, scopes: z.array(z.string().min(1)).optional() }),
  output: Payload,
  run: async ({ store, workspaceId, principal, gateway }, { deviceId, role, scopes }) => {
    const grant = await store.call(rotateToken, { workspaceId, deviceId, role, scopes: scopes ?? null, actor: principal.actor });
    return { deviceId, role, token: gateway.deviceToken(deviceId, role, grant.generation), scopes: grant.scopes, rotatedAtMs: grant.issuedAt };
  },
});

export const deviceTokenRevoke = method({
  name: 'device.token.revoke',
  scope: 'operator.pairing',
  about: 'Voids the token of a device and role and closes its connections. The device must be approved again.',
  input: Role,
  output: Payload,
  run: async ({ store, workspaceId, principal }, named) => {
    const revokedAtMs = await store.call(revokeToken, { workspaceId, ...named, actor: principal.actor });
    return { ...named, revokedAtMs };
  },
});
