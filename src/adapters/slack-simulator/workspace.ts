// The inside of a simulated Slack: people, conversations, messages, and what is to be told of them.

import type { Clock } from '../../kit/clock.ts';

export interface SimMessage {
  readonly ts: string;
  readonly user?: string;
  readonly bot_id?: string;
  text: string;
  readonly thread_ts?: string;
  readonly parent_user_id?: string;
  readonly metadata?: unknown;
  blocks?: unknown;
  readonly files?: readonly unknown[];
  readonly ephemeralFor?: string;
  edits: number;
  readonly reactions: Set<string>;
}

export interface Envelope {
  readonly type: 'events_api' | 'slash_commands' | 'interactive';
  readonly payload: Readonly<Record<string, unknown>>;
}

export const TEAM = 'T0SIMULATOR';
export const BOT_USER = 'U0CLAWDBOT';
const BOT = 'B0CLAWDBOT';

export interface Said {
  readonly user: string;
  readonly channel: string;
  readonly text: string;
  readonly thread?: string;
  readonly bot?: string;
  readonly files?: readonly unknown[];
  /** Said without an event, as while nobody listens. */
  readonly silently?: boolean;
}

/** The id of the direct messages with a person. */
export function directOf(user: string): string {
  return user.replace(/^[UW]/, 'D');
}

export function createWorkspace(clock: Clock, emit: (envelope: Envelope) => void) {
  const places = new Map<string, SimMessage[]>();
  let n = 0;
  let lastMicros = 0;

  const inPlace = (channel: string): SimMessage[] => {
    const known = places.get(channel) ?? [];
    places.set(channel, known);
    return known;
  };
  /** Rises with each message, as Slack's own do. */
  const nextTs = (): string => {
    lastMicros = Math.max(lastMicros + 1, clock.now() * 1000);
    return `${Math.floor(lastMicros / 1e6)}.${String(lastMicros % 1e6).padStart(6, '0')}`;
  };
  const kindOf = (channel: string): string => (channel.startsWith('D') ? 'im' : channel.startsWith('G') ? 'mpim' : 'channel');
  const event = (body: Readonly<Record<string, unknown>>) => {
    n += 1;
    emit({
      type: 'events_api',
      payload: {
        type: 'event_callback',
        team_id: TEAM,
        api_app_id: 'A0SIMULATOR',
        event_id: `Ev${String(n).padStart(10, '0')}`,
        event_time: Math.floor(clock.now() / 1000),
        event: body,
      },
    });
  };
  const find = (channel: string, ts: string): SimMessage | undefined => inPlace(channel).find((message) => message.ts === ts);
  const shown = ({ ephemeralFor: _only, edits, reactions, ...message }: SimMessage) => ({
    type: 'message',
    ...message,
    ...(edits > 0 && { edited: { ts: message.ts } }),
    ...(reactions.size > 0 && { reactions: [...reactions].map((name) => ({ name, count: 1, users: [BOT_USER] })) }),
  });

  return {
    find,
    shown,
    /** Messages of a conversation that anybody can see, oldest first; of a thread with its first message. */
    history: (channel: string, thread?: string) =>
      inPlace(channel).filter(
        ({ ephemeralFor, ts, thread_ts }) =>
          ephemeralFor === undefined && (thread === undefined ? thread_ts === undefined : ts === thread || thread_ts === thread),
      ),
    all: (channel: string): readonly SimMessage[] => inPlace(channel),
    ofBot: (channel: string): readonly SimMessage[] => inPlace(channel).filter(({ user }) => user === BOT_USER),
    channels: () => [...places.keys()],
    post: (channel: string, message: { text: string; thread_ts?: string; metadata?: unknown; blocks?: unknown; ephemeralFor?: string }): SimMessage => {
      const made: SimMessage = { ts: nextTs(), user: BOT_USER, bot_id: BOT, edits: 0, reactions: new Set(), ...message };
      inPlace(channel).push(made);
      if (made.ephemeralFor === undefined) event({ ...shown(made), channel, channel_type: kindOf(channel), event_ts: made.ts });
      return made;
    },
    remove: (channel: string, ts: string) => {
      const at = inPlace(channel).findIndex((message) => message.ts === ts);
      if (at >= 0) inPlace(channel).splice(at, 1);
      return at >= 0;
    },
    /** A person, or another bot, says something. Answers its ts. */
    say: ({ user, channel, text, thread, bot, files, silently = false }: Said): string => {
      const parent = thread === undefined ? undefined : find(channel, thread);
      const made: SimMessage = {
        ts: nextTs(),
        ...(bot === undefined ? { user } : { bot_id: bot }),
        text,
        ...(thread !== undefined && { thread_ts: thread, ...(parent?.user && { parent_user_id: parent.user }) }),
        ...(files && { files }),
        edits: 0,
        reactions: new Set(),
      };
      inPlace(channel).push(made);
      if (silently) return made.ts;
      const body = {
        ...shown(made),
        channel,
        channel_type: kindOf(channel),
        event_ts: made.ts,
        ...(bot !== undefined && { subtype: 'bot_message' }),
        ...(files && { subtype: 'file_share' }),
      };
      event(body);
      if (text.includes(`<@${BOT_USER}>`) && kindOf(channel) === 'channel') event({ ...body, type: 'app_mention', channel_type: undefined });
      return made.ts;
    },
    edit: (channel: string, ts: string, text: string): void => {
      const message = find(channel, ts);
      if (!message) return;
      const before = shown({ ...message });
      message.text = text;
      message.edits += 1;
      event({
        type: 'message',
        subtype: 'message_changed',
        channel,
        channel_type: kindOf(channel),
        message: shown(message),
        previous_message: before,
        event_ts: nextTs(),
      });
    },
    react: (channel: string, ts: string, user: string, reaction: string): void => {
      const owner = find(channel, ts)?.user;
      event({ type: 'reaction_added', user, reaction, item: { type: 'message', channel, ts }, item_user: owner, event_ts: nextTs() });
    },
    slash: (channel: string, user: string, text: string, command = '/clawd'): void => {
      n += 1;
      emit({
        type: 'slash_commands',
        payload: {
          command,
          text,
          user_id: user,
          user_name: user.toLowerCase(),
          channel_id: channel,
          team_id: TEAM,
          trigger_id: `trigger.${n}.${lastMicros}`,
          response_url: '',
        },
      });
    },
    press: (channel: string, ts: string, user: string, actionId: string): void => {
      const blocks = find(channel, ts)?.blocks as readonly { elements?: readonly { action_id: string; value: string }[] }[] | undefined; // as the app has sent them
      const button = blocks?.flatMap(({ elements = [] }) => elements).find(({ action_id }) => action_id === actionId);
      n += 1;
      emit({
        type: 'interactive',
        payload: {
          type: 'block_actions',
          user: { id: user, username: user.toLowerCase() },
          team: { id: TEAM },
          channel: { id: channel },
          message: { ts },
          trigger_id: `trigger.${n}`,
          actions: button ? [button] : [],
        },
      });
    },
  };
}
