// What can be asked about message channels: how they stand, where a message would go, who may speak, and sending one.

import { z } from 'zod';
import { type Address, DEFAULT_ACCOUNT, type IncomingMessage } from '../../domain/channel.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type Admission, routingOf } from '../../domain/inbound.ts';
import { type ChannelStatus, type MethodContext, method } from '../../ports/method.ts';
import { type EntryView, getOutgoing, listOutgoing, queueOutgoing } from './outbox.ts';
import { approvePeer, listPeers, type PeerView, setPeer } from './peers.ts';
import { lookAtMessage } from './receive.ts';

const Anything = z.record(z.string(), z.unknown());
const text = z.string();

export const channelsStatus = method({
  name: 'channels.status',
  scope: 'operator.read',
  about: 'State of the message channels and their accounts: connected or not, since when, why, and when the provider was last heard of.',
  input: z.strictObject({ probe: z.boolean().optional(), timeoutMs: z.number().optional() }),
  output: Anything,
  run: async ({ clock, gateway }) => {
    const accounts = gateway.channels();
    const ids = [...new Set(accounts.map(({ channel }) => channel.id))];
    const labelled = (of: 'label' | 'about') =>
      Object.fromEntries(gateway.channelCatalog.filter(({ id }) => ids.includes(id)).map((channel) => [channel.id, channel[of]]));
    const ofChannel = (id: string) => accounts.filter(({ channel }) => channel.id === id);
    return {
      ts: clock.now(),
      channelOrder: ids,
      channelLabels: labelled('label'),
      channelDetailLabels: labelled('about'),
      channelSystemImages: {},
      channelMeta: gateway.channelCatalog.filter(({ id }) => ids.includes(id)).map(({ id, label, about }) => ({ id, label, detailLabel: about })),
      channels: Object.fromEntries(ids.map((id) => [id, summaryOf(ofChannel(id))])),
      channelAccounts: Object.fromEntries(ids.map((id) => [id, ofChannel(id).map(accountView)])),
      channelDefaultAccountId: Object.fromEntries(ids.map((id) => [id, DEFAULT_ACCOUNT])),
    };
  },
});

function summaryOf(accounts: readonly ChannelStatus[]) {
  const [first] = accounts.map(accountView);
  return first ? { configured: first.configured, running: first.running, connected: first.connected, lastError: first.lastError } : {};
}

function accountView({ account, settings, isConfigured, state }: ChannelStatus) {
  return {
    accountId: account,
    name: settings.name ?? null,
    enabled: settings.enabled,
    configured: isConfigured,
    running: state !== undefined && state.state !== 'stopped' && state.state !== 'refused',
    connected: state?.state === 'connected',
    state: state?.state ?? (settings.enabled ? 'elsewhere' : 'disabled'),
    since: state?.sinceMs ?? null,
    sockets: state?.sockets ?? 0,
    self: state?.self ?? null,
    lastError: state?.problem ?? null,
    lastEventAt: state?.lastSeenAt ?? null,
    owner: settings.owner ?? null,
    home: settings.home ?? null,
  };
}

const ExplainInput = z.strictObject({
  channel: text.default('slack'),
  account: text.default(DEFAULT_ACCOUNT),
  place: text.min(1).describe('The conversation by its id, as C0123456789 or D0123456789.'),
  kind: z.enum(['dm', 'group', 'channel']).optional().describe('Left out: by the first letter of the id.'),
  user: text.min(1).describe('The sender, by id.'),
  thread: text.optional(),
  team: text.optional(),
  mentioned: z.boolean().default(true),
  bot: z.boolean().default(false),
});

export const routesExplain = method({
  name: 'routes.explain',
  scope: 'operator.read',
  about: 'Where a message would go, without sending one: agent, session, answer, whose word it is, or why nobody hears it.',
  input: ExplainInput,
  output: z.object({ admission: z.custom<Admission>(), account: text }),
  run: async (context, { channel, account, place, kind = place.startsWith('D') ? 'dm' : 'channel', user, thread = null, team = null, mentioned, bot }) => {
    const { settings } = accountNamed(context, channel, account ?? DEFAULT_ACCOUNT);
    const peer = { kind, id: kind === 'dm' ? user : place };
    const event: Omit<IncomingMessage, 'kind' | 'eventId' | 'text' | 'files'> = {
      ...{ channel, account, team, peer, place, thread, messageId: '0', isSlash: false },
      ...{ sender: { id: user, name: null, isBot: bot }, mentioned: mentioned || kind === 'dm' },
    };
    const { store, workspaceId, gateway } = context;
    return { account, admission: await store.call(lookAtMessage, { workspaceId, account: settings, routing: routingOf(gateway.config().config), event }) };
  },
});

/** @throws Fault `channel.unknown` */
function accountNamed({ gateway }: MethodContext, channel: string, account: string): ChannelStatus {
  const found = gateway.channels().find((one) => one.channel.id === channel && one.account === account);
  if (!found) throw fault('channel.unknown', { channel: account === DEFAULT_ACCOUNT ? channel : `${channel} (account ${account})` });
  return found;
}

/** How long `send` waits for the message to arrive. What has not arrived by then is sent all the same. */
const ARRIVES_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 40;

export const send = method({
  name: 'send',
  scope: 'operator.write',
  about: 'Sends a message through a channel. It is durable when the answer comes, and sent once per idempotency key.',
  input: z.strictObject({
    to: text.min(1).describe('A conversation or a person by id.'),
    message: text.min(1),
    mediaUrl: text.optional(),
    mediaUrls: z.array(text).optional(),
    gifPlayback: z.boolean().optional(),
    channel: text.optional(),
    accountId: text.optional(),
    threadId: text.optional(),
    sessionKey: text.optional(),
    idempotencyKey: text.min(1),
  }),
  output: z.looseObject({ runId: text, channel: text }),
  run: async (
    context,
    {
      to: written,
      message,
      mediaUrl,
      mediaUrls,
      channel = context.gateway.channels()[0]?.channel.id ?? 'whatsapp',
      accountId = DEFAULT_ACCOUNT,
      threadId,
      idempotencyKey,
    },
  ) => {
    if (!context.gateway.channelCatalog.some(({ id }) => id === channel)) throw fault('request.refused', { reason: `unsupported channel: ${channel}` });
    const { store, workspaceId, principal, clock } = context;
    const to = addressed(context, { channel, accountId, written, threadId });
    const said = [message, ...(mediaUrls ?? (mediaUrl === undefined ? [] : [mediaUrl]))].join('\n');
    const entry = await store.call(queueOutgoing, {
      workspaceId,
      to,
      body: { kind: 'text', text: said },
      intent: `send:${idempotencyKey}`,
      actor: principal.actor,
    });
    const isUp = accountNamed(context, channel, accountId).state?.state === 'connected';
    const settled = await whenSettled(context, entry, isUp ? clock.now() + ARRIVES_WITHIN_MS : 0);
    if (settled.state === 'failed') throw fault('request.refused', { reason: `the message was not sent: ${settled.error ?? 'refused'}` });
    return {
      runId: idempotencyKey,
      channel,
      channelId: to.place,
      messageId: settled.parts[0]?.id ?? null,
      outboxId: entry.id,
      state: settled.state,
      ...(settled.error !== null && { waitingFor: settled.error }),
    };
  },
});

function addressed(
  context: MethodContext,
  { channel, accountId, written, threadId }: { channel: string; accountId: string; written: string; threadId?: string | undefined },
): Address {
  const { channel: known } = accountNamed(context, channel, accountId);
  const place = written.replace(/^(?:slack:)?(?:channel|user|group|dm):/i, '').toUpperCase();
  if (!known.isTarget(place)) throw fault('channel.target', { target: written, channel });
  return { channel, account: accountId, place, thread: threadId ?? null };
}

async function whenSettled({ store, clock }: MethodContext, entry: EntryView, until: number): Promise<EntryView> {
  let now = entry;
  while (now.state === 'queued' && clock.now() < until) {
    await clock.sleep(LOOK_EVERY_MS);
    now = (await store.call(getOutgoing, { id: entry.id })) ?? now;
  }
  return now;
}

export const outboxList = method({
  name: 'channels.outbox',
  scope: 'operator.read',
  about: 'What was sent and what waits to be sent, the latest first, with the reason where something waits or failed.',
  input: z.strictObject({ limit: z.int().min(1).max(500).optional() }),
  output: z.object({ entries: z.array(z.custom<EntryView>()) }),
  run: async ({ store, workspaceId }, { limit = 50 }) => ({ entries: await store.call(listOutgoing, { workspaceId, limit }) }),
});

const Channel = text.min(1).default('slack');

export const pairingList = method({
  name: 'pairing.list',
  scope: 'operator.pairing',
  about: 'Strangers who want to speak with the agent in direct messages, and those who were let in.',
  input: z.strictObject({ channel: Channel.optional() }),
  output: z.object({ channel: text, requests: z.array(z.custom<PeerView>()), allowed: z.array(z.custom<PeerView>()) }),
  run: async ({ store, workspaceId }, { channel = 'slack' }) => {
    const { pending, allowed } = await store.call(listPeers, { workspaceId, channel });
    return { channel, requests: pending, allowed };
  },
});

export const pairingApprove = method({
  name: 'pairing.approve',
  scope: 'operator.pairing',
  about: 'Lets in the one who was given this code.',
  input: z.strictObject({ channel: Channel.optional(), code: text.min(1), notify: z.boolean().optional() }),
  output: z.object({ peer: z.custom<PeerView>() }),
  run: async ({ store, workspaceId, principal }, { channel = 'slack', code, notify = false }) => ({
    peer: await store.call(approvePeer, { workspaceId, channel, code, notify, actor: principal.actor }),
  }),
});

export const pairingSet = method({
  name: 'pairing.set',
  scope: 'operator.pairing',
  about: 'Lets somebody in, or out, by id.',
  input: z.strictObject({ channel: Channel.optional(), account: text.optional(), id: text.min(1), allowed: z.boolean() }),
  output: z.object({ peer: z.custom<PeerView>() }),
  run: async ({ store, workspaceId, principal }, { channel = 'slack', account = DEFAULT_ACCOUNT, id, allowed }) => ({
    peer: await store.call(setPeer, { workspaceId, channel, account, id, allowed, actor: principal.actor }),
  }),
});
