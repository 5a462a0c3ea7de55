// What Slack sends over a socket, in the common form of all channels.

import { z } from 'zod';
import type { ChannelEvent, FileRef, PeerKind, Sender } from '../../../domain/channel.ts';
import { fromSlack } from './mrkdwn.ts';

export interface Self {
  readonly id: string;
  readonly botId: string | null;
  readonly name: string;
  readonly team: string | null;
}

interface Reader {
  readonly account: string;
  readonly self: Self;
  readonly nameOf: (userId: string) => string | undefined;
}

const text = z.string();
const SlackFile = z.looseObject({
  id: text.default(''),
  name: text.nullish(),
  mimetype: text.nullish(),
  size: z.number().nullish(),
  url_private: text.nullish(),
  permalink: text.nullish(),
});
const Message = z.looseObject({
  ts: text,
  user: text.optional(),
  bot_id: text.optional(),
  username: text.optional(),
  text: text.default(''),
  thread_ts: text.optional(),
  parent_user_id: text.optional(),
  files: z.array(SlackFile).optional(),
  subtype: text.optional(),
});
export type SlackMessage = z.infer<typeof Message>;
const Event = z.looseObject({ type: text, channel: text.optional(), channel_type: text.optional(), event_ts: text.optional() });
const Events = z.looseObject({ event_id: text, team_id: text.nullish(), event: Event });
const Changed = z.looseObject({ subtype: text, message: Message.optional(), previous_message: Message.optional(), deleted_ts: text.optional() });
const Reaction = z.looseObject({
  type: text,
  user: text,
  reaction: text,
  item: z.looseObject({ type: text, channel: text, ts: text }),
  item_user: text.optional(),
});
const Slash = z.looseObject({
  command: text,
  text: text.default(''),
  user_id: text,
  user_name: text.nullish(),
  channel_id: text,
  team_id: text.nullish(),
  trigger_id: text,
});
const Actions = z.looseObject({
  type: z.literal('block_actions'),
  user: z.looseObject({ id: text, username: text.nullish() }),
  team: z.looseObject({ id: text }).nullish(),
  channel: z.looseObject({ id: text }).nullish(),
  message: z.looseObject({ ts: text, thread_ts: text.optional() }).nullish(),
  actions: z.array(z.looseObject({ action_id: text, value: text.optional() })),
  trigger_id: text.optional(),
});

export const ACTION_PREFIX = 'clawdbot:';
const SAID = new Set([undefined, 'file_share', 'thread_broadcast', 'bot_message', 'me_message']);

/** Undefined for what is nothing to the agent. */
export function readEnvelope(type: string, body: unknown, reader: Reader): ChannelEvent | undefined {
  if (type === 'slash_commands') return readSlash(Slash.safeParse(body).data, reader);
  if (type === 'interactive') return readAction(Actions.safeParse(body).data, reader);
  const parsed = type === 'events_api' ? Events.safeParse(body).data : undefined;
  if (!parsed) return undefined;
  const { event_id: eventId, team_id: team = null, event } = parsed;
  if (event.type === 'reaction_added' || event.type === 'reaction_removed') return readReaction(Reaction.safeParse(event).data, { eventId, team }, reader);
  if ((event.type !== 'message' && event.type !== 'app_mention') || event.channel === undefined) return undefined;
  const where = { eventId, team, channel: event.channel, channelType: event.channel_type };
  const changed = Changed.safeParse(event).data;
  if (changed?.subtype === 'message_changed' || changed?.subtype === 'message_deleted') return readChange(changed, where, reader);
  const message = Message.safeParse(event).data;
  return message && readMessage(message, where, reader);
}

interface Where {
  readonly eventId: string;
  readonly team: string | null;
  readonly channel: string;
  readonly channelType?: string | undefined;
}

export function readMessage(message: SlackMessage, where: Where, reader: Reader): ChannelEvent | undefined {
  const sender = senderOf(message, reader);
  if (!sender || !SAID.has(message.subtype)) return undefined;
  const place = placeOf(where, sender, message, reader);
  const named = message.text.includes(`<@${reader.self.id}`) || message.parent_user_id === reader.self.id;
  return {
    kind: 'message',
    ...place,
    messageId: message.ts,
    text: fromSlack(message.text, { self: reader.self.id, nameOf: reader.nameOf }),
    files: (message.files ?? []).map(fileRef),
    mentioned: place.peer.kind === 'dm' || named,
    isSlash: false,
  };
}

function readChange(
  { subtype, message, previous_message: before, deleted_ts }: z.infer<typeof Changed>,
  where: Where,
  reader: Reader,
): ChannelEvent | undefined {
  const kind = subtype === 'message_deleted' ? ('deleted' as const) : ('edited' as const);
  const changed = kind === 'deleted' ? before : message;
  const sender = changed && senderOf(changed, reader);
  if (!sender || (kind === 'edited' && before?.text === changed.text)) return undefined; // a link was unfurled, a thread has grown
  const messageId = deleted_ts ?? changed.ts;
  return { kind, ...placeOf(where, sender, changed, reader), messageId, text: fromSlack(changed.text, { self: reader.self.id, nameOf: reader.nameOf }) };
}

function readReaction(
  event: z.infer<typeof Reaction> | undefined,
  { eventId, team }: Pick<Where, 'eventId' | 'team'>,
  reader: Reader,
): ChannelEvent | undefined {
  if (event?.item.type !== 'message' || event.user === reader.self.id) return undefined;
  const sender = { id: event.user, name: reader.nameOf(event.user) ?? null, isBot: false };
  return {
    kind: 'reaction',
    ...placeOf({ eventId, team, channel: event.item.channel }, sender, undefined, reader),
    messageId: event.item.ts,
    emoji: event.reaction,
    added: event.type === 'reaction_added',
    onOwn: event.item_user === reader.self.id,
  };
}

function readSlash(command: z.infer<typeof Slash> | undefined, reader: Reader): ChannelEvent | undefined {
  if (!command) return undefined;
  const sender = { id: command.user_id, name: command.user_name ?? null, isBot: false };
  return {
    kind: 'message',
    ...placeOf({ eventId: command.trigger_id, team: command.team_id ?? null, channel: command.channel_id }, sender, undefined, reader),
    messageId: command.trigger_id,
    text: command.text.trim(),
    files: [],
    mentioned: true,
    isSlash: true,
  };
}

function readAction(body: z.infer<typeof Actions> | undefined, reader: Reader): ChannelEvent | undefined {
  const pressed = body?.actions.find(({ action_id }) => action_id.startsWith(ACTION_PREFIX));
  const decision = pressed?.action_id.slice(ACTION_PREFIX.length);
  if (!body || pressed?.value === undefined || (decision !== 'allow-once' && decision !== 'allow-always' && decision !== 'deny')) return undefined;
  const sender = { id: body.user.id, name: body.user.username ?? null, isBot: false };
  const eventId = body.trigger_id ?? `${body.message?.ts ?? ''}:${pressed.action_id}`;
  const place = placeOf({ eventId, team: body.team?.id ?? null, channel: body.channel?.id ?? sender.id }, sender, undefined, reader);
  return { kind: 'decision', ...place, thread: body.message?.thread_ts ?? null, approvalId: pressed.value, decision };
}

/** Undefined for the agent itself, and for what nobody said. */
function senderOf({ user, bot_id: botId, username }: SlackMessage, { self, nameOf }: Reader): Sender | undefined {
  const id = user ?? botId;
  if (id === undefined || id === self.id || (botId !== undefined && botId === self.botId)) return undefined;
  return { id, name: nameOf(id) ?? username ?? null, isBot: botId !== undefined };
}

function placeOf({ eventId, team, channel, channelType }: Where, sender: Sender, message: SlackMessage | undefined, { account }: Reader) {
  const kind: PeerKind = channelType === 'im' || channel.startsWith('D') ? 'dm' : channelType === 'mpim' ? 'group' : 'channel';
  const peer = { kind, id: kind === 'dm' ? sender.id : channel };
  const thread = message?.thread_ts !== undefined && message.thread_ts !== message.ts ? message.thread_ts : null;
  return { channel: 'slack', account, team, eventId, peer, place: channel, thread, sender };
}

function fileRef({ id, name, mimetype, size, permalink, url_private }: z.infer<typeof SlackFile>): FileRef {
  return { id, name: name ?? id, mimeType: mimetype ?? 'application/octet-stream', bytes: size ?? 0, url: permalink ?? url_private ?? '' };
}
