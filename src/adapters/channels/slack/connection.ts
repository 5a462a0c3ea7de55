// The connection of one Slack account: two sockets, so that the end of one loses nothing, each replaced by a new one when it ends.

import type { WebClient } from '@slack/web-api';
import type { ChannelAccount, ConnectionState, SlackAccount } from '../../../domain/channel.ts';
import { messageOf } from '../../../kit/fault.ts';
import { jitter } from '../../../kit/id.ts';
import type { Channel, ChannelWorld, Connection } from '../../../ports/channel.ts';
import { readEnvelope, type Self } from './inbound.ts';
import { codeOf, createOutbound } from './outbound.ts';

const SOCKETS = 2;
const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 2000;
const CALL_TIMEOUT_MS = 15_000;
const LONGEST_PAUSE_MS = 10_000;
const REFUSED_PAUSE_MS = 60_000;
const AFTER_POLITE_END_MS = 100;
/** Errors of apps.connections.open and auth.test that no waiting heals. */
const REFUSALS =
  /^(invalid_auth|not_authed|account_inactive|token_revoked|token_expired|user_removed_from_team|team_disabled|missing_scope|not_allowed_token_type|no_permission)$/;

export const slack: Channel = {
  id: 'slack',
  label: 'Slack',
  about: 'Slack by Socket Mode: no public address is needed',
  isConfigured: (settings, variables) => tokensOf(settings, variables).missing === undefined,
  isTarget: (id) => /^[CGDUW][A-Z0-9]{5,}$/.test(id),
  connect,
};

function tokensOf(settings: ChannelAccount, variables: ChannelWorld['variables']) {
  const { botToken = variables['SLACK_BOT_TOKEN'], appToken = variables['SLACK_APP_TOKEN'], mode } = settings as SlackAccount; // the section of the channel
  const missing =
    mode === 'http'
      ? 'channels.slack.mode is http, which is not available: use socket'
      : !botToken
        ? NEEDS('botToken', 'SLACK_BOT_TOKEN')
        : !appToken
          ? NEEDS('appToken', 'SLACK_APP_TOKEN')
          : undefined;
  return { botToken: botToken ?? '', appToken: appToken ?? '', missing };
}

const NEEDS = (key: string, variable: string) => `channels.slack.${key} is missing: set it, or ${variable} in the environment of the gateway`;

interface Socket {
  readonly stop: () => Promise<void>;
}

function connect(world: ChannelWorld): Connection {
  const { account, settings, variables, clock, log, onEvent, onState } = world;
  const { botToken, appToken, missing } = tokensOf(settings, variables);
  const { apiUrl } = settings as SlackAccount; // the section of the channel
  const slackApiUrl = apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`;
  const stopping = new AbortController();
  const { signal } = stopping;
  const names = new Map<string, string>();
  const open = new Set<number>();
  const sockets = new Map<number, Socket>();
  /** Methods that the app may not call, and why. */
  const lacking = new Map<string, string>();
  let self: Self | undefined;
  let silentSince: number | null = null;
  let state: ConnectionState = {
    state: missing === undefined ? 'starting' : 'refused',
    problem: missing ?? null,
    sinceMs: clock.now(),
    lastSeenAt: null,
    sockets: 0,
    self: null,
  };

  const become = (changed: Partial<ConnectionState>, back?: { readonly since: number | null }) => {
    const isOther = (changed.state ?? state.state) !== state.state || (changed.problem ?? null) !== state.problem;
    state = { ...state, ...changed, sockets: open.size, self: self ?? null, ...(isOther && { sinceMs: clock.now() }) };
    if (isOther || back) onState(back);
  };

  const quiet = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    setLevel: () => undefined,
    setName: () => undefined,
  };
  const sdkLogger = { ...quiet, getLevel: () => 'error' as never }; // a level of the SDK's own type: what it would log is reported by the state
  const webOptions = { slackApiUrl, timeout: CALL_TIMEOUT_MS, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true, logger: sdkLogger };
  let web: Promise<WebClient> | undefined;
  const client = (): Promise<WebClient> => {
    web ??= import('@slack/web-api').then(({ default: sdk }) => new sdk.WebClient(botToken, webOptions));
    return web;
  };

  const nameOf = (userId: string): string | undefined => {
    const known = names.get(userId);
    if (known === undefined) {
      names.set(userId, ''); // asked once
      client()
        .then((api) => api.users.info({ user: userId }))
        .then(
          ({ user }) => names.set(userId, user?.profile?.display_name || user?.real_name || user?.name || ''),
          (error: unknown) => log.debug({ user: userId, error: messageOf(error) }, 'a name could not be looked up'),
        );
    }
    return known || undefined;
  };
  const outbound = createOutbound({
    client,
    clock,
    account,
    nameOf,
    self: () => self,
    onAnswer: (method, problem, isFatal) => {
      state = { ...state, lastSeenAt: clock.now() };
      if (problem === null) lacking.delete(method);
      else lacking.set(method, problem);
      const isBack = state.state === 'refused' && problem === null && open.size > 0;
      const [first = null] = lacking.values();
      if (problem !== null || isBack || (state.state === 'connected' && state.problem !== first))
        become({ problem: isBack ? null : first, ...(isFatal ? { state: 'refused' as const } : isBack && { state: 'connected' as const }) });
    },
  });

  const onEnvelope = async ({ ack, type, body }: { ack: (answer?: unknown) => Promise<void>; type: string; body: unknown }) => {
    state = { ...state, lastSeenAt: clock.now() };
    try {
      const event = self && readEnvelope(type, body, { account, self, nameOf });
      if (event) await onEvent(event);
    } catch (error) {
      return void log.warn({ error: messageOf(error) }, 'an event of Slack could not be taken; Slack will send it again');
    }
    await ack().catch((error: unknown) =>
      log.debug({ error: messageOf(error) }, 'an event could not be acknowledged; Slack sends it again, and it is known by then'),
    );
  };

  const opened = (i: number) => {
    open.add(i);
    const back = open.size === 1 ? { since: silentSince } : undefined;
    silentSince = null;
    const [problem = null] = lacking.values();
    become({ state: 'connected', problem }, back);
  };

  /** Opens a socket and answers when it has ended. @throws what kept it from opening */
  const runSocket = async (i: number): Promise<void> => {
    const { default: sdk } = await import('@slack/socket-mode'); // CommonJS: bundled, it has nothing but this
    const socket = new sdk.SocketModeClient({ appToken, autoReconnectEnabled: false, logger: sdkLogger, clientOptions: webOptions });
    const ended = new Promise<void>((resolve) => socket.once('disconnected', () => resolve()));
    socket.on('slack_event', (envelope) => void onEnvelope(envelope));
    const end = async () => void (await Promise.race([socket.disconnect().catch(() => undefined), clock.sleep(STOP_TIMEOUT_MS)]));
    sockets.set(i, { stop: end });
    try {
      const timeout = new AbortController();
      const tooLate = clock.sleep(START_TIMEOUT_MS, timeout.signal).then(() => {
        if (!timeout.signal.aborted) throw new Error('Slack did not answer in time');
      });
      socket.once('connected', () => opened(i)); // at once: the first events may come with the same packet
      await Promise.race([socket.start(), tooLate]).finally(() => timeout.abort());
      await ended;
    } finally {
      sockets.delete(i);
      if (open.delete(i) && open.size === 0) silentSince = clock.now();
      void end();
    }
  };

  const keepSocket = async (i: number): Promise<void> => {
    for (let failures = 0; !signal.aborted; ) {
      try {
        self ??= await whoAmI();
        await runSocket(i);
        failures = 0;
        if (signal.aborted) return;
        if (open.size === 0) become({ state: 'reconnecting' });
        await clock.sleep(AFTER_POLITE_END_MS + i * 50, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const code = codeOf(error);
        const isRefused = REFUSALS.test(code);
        const problem = isRefused
          ? `Slack refuses the tokens (${code}): make new ones at api.slack.com/apps and set channels.slack.botToken and appToken`
          : messageOf(error);
        if (open.size === 0) become({ state: isRefused ? 'refused' : 'reconnecting', problem });
        const pause = isRefused ? REFUSED_PAUSE_MS : Math.min(250 * 2 ** failures, LONGEST_PAUSE_MS) * (0.7 + 0.3 * jitter());
        await clock.sleep(pause, signal);
      }
    }
  };

  const whoAmI = async (): Promise<Self> => {
    const answer = await (await client()).auth.test();
    return { id: answer.user_id ?? '', botId: answer.bot_id ?? null, name: answer.user ?? '', team: answer.team_id ?? null };
  };

  const running = missing === undefined ? Promise.all(Array.from({ length: SOCKETS }, (_, i) => keepSocket(i))) : Promise.resolve();
  const { textChunkLimit } = settings;
  return {
    ...outbound,
    limit: () => textChunkLimit,
    state: () => ({ ...state, sockets: open.size }),
    stop: async () => {
      stopping.abort();
      await Promise.all([...sockets.values()].map(({ stop }) => stop()));
      await Promise.race([running, clock.sleep(STOP_TIMEOUT_MS)]);
      become({ state: 'stopped' });
    },
  };
}
