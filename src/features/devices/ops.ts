// Paired devices and their tokens' generations. Tokens themselves are derived, never stored.

import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';
import { appendEvent } from '../events/ops.ts';

interface DeviceRole {
  readonly deviceId: string;
  readonly role: string;
}

const deviceById = statement<{ id: string }>()((db, p) => db.selectFrom('device').selectAll().where('id', '=', p.id));
const insertDevice = statement<{ id: string; workspaceId: string; publicKey: string; about: string; now: number }>()((db, p) =>
  db
    .insertInto('device')
    .values({ id: p.id, workspace_id: p.workspaceId, public_key: p.publicKey, about: p.about, created_at: p.now, approved_at: p.now })
    .onConflict((clash) => clash.column('id').doUpdateSet({ about: p.about, approved_at: p.now })),
);
const tokenOf = statement<DeviceRole>()((db, p) => db.selectFrom('device_token').selectAll().where('device_id', '=', p.deviceId).where('role', '=', p.role));
const upsertToken = statement<DeviceRole & { workspaceId: string; generation: number; scopes: string; now: number }>()((db, p) =>
  db
    .insertInto('device_token')
    .values({
      device_id: p.deviceId,
      role: p.role,
      workspace_id: p.workspaceId,
      generation: p.generation,
      scopes: p.scopes,
      created_at: p.now,
      rotated_at: null,
      last_used_at: null,
      revoked_at: null,
    })
    .onConflict((clash) =>
      clash.columns(['device_id', 'role']).doUpdateSet({ scopes: p.scopes, generation: p.generation, rotated_at: p.now, revoked_at: null }),
    ),
);

export interface DeviceGrant {
  readonly publicKey: string;
  readonly generation: number;
  readonly scopes: readonly string[];
  readonly issuedAt: number;
  readonly revoked: boolean;
}

/** What a device was granted for a role, or null when it is unknown there. */
export const getDeviceGrant = readOp('devices.grant', function* (tx, args: DeviceRole): OpSteps<DeviceGrant | null> {
  const device = yield* tx.one(deviceById, { id: args.deviceId });
  const token = yield* tx.one(tokenOf, args);
  if (!device || !token) return null;
  return {
    publicKey: device.public_key,
    generation: token.generation,
    scopes: token.scopes === '' ? [] : token.scopes.split(','),
    issuedAt: token.rotated_at ?? token.created_at,
    revoked: token.revoked_at !== null,
  };
});

interface Pairing extends DeviceRole {
  readonly workspaceId: string;
  readonly publicKey: string;
  readonly about: Readonly<Record<string, unknown>>;
  readonly scopes: readonly string[];
  readonly actor: string;
}

/** Pairs a device, or widens what it was granted by the scopes asked for now. */
export const pairDevice = txOp('devices.pair', function* (tx, pairing: Pairing): OpSteps<DeviceGrant> {
  const { deviceId, role, workspaceId, publicKey, about } = pairing;
  const before = yield* tx.one(tokenOf, { deviceId, role });
  const granted = before && before.scopes !== '' && before.revoked_at === null ? before.scopes.split(',') : [];
  const scopes = [...new Set([...granted, ...pairing.scopes])];
  const generation = before?.revoked_at != null ? before.generation + 1 : (before?.generation ?? 1);
  yield* tx.run(insertDevice, { id: deviceId, workspaceId, publicKey, about: JSON.stringify(about), now: tx.now });
  yield* tx.run(upsertToken, { deviceId, role, workspaceId, generation, scopes: scopes.join(','), now: tx.now });
  yield* appendEvent(tx, { workspaceId, stream: `device:${deviceId}`, actor: pairing.actor, body: { kind: 'device.paired', deviceId } });
  return { publicKey, generation, scopes, issuedAt: tx.now, revoked: false };
});
