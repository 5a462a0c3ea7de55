// A message channel as the gateway sees it: what comes in, where answers go, what waits to be sent.

import type { z } from 'zod';
import type { ChannelAccountSchema, SlackAccountSchema } from './channels-schema.ts';
import type { Config } from './config.ts';

export type SlackAccount = z.infer<typeof SlackAccountSchema>;
/** What every channel's accounts have in common. */
export type ChannelAccount = z.infer<typeof ChannelAccountSchema>;

export const DEFAULT_ACCOUNT = 'default';

/** Where a message goes: the conversation by its provider's id, and the thread in it. */
export interface Address {
  readonly channel: string;
  readonly account: string;
  readonly place: string;
  readonly thread: string | null;
  /** The only person who sees it. */
  readonly onlyFor?: string;
}

export type PeerKind = 'dm' | 'group' | 'channel';

export interface Sender {
  readonly id: string;
  readonly name: string | null;
  readonly isBot: boolean;
}

/** A file that came with a message: the agent gets the reference, never the bytes unasked. */
export interface FileRef {
  readonly id: string;
  readonly name: string;
  readonly mimeType: string;
  readonly bytes: number;
  readonly url: string;
}

/** What comes in, in the common form of all channels. */
interface Incoming {
  readonly channel: string;
  readonly account: string;
  readonly team: string | null;
  /** The same for every delivery of the same event. */
  readonly eventId: string;
  /** Who it is with: for direct messages the other person, else the conversation. */
  readonly peer: { readonly kind: PeerKind; readonly id: string };
  /** The conversation by its provider's id. */
  readonly place: string;
  readonly thread: string | null;
  readonly sender: Sender;
}

export interface IncomingMessage extends Incoming {
  readonly kind: 'message';
  readonly messageId: string;
  /** Markdown. */
  readonly text: string;
  readonly files: readonly FileRef[];
  /** Whether it names the agent, or answers it in its own thread. */
  readonly mentioned: boolean;
  /** Sent with the channel's slash command. */
  readonly isSlash: boolean;
}

export interface IncomingChange extends Incoming {
  readonly kind: 'edited' | 'deleted';
  readonly messageId: string;
  readonly text: string;
}

export interface IncomingReaction extends Incoming {
  readonly kind: 'reaction';
  readonly messageId: string;
  readonly emoji: string;
  readonly added: boolean;
  /** Whether the message it is on is the agent's own. */
  readonly onOwn: boolean;
}

/** A button of a question was pressed. */
export interface IncomingDecision extends Incoming {
  readonly kind: 'decision';
  readonly approvalId: string;
  readonly decision: 'allow-once' | 'allow-always' | 'deny';
}

export type ChannelEvent = IncomingMessage | IncomingChange | IncomingReaction | IncomingDecision;

/** What waits in the outbox. */
export type Outgoing =
  /** Markdown, cut into parts when it is sent. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'question'; readonly text: string; readonly approvalId: string; readonly choices: readonly string[] }
  | { readonly kind: 'reaction'; readonly messageId: string; readonly emoji: string; readonly add: boolean }
  | { readonly kind: 'edit'; readonly messageId: string; readonly text: string }
  | { readonly kind: 'delete'; readonly messageId: string };

/** `live`: begun while its run still writes; the end of the run makes it `queued`. */
export type OutboxState = 'live' | 'queued' | 'sent' | 'failed' | 'dropped';

/** One message of an entry of the outbox. */
export interface Part {
  /** When sending it began first, epoch ms: from then on its fate may be unknown. */
  readonly begunAt: number;
  /** The provider's id, once it is known to be there. */
  readonly id: string | null;
}

/** How the state of a connection is shown. */
export interface ConnectionState {
  readonly state: 'starting' | 'connected' | 'reconnecting' | 'refused' | 'stopped';
  /** Why, and what to do. */
  readonly problem: string | null;
  readonly sinceMs: number;
  /** The last answer or event of the provider, epoch ms. */
  readonly lastSeenAt: number | null;
  readonly sockets: number;
  /** The agent's own id and name there. */
  readonly self: { readonly id: string; readonly name: string; readonly team: string | null } | null;
}

/** The accounts of a channel as the configuration has them, with what an account leaves out filled in. */
export function accountsOf(config: Config, channel: string): ReadonlyMap<string, ChannelAccount> {
  const section = channel === 'slack' ? config.channels.slack : undefined;
  if (!section) return new Map();
  const { accounts, ...base } = section;
  const merged = Object.entries(accounts).map(
    ([id, own]) => [id, { ...base, ...own, dm: { ...base.dm, ...(own['dm'] as object | undefined) } } as ChannelAccount] as const,
  );
  // Where every account has tokens of its own the section itself is none.
  const isAccount = merged.length === 0 || base.botToken !== undefined;
  return new Map([...(isAccount ? [[DEFAULT_ACCOUNT, base as ChannelAccount] as const] : []), ...merged]); // the schema of the section is that of its accounts
}

/** Where questions, digests and alerts go: the owner's own conversation, if one is named. */
export function homeOf(config: Config): Address | undefined {
  for (const [account, { enabled, home, owner }] of accountsOf(config, 'slack')) {
    const place = home ?? owner;
    if (enabled && place !== undefined) return { channel: 'slack', account, place, thread: null };
  }
  return undefined;
}
