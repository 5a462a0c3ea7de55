// What is sent to Slack: one call at a time, its limits honoured by method, its errors as what they mean for the message.

import type { WebClient } from '@slack/web-api';
import type { Address, ChannelEvent } from '../../../domain/channel.ts';
import type { Clock } from '../../../kit/clock.ts';
import { errorCode, messageOf } from '../../../kit/fault.ts';
import { type Sendable, SendProblem } from '../../../ports/channel.ts';
import { ACTION_PREFIX, readMessage, type Self, type SlackMessage } from './inbound.ts';
import { toSlack } from './mrkdwn.ts';

const METADATA = 'clawdbot_outbox';
const PAGE = 200;
const PAGES = 5;
/** The credentials themselves are refused. */
const BAD_CREDENTIALS = new Set(
  'invalid_auth not_authed account_inactive token_revoked token_expired user_removed_from_team team_disabled not_allowed_token_type org_login_required enterprise_is_restricted'.split(
    ' ',
  ),
);
const LACKING = new Set(['missing_scope', 'no_permission', 'ekm_access_denied', 'access_denied']);
/** Slack does not know itself what became of the call. */
const UNCLEAR = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout', 'team_added_to_org', 'accesslimited']);
/** What was wanted is so already. */
const DONE_ALREADY = new Set(['already_reacted', 'no_reaction', 'message_not_found', 'cant_delete_message']);
/** No connection was ever made. */
const NEVER_LEFT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT', 'ENETUNREACH', 'EHOSTUNREACH']);

export interface OutboundWorld {
  readonly client: () => Promise<WebClient>;
  readonly clock: Clock;
  readonly account: string;
  readonly self: () => Self | undefined;
  readonly nameOf: (userId: string) => string | undefined;
  /** A call was answered, or refused for the credentials: `problem` says why. */
  readonly onAnswer: (method: string, problem: string | null, isFatal: boolean) => void;
}

export function createOutbound({ client, clock, account, self, nameOf, onAnswer }: OutboundWorld) {
  /** Methods that Slack has asked to leave alone, until when. */
  const closed = new Map<string, number>();
  const directs = new Map<string, string>();

  const call = async <T>(method: string, make: (web: WebClient) => Promise<T>): Promise<T | undefined> => {
    const until = closed.get(method) ?? 0;
    if (until > clock.now()) throw new SendProblem('later', `${method} is limited`, until - clock.now());
    try {
      const answer = await make(await client());
      onAnswer(method, null, false);
      return answer;
    } catch (error) {
      const problem = problemOf(error, method);
      if (problem === undefined) return undefined;
      if (problem.retryAfterMs !== undefined) closed.set(method, clock.now() + problem.retryAfterMs);
      if (problem.kind === 'account') onAnswer(method, problem.message, BAD_CREDENTIALS.has(codeOf(error)));
      throw problem;
    }
  };

  /** A person's direct messages have a conversation of their own. */
  const placeOf = async ({ place }: Address): Promise<string> => {
    if (!/^[UW]/.test(place)) return place;
    const known = directs.get(place);
    if (known !== undefined) return known;
    const id = (await call('conversations.open', (web) => web.conversations.open({ users: place })))?.channel?.id;
    if (id === undefined) throw new SendProblem('target', `${place} cannot be written to`);
    directs.set(place, id);
    return id;
  };

  const pages = async (to: Address, sinceMs: number): Promise<SlackMessage[]> => {
    const channel = await placeOf(to);
    const found: SlackMessage[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < PAGES; page++) {
      const asked = { channel, oldest: (sinceMs / 1000).toFixed(6), limit: PAGE, include_all_metadata: true, ...(cursor !== undefined && { cursor }) };
      const { thread } = to;
      const answer =
        thread === null
          ? await call('conversations.history', (web) => web.conversations.history(asked))
          : await call('conversations.replies', (web) => web.conversations.replies({ ...asked, ts: thread }));
      found.push(...((answer?.messages ?? []) as SlackMessage[])); // its own type has every field optional
      cursor = answer?.response_metadata?.next_cursor || undefined;
      if (cursor === undefined) break;
    }
    return found;
  };

  const send = async (to: Omit<Address, 'onlyFor'> & { readonly onlyFor?: string | undefined }, message: Sendable, mark: string): Promise<string> => {
    const channel = await placeOf(to);
    const thread = to.thread === null ? {} : { thread_ts: to.thread };
    const text = toSlack(message.text);
    if (to.onlyFor !== undefined) {
      const user = to.onlyFor;
      try {
        const shown = await call('chat.postEphemeral', (web) => web.chat.postEphemeral({ channel, user, text, ...thread }));
        return shown?.message_ts ?? mark;
      } catch (error) {
        // A slash command may come from where the app is no member: then it is answered in the direct messages of its sender.
        if (!(error instanceof SendProblem && error.kind === 'target')) throw error;
        return send({ ...to, place: user, thread: null, onlyFor: undefined }, message, mark);
      }
    }
    const metadata = { event_type: METADATA, event_payload: { mark } };
    const shared = { channel, text, metadata, unfurl_links: false, unfurl_media: false, ...thread };
    const answer = await call('chat.postMessage', (web) =>
      web.chat.postMessage(message.kind === 'question' ? { ...shared, blocks: questionBlocks(text, message) } : shared),
    );
    if (answer?.ts === undefined) throw new SendProblem('unknown', 'Slack answered without an id');
    return answer.ts;
  };

  return {
    send,
    edit: async (to: Address, id: string, message: Sendable): Promise<void> => {
      const channel = await placeOf(to);
      const text = toSlack(message.text);
      await call('chat.update', (web) => web.chat.update({ channel, ts: id, text, blocks: message.kind === 'question' ? questionBlocks(text, message) : [] }));
    },
    remove: async (to: Address, id: string): Promise<void> => {
      const channel = await placeOf(to);
      await call('chat.delete', (web) => web.chat.delete({ channel, ts: id }));
    },
    react: async (to: Address, id: string, emoji: string, add: boolean): Promise<void> => {
      const channel = await placeOf(to);
      const on = { channel, timestamp: id, name: emoji.replaceAll(':', '') };
      await call(add ? 'reactions.add' : 'reactions.remove', (web) => (add ? web.reactions.add(on) : web.reactions.remove(on)));
    },
    find: async (to: Address, mark: string, sinceMs: number): Promise<string | undefined> => {
      if (to.onlyFor !== undefined) return undefined; // such messages are in no history
      const marked = (await pages(to, sinceMs)).find(
        (message) => (message['metadata'] as { event_payload?: { mark?: unknown } } | undefined)?.event_payload?.mark === mark,
      ); // as sent above
      return marked?.ts;
    },
    missed: async (place: string, thread: string | null, sinceMs: number): Promise<readonly ChannelEvent[]> => {
      const me = self();
      if (!me) return [];
      const at = { channel: 'slack', account, place, thread };
      const channel = await placeOf(at);
      const messages = await pages(at, sinceMs);
      return messages
        .filter(({ ts }) => Number(ts) * 1000 > sinceMs)
        .sort((a, b) => Number(a.ts) - Number(b.ts))
        .flatMap(
          (message) =>
            readMessage(
              { ...message, text: message.text ?? '' },
              { eventId: `history:${channel}:${message.ts}`, team: me.team, channel },
              { account, self: me, nameOf },
            ) ?? [],
        );
    },
  };
}

const BUTTONS: Readonly<Record<string, { text: string; style?: 'primary' | 'danger' }>> = {
  'allow-once': { text: 'Approve', style: 'primary' },
  'allow-always': { text: 'Always' },
  deny: { text: 'Deny', style: 'danger' },
};

function questionBlocks(text: string, { approvalId, choices }: Extract<Sendable, { kind: 'question' }>) {
  const elements = choices.map((choice) => {
    const { text: label = choice, style } = BUTTONS[choice] ?? {};
    return {
      type: 'button' as const,
      text: { type: 'plain_text' as const, text: label },
      action_id: `${ACTION_PREFIX}${choice}`,
      value: approvalId,
      ...(style && { style }),
    };
  });
  return [
    { type: 'section' as const, text: { type: 'mrkdwn' as const, text: text.slice(0, 2900) } },
    { type: 'actions' as const, elements },
  ];
}

/** The `error` of an answer of Slack's, or an empty text. */
export function codeOf(error: unknown): string {
  const data = (error as { data?: { error?: unknown } } | null)?.data; // errors of the SDK carry the answer
  return typeof data?.error === 'string' ? data.error : '';
}

/** What a failure means for a message; undefined when what was wanted is so already. */
function problemOf(error: unknown, method: string): SendProblem | undefined {
  const { retryAfter, statusCode, original } = error as { retryAfter?: unknown; statusCode?: unknown; original?: unknown }; // the SDK's own errors
  if (typeof retryAfter === 'number') return new SendProblem('later', `${method} is limited by Slack`, retryAfter * 1000);
  if (typeof statusCode === 'number')
    return new SendProblem(statusCode >= 500 || statusCode === 408 ? 'unknown' : 'later', `Slack answered with status ${statusCode}`);
  const code = codeOf(error);
  if (code === '') {
    const cause = (original as { cause?: unknown } | undefined)?.cause ?? original;
    return new SendProblem(NEVER_LEFT.has(errorCode(cause)) ? 'later' : 'unknown', `Slack cannot be reached: ${messageOf(cause ?? error)}`);
  }
  if (DONE_ALREADY.has(code) && method !== 'chat.update') return undefined;
  if (BAD_CREDENTIALS.has(code)) return new SendProblem('account', `Slack refuses the token (${code})`);
  if (LACKING.has(code)) {
    const needed = (error as { data?: { needed?: unknown } }).data?.needed;
    return new SendProblem('account', `the Slack app may not call ${method} (${code}${typeof needed === 'string' ? `, it needs the scope ${needed}` : ''})`);
  }
  if (code === 'ratelimited' || code === 'rate_limited') return new SendProblem('later', `${method} is limited by Slack`, 1000);
  return new SendProblem(UNCLEAR.has(code) ? 'unknown' : 'target', `Slack refuses: ${code}`);
}
