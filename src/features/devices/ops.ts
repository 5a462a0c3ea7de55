// Paired devices, their tokens' generations, and those that ask to be paired. Tokens themselves are derived, never stored.

import type { PairingRequest } from '../../domain/event.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { DeviceTable, DeviceTokenTable, PairingRequestTable } from '../../ports/tables.ts';
import { appendEvent } from '../events/ops.ts';

interface DeviceRole {
  readonly workspaceId: string;
  readonly deviceId: string;
  readonly role: string;
}

const deviceById = statement<{ workspaceId: string; id: string }>()((db, p) =>
  db.selectFrom('device').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id),
);
const insertDevice = statement<{ id: string; workspaceId: string; publicKey: string; about: string; now: number }>()((db, p) =>
  db
    .insertInto('device')
    .values({ id: p.id, workspace_id: p.workspaceId, public_key: p.publicKey, about: p.about, created_at: p.now, approved_at: p.now })
    .onConflict((clash) => clash.columns(['workspace_id', 'id']).doUpdateSet({ about: p.about, approved_at: p.now })),
);
const tokenOf = statement<DeviceRole>()((db, p) =>
  db.selectFrom('device_token').selectAll().where('workspace_id', '=', p.workspaceId).where('device_id', '=', p.deviceId).where('role', '=', p.role),
);
const upsertToken = statement<DeviceRole & { generation: number; scopes: string; now: number }>()((db, p) =>
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
      clash.columns(['workspace_id', 'device_id', 'role']).doUpdateSet({ scopes: p.scopes, generation: p.generation, rotated_at: p.now, revoked_at: null }),
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
  const device = yield* tx.one(deviceById, { workspaceId: args.workspaceId, id: args.deviceId });
  const token = yield* tx.one(tokenOf, args);
  if (!device || !token) return null;
  return {
    publicKey: device.public_key,
    generation: token.generation,
    scopes: listOf(token.scopes),
    issuedAt: token.rotated_at ?? token.created_at,
    revoked: token.revoked_at !== null,
  };
});

interface Device {
  readonly publicKey: string;
  readonly about: Readonly<Record<string, unknown>>;
  readonly scopes: readonly string[];
}

interface Pairing extends DeviceRole, Device {
  readonly actor: string;
}

/** Pairs a device, or widens what it was granted by the scopes asked for now. */
export const pairDevice = txOp('devices.pair', function* (tx, pairing: Pairing): OpSteps<DeviceGrant> {
  return yield* pair(tx, pairing);
});

function* pair(tx: Tx, { actor, about, publicKey, ...pairing }: Pairing): OpSteps<DeviceGrant> {
  const { deviceId, role, workspaceId } = pairing;
  const before = yield* tx.one(tokenOf, { workspaceId, deviceId, role });
  const granted = before && before.scopes !== '' && before.revoked_at === null ? before.scopes.split(',') : [];
  const scopes = [...new Set([...granted, ...pairing.scopes])];
  const generation = before?.revoked_at != null ? before.generation + 1 : (before?.generation ?? 1);
  yield* tx.run(insertDevice, { id: deviceId, workspaceId, publicKey, about: JSON.stringify(about), now: tx.now });
  yield* tx.run(upsertToken, { deviceId, role, workspaceId, generation, scopes: scopes.join(','), now: tx.now });
  yield* appendEvent(tx, { workspaceId, stream: `device:${deviceId}`, actor, body: { kind: 'device.paired', deviceId } });
  return { publicKey, generation, scopes, issuedAt: tx.now, revoked: false };
}

const PAIRING_MS = 3_600_000;

const pendingOf = statement<DeviceRole>()((db, p) =>
  db
    .selectFrom('pairing_request')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('device_id', '=', p.deviceId)
    .where('role', '=', p.role)
    .where('state', '=', 'pending'),
);
const requestById = statement<{ workspaceId: string; id: string }>()((db, p) =>
  db.selectFrom('pairing_request').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id),
);
const pendingRequests = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .selectFrom('pairing_request')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'pending')
    .where('deadline_at', '>', p.now)
    .orderBy('created_at'),
);
const insertRequest = statement<Omit<PairingRequestTable, 'state' | 'decided_by' | 'decided_at'>>()((db, p) =>
  db.insertInto('pairing_request').values({
    ...pick(p, 'id', 'workspace_id', 'device_id', 'role', 'public_key', 'about', 'scopes', 'created_at', 'deadline_at'),
    state: 'pending',
    decided_by: null,
    decided_at: null,
  }),
);
const decideRequest = statement<{ id: string; state: PairingRequestTable['state']; by: string; now: number }>()((db, p) =>
  db.updateTable('pairing_request').set({ state: p.state, decided_by: p.by, decided_at: p.now }).where('id', '=', p.id),
);
const allDevices = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('device').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('approved_at', 'desc'),
);
const allTokens = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('device_token').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('role'),
);
const setToken = statement<DeviceRole & { generation: number; scopes: string; rotatedAt: number | null; revokedAt: number | null }>()((db, p) =>
  db
    .updateTable('device_token')
    .set({ generation: p.generation, scopes: p.scopes, rotated_at: p.rotatedAt, revoked_at: p.revokedAt })
    .where('workspace_id', '=', p.workspaceId)
    .where('device_id', '=', p.deviceId)
    .where('role', '=', p.role),
);
const touchToken = statement<DeviceRole & { now: number }>()((db, p) =>
  db
    .updateTable('device_token')
    .set({ last_used_at: p.now })
    .where('workspace_id', '=', p.workspaceId)
    .where('device_id', '=', p.deviceId)
    .where('role', '=', p.role),
);

/** A device asks to be let in. It may ask again: an open request is answered, not doubled. */
export const requestPairing = txOp('devices.requestPairing', function* (tx, asked: DeviceRole & Device & { requestId: string }): OpSteps<PairingRequest> {
  const { workspaceId, deviceId, role, publicKey, about, scopes, requestId } = asked;
  const open = yield* tx.one(pendingOf, { workspaceId, deviceId, role });
  if (open && open.deadline_at > tx.now && open.scopes === scopes.join(',')) return toRequest(open);
  if (open) yield* settle(tx, open, 'expired', 'deadline');
  const row = {
    id: requestId,
    workspace_id: workspaceId,
    device_id: deviceId,
    role,
    public_key: publicKey,
    about: JSON.stringify(about),
    scopes: scopes.join(','),
    created_at: tx.now,
    deadline_at: tx.now + PAIRING_MS,
  };
  yield* tx.run(insertRequest, row);
  const request = toRequest(row);
  yield* appendEvent(tx, { workspaceId, stream: `device:${deviceId}`, actor: `device:${deviceId}`, body: { kind: 'pairing.requested', request } });
  return request;
});

interface Decision {
  readonly workspaceId: string;
  readonly requestId: string;
  readonly actor: string;
  readonly approve: boolean;
}

/** @throws Fault `device.request_unknown` when there is no such open request */
export const decidePairing = txOp('devices.decidePairing', function* (tx, { workspaceId, requestId, actor, approve }: Decision): OpSteps<PairingRequest> {
  const row = yield* tx.one(requestById, { workspaceId, id: requestId });
  if (row?.state !== 'pending' || row.deadline_at <= tx.now) throw fault('device.request_unknown');
  yield* settle(tx, row, approve ? 'approved' : 'rejected', actor);
  const request = toRequest(row);
  if (approve) yield* pair(tx, { ...request, workspaceId, actor });
  return request;
});

function* settle(tx: Tx, row: PairingRequestTable, state: 'approved' | 'rejected' | 'expired', actor: string): OpSteps<void> {
  const { id, workspace_id: workspaceId, device_id: deviceId } = row;
  yield* tx.run(decideRequest, { id, state, by: actor, now: tx.now });
  yield* appendEvent(tx, {
    workspaceId,
    stream: `device:${deviceId}`,
    actor,
    body: { kind: 'pairing.resolved', requestId: id, deviceId, decision: state },
  });
}

/** Voids the token of a role and begins the next generation. @throws Fault `device.unknown` */
export const rotateToken = txOp(
  'devices.rotateToken',
  function* (tx, { actor, scopes, ...of }: DeviceRole & { actor: string; scopes: readonly string[] | null }): OpSteps<DeviceGrant> {
    const token = yield* tx.one(tokenOf, of);
    const device = yield* tx.one(deviceById, { workspaceId: of.workspaceId, id: of.deviceId });
    if (!token || !device) throw fault('device.unknown');
    const next = { generation: token.generation + 1, scopes: scopes === null ? token.scopes : scopes.join(',') };
    yield* tx.run(setToken, { ...of, ...next, rotatedAt: tx.now, revokedAt: null });
    yield* tellToken(tx, of, actor, 'device.token_rotated');
    return { publicKey: device.public_key, generation: next.generation, scopes: listOf(next.scopes), issuedAt: tx.now, revoked: false };
  },
);

/** Voids the token of a role: the device must be approved again. Answers when. @throws Fault `device.unknown` */
export const revokeToken = txOp('devices.revokeToken', function* (tx, { actor, ...of }: DeviceRole & { actor: string }): OpSteps<number> {
  const token = yield* tx.one(tokenOf, of);
  if (!token) throw fault('device.unknown');
  if (token.revoked_at !== null) return token.revoked_at;
  yield* tx.run(setToken, { ...of, generation: token.generation + 1, scopes: token.scopes, rotatedAt: token.rotated_at, revokedAt: tx.now });
  yield* tellToken(tx, of, actor, 'device.token_revoked');
  return tx.now;
});

function* tellToken(tx: Tx, { workspaceId, deviceId, role }: DeviceRole, actor: string, kind: 'device.token_rotated' | 'device.token_revoked'): OpSteps<void> {
  yield* appendEvent(tx, { workspaceId, stream: `device:${deviceId}`, actor, body: { kind, deviceId, role } });
}

export const noteTokenUse = txOp('devices.noteTokenUse', function* (tx, of: DeviceRole): OpSteps<void> {
  yield* tx.run(touchToken, { ...of, now: tx.now });
});

export interface DeviceList {
  readonly pending: readonly PairingRequest[];
  readonly paired: readonly { readonly device: DeviceTable; readonly tokens: readonly DeviceTokenTable[] }[];
}

export const listDevices = readOp('devices.list', function* (tx, { workspaceId }: { workspaceId: string }): OpSteps<DeviceList> {
  const pending = (yield* tx.all(pendingRequests, { workspaceId, now: tx.now })).map(toRequest);
  const tokens = yield* tx.all(allTokens, { workspaceId });
  const devices = yield* tx.all(allDevices, { workspaceId });
  return { pending, paired: devices.map((device) => ({ device, tokens: tokens.filter((token) => token.device_id === device.id) })) };
});

function toRequest(row: Omit<PairingRequestTable, 'state' | 'decided_by' | 'decided_at'>): PairingRequest {
  return {
    requestId: row.id,
    deviceId: row.device_id,
    publicKey: row.public_key,
    role: row.role,
    scopes: listOf(row.scopes),
    about: JSON.parse(row.about) as Record<string, unknown>, // written by requestPairing
    createdAt: row.created_at,
    deadlineAt: row.deadline_at,
  };
}

function listOf(scopes: string): readonly string[] {
  return scopes === '' ? [] : scopes.split(',');
}
