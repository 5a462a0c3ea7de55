// A message channel as the gateway asks for it. One folder and one line in adapters/channels/catalog.ts each.

import type { Address, ChannelAccount, ChannelEvent, ConnectionState, Outgoing } from '../domain/channel.ts';
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';

/**
 * Why something could not be sent. `unknown`: it may have arrived, look before it is sent again. `later`: it did not arrive, try again.
 * `account`: nothing can be sent with these credentials. `target`: this message can never be sent there.
 */
export class SendProblem extends Error {
  readonly kind: 'unknown' | 'later' | 'account' | 'target';
  readonly retryAfterMs: number | undefined;
  constructor(kind: SendProblem['kind'], message: string, retryAfterMs?: number) {
    super(message);
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A text or a question: what is sent as a message of its own. */
export type Sendable = Extract<Outgoing, { kind: 'text' | 'question' }>;

export interface Connection {
  /** Texts may have this many characters. */
  readonly limit: () => number;
  /** Sends one message that can be found again by its mark. Answers the provider's id. @throws SendProblem */
  readonly send: (to: Address, message: Sendable, mark: string) => Promise<string>;
  /** Puts another text in the place of a message. Done twice it is the same. @throws SendProblem */
  readonly edit: (to: Address, id: string, message: Sendable) => Promise<void>;
  /** @throws SendProblem */
  readonly remove: (to: Address, id: string) => Promise<void>;
  /** @throws SendProblem */
  readonly react: (to: Address, id: string, emoji: string, add: boolean) => Promise<void>;
  /** The id of a message that was sent with this mark at about this time, if it has arrived. @throws SendProblem */
  readonly find: (to: Address, mark: string, sinceMs: number) => Promise<string | undefined>;
  /** Messages of a conversation since an instant, as events, oldest first: what came while nobody listened. @throws SendProblem */
  readonly missed: (place: string, thread: string | null, sinceMs: number) => Promise<readonly ChannelEvent[]>;
  readonly state: () => ConnectionState;
  /** Bounded: what does not end is abandoned. */
  readonly stop: () => Promise<void>;
}

export interface ChannelWorld {
  readonly account: string;
  readonly settings: ChannelAccount;
  /** Values of the environment that stand for credentials which the settings leave out. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the event is durable: only then may the provider hear that it arrived. */
  readonly onEvent: (event: ChannelEvent) => Promise<void>;
  /** The state is another one; `back` after a time in which events may have been missed: since an instant (epoch ms), or since the last stop. */
  readonly onState: (back?: { readonly since: number | null }) => void;
}

export interface Channel {
  readonly id: string;
  readonly label: string;
  readonly about: string;
  /** Credentials in the configuration, for clients that ask whether an account is configured. */
  readonly isConfigured: (settings: ChannelAccount, variables: ChannelWorld['variables']) => boolean;
  readonly connect: (world: ChannelWorld) => Connection;
  /** Whether an id can be a conversation or a person of the channel. */
  readonly isTarget: (id: string) => boolean;
}
