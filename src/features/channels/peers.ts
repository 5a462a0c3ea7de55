// Who may speak with the agent in direct messages: strangers ask, the owner lets them in.

import type { IncomingMessage } from '../../domain/channel.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { PeerTable } from '../../ports/tables-channels.ts';
import { putOutbox } from './outbox.ts';

interface PeerId {
  readonly workspaceId: string;
  readonly channel: string;
  readonly account: string;
  readonly id: string;
}

const peerById = statement<PeerId>()((db, p) =>
  db
    .selectFrom('peer')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('channel', '=', p.channel)
    .where('account', '=', p.account)
    .where('id', '=', p.id),
);
const putPeer = statement<PeerTable>()((db, p) =>
  db
    .insertInto('peer')
    .values(pick(p, 'workspace_id', 'channel', 'account', 'id', 'name', 'state', 'code', 'place', 'asked_at', 'deadline_at', 'decided_by'))
    .onConflict((clash) =>
      clash.columns(['workspace_id', 'channel', 'account', 'id']).doUpdateSet({
        ...{ name: p.name, state: p.state, code: p.code, place: p.place },
        ...{ asked_at: p.asked_at, deadline_at: p.deadline_at, decided_by: p.decided_by },
      }),
    ),
);
const pendingPeers = statement<{ workspaceId: string; channel: string; now: number }>()((db, p) =>
  db
    .selectFrom('peer')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('channel', '=', p.channel)
    .where('state', '=', 'pending')
    .where('deadline_at', '>', p.now)
    .orderBy('asked_at'),
);
const allowedPeers = statement<{ workspaceId: string; channel: string }>()((db, p) =>
  db.selectFrom('peer').selectAll().where('workspace_id', '=', p.workspaceId).where('channel', '=', p.channel).where('state', '=', 'allowed').orderBy('id'),
);

const CODE_LASTS_MS = 3_600_000;
const MAX_PENDING = 3;

export function* isPaired(tx: Tx, id: PeerId): OpSteps<boolean> {
  return (yield* tx.one(peerById, id))?.state === 'allowed';
}

/** Gives a stranger a code, once in its hour; the fourth stranger within it hears nothing. */
export function* askForPairing(tx: Tx, workspaceId: string, { channel, account, sender, place, thread }: IncomingMessage, code: string): OpSteps<void> {
  const known = yield* tx.one(peerById, { workspaceId, channel, account, id: sender.id });
  if (known?.state === 'revoked' || (known?.state === 'pending' && known.deadline_at > tx.now)) return;
  if ((yield* tx.all(pendingPeers, { workspaceId, channel, now: tx.now })).length >= MAX_PENDING) return;
  const row = { workspace_id: workspaceId, channel, account, id: sender.id, name: sender.name, state: 'pending' as const, code, place };
  yield* tx.run(putPeer, { ...row, asked_at: tx.now, deadline_at: tx.now + CODE_LASTS_MS, decided_by: null });
  const text = `We have not met: my owner lets people in. Give him this code within the hour: **${code}**\n\nHe approves it with \`clawdbot pairing approve ${channel} ${code}\``;
  yield* putOutbox(tx, {
    workspaceId,
    to: { channel, account, place, thread },
    body: { kind: 'text', text },
    intent: `pairing:${channel}:${account}:${sender.id}:${code}`,
    actor: 'gateway',
  });
}

export interface PeerView {
  readonly id: string;
  readonly channel: string;
  readonly account: string;
  readonly name: string | null;
  readonly state: PeerTable['state'];
  readonly code: string | null;
  readonly askedAt: number;
  readonly deadlineAt: number;
}

function viewPeer({ id, channel, account, name, state, code, asked_at: askedAt, deadline_at: deadlineAt }: PeerTable): PeerView {
  return { id, channel, account, name, state, code, askedAt, deadlineAt };
}

export const listPeers = readOp('channels.peers', function* (tx, { workspaceId, channel }: { workspaceId: string; channel: string }): OpSteps<{
  pending: PeerView[];
  allowed: PeerView[];
}> {
  const pending = (yield* tx.all(pendingPeers, { workspaceId, channel, now: tx.now })).map(viewPeer);
  return { pending, allowed: (yield* tx.all(allowedPeers, { workspaceId, channel })).map(viewPeer) };
});

interface Approving {
  readonly workspaceId: string;
  readonly channel: string;
  readonly code: string;
  readonly actor: string;
  /** Whether the one who asked hears of it. */
  readonly notify: boolean;
}

/** @throws Fault `pairing.unknown_code` */
export const approvePeer = txOp('channels.approvePeer', function* (tx, { workspaceId, channel, code, actor, notify }: Approving): OpSteps<PeerView> {
  const asked = (yield* tx.all(pendingPeers, { workspaceId, channel, now: tx.now })).find((peer) => peer.code === code.trim().toUpperCase());
  if (!asked) throw fault('pairing.unknown_code', { channel, code });
  const allowed: PeerTable = { ...asked, state: 'allowed', code: null, decided_by: actor };
  yield* tx.run(putPeer, allowed);
  if (notify) {
    const to = { channel, account: asked.account, place: asked.place, thread: null };
    yield* putOutbox(tx, {
      workspaceId,
      to,
      body: { kind: 'text', text: 'You are let in. What can I do for you?' },
      intent: `paired:${asked.account}:${asked.id}:${code}`,
      actor,
    });
  }
  return viewPeer(allowed);
});

/** Lets somebody in, or out, by id. */
export const setPeer = txOp('channels.setPeer', function* (tx, { allowed, actor, ...id }: PeerId & { allowed: boolean; actor: string }): OpSteps<PeerView> {
  const before = yield* tx.one(peerById, id);
  const row: PeerTable = {
    ...{ workspace_id: id.workspaceId, channel: id.channel, account: id.account, id: id.id, name: before?.name ?? null, place: before?.place ?? id.id },
    ...{ state: allowed ? ('allowed' as const) : ('revoked' as const), code: null, asked_at: tx.now, deadline_at: tx.now, decided_by: actor },
  };
  yield* tx.run(putPeer, row);
  return viewPeer(row);
});
