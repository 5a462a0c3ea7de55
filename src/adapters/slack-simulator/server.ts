// A Slack to try the gateway with: the methods over HTTP, Socket Mode over WebSocket, and the troubles that the real one has.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import { BOT_USER, createWorkspace, directOf, type Envelope, type Said, TEAM } from './workspace.ts';

/** What goes wrong, set from outside while it runs. */
export interface Faults {
  /** Every event is sent this often. */
  copies: number;
  /** Part of the calls that are carried out and never answered. */
  dropResponses: number;
  /** Part of the calls that are refused with 429. */
  limited: number;
  retryAfterSeconds: number;
  /** Every socket is told to go after this long; 0: never. */
  disconnectEveryMs: number;
  /** Nothing is answered, all sockets are cut. */
  offline: boolean;
  /** The `error` of every answer, as `token_revoked`. */
  refuse: string;
  /** What the app may not call. */
  withoutScope: string[];
}

interface SimulatorOptions {
  readonly port: number;
  readonly clock: Clock;
  /** The same trouble in every run. */
  readonly chance: () => number;
  /** Told of everything that the app says. */
  readonly onSaid?: (channel: string, text: string, isEdit: boolean) => void;
}

const RETRY_MS = 1000;
const RETRIES = 3;
const MAX_BODY = 1_000_000;

type Fields = Readonly<Record<string, string>>;
type Answer = Readonly<Record<string, unknown>>;

export async function startSlackSimulator({ port, clock, chance, onSaid = () => undefined }: SimulatorOptions) {
  const faults: Faults = { copies: 1, dropResponses: 0, limited: 0, retryAfterSeconds: 1, disconnectEveryMs: 0, offline: false, refuse: '', withoutScope: [] };
  const sockets: WebSocket[] = [];
  const open = new Map<string, { envelope: Envelope; tries: number; timer: NodeJS.Timeout }>();
  const counts = { events: 0, acknowledged: 0, lost: 0, calls: {} as Record<string, number> };
  let turn = 0;
  let id = 0;

  const transmit = (envelopeId: string, { type, payload }: Envelope, retry: number): void => {
    for (let copy = 0; copy < faults.copies; copy++) {
      turn += 1;
      const socket = sockets[turn % Math.max(1, sockets.length)];
      socket?.send(
        JSON.stringify({
          envelope_id: envelopeId,
          type,
          payload,
          accepts_response_payload: type === 'slash_commands',
          ...(retry > 0 && { retry_attempt: retry, retry_reason: 'timeout' }),
        }),
      );
    }
  };
  const attempt = (envelopeId: string, envelope: Envelope, tries: number): void => {
    transmit(envelopeId, envelope, tries);
    const timer = setTimeout(
      () => {
        open.delete(envelopeId);
        if (tries < RETRIES) attempt(envelopeId, envelope, tries + 1);
        else counts.lost += 1;
      },
      RETRY_MS * 2 ** tries,
    );
    open.set(envelopeId, { envelope, tries, timer });
  };
  const workspace = createWorkspace(clock, (envelope) => {
    counts.events += 1;
    id += 1;
    attempt(`env-${id}`, envelope, 0);
  });

  const methods: Readonly<Record<string, (fields: Fields) => Answer>> = {
    'auth.test': () => ({ url: 'https://simulator.slack.com/', team: 'Simulator', user: 'clawdbot', team_id: TEAM, user_id: BOT_USER, bot_id: 'B0CLAWDBOT' }),
    'apps.connections.open': () => ({ url: `ws://127.0.0.1:${address.port}/link/?ticket=${++id}` }),
    'users.info': ({ user = '' }) => ({
      user: { id: user, name: user.toLowerCase(), real_name: `Person ${user}`, profile: { display_name: `Person ${user}` } },
    }),
    'conversations.open': ({ users = '' }) => ({ channel: { id: directOf(users) } }),
    'chat.postMessage': ({ channel = '', text = '', thread_ts, metadata, blocks }) => {
      if (/^[UW]/.test(channel)) return { error: 'channel_not_found' };
      const made = workspace.post(channel, {
        text,
        ...(thread_ts !== undefined && { thread_ts }),
        ...(metadata !== undefined && { metadata: JSON.parse(metadata) as unknown }),
        ...(blocks !== undefined && { blocks: JSON.parse(blocks) as unknown }),
      });
      onSaid(channel, text, false);
      return { channel, ts: made.ts, message: workspace.shown(made) };
    },
    'chat.postEphemeral': ({ channel = '', text = '', user = '' }) => {
      onSaid(channel, text, false);
      return { message_ts: workspace.post(channel, { text, ephemeralFor: user }).ts };
    },
    'chat.update': ({ channel = '', ts = '', text = '', blocks }) => {
      const message = workspace.find(channel, ts);
      if (!message) return { error: 'message_not_found' };
      if (message.text !== text) onSaid(channel, text, true);
      message.text = text;
      message.edits += 1;
      message.blocks = blocks === undefined ? message.blocks : JSON.parse(blocks);
      return { channel, ts, text };
    },
    'chat.delete': ({ channel = '', ts = '' }) => (workspace.remove(channel, ts) ? { channel, ts } : { error: 'message_not_found' }),
    'reactions.add': ({ channel = '', timestamp = '', name = '' }) => {
      const message = workspace.find(channel, timestamp);
      if (!message) return { error: 'message_not_found' };
      if (message.reactions.has(name)) return { error: 'already_reacted' };
      message.reactions.add(name);
      return {};
    },
    'reactions.remove': ({ channel = '', timestamp = '', name = '' }) =>
      workspace.find(channel, timestamp)?.reactions.delete(name) ? {} : { error: 'no_reaction' },
    'conversations.history': (fields) => page(workspace.history(fields['channel'] ?? '').toReversed(), fields),
    'conversations.replies': (fields) => page(workspace.history(fields['channel'] ?? '', fields['ts']), fields),
  };

  const page = (messages: ReturnType<typeof workspace.history>, { oldest = '0', limit = '100', cursor = '0' }: Fields): Answer => {
    const since = messages.filter(({ ts }) => Number(ts) > Number(oldest));
    const end = Number(cursor) + Number(limit);
    return {
      messages: since.slice(Number(cursor), end).map(workspace.shown),
      has_more: end < since.length,
      response_metadata: { next_cursor: end < since.length ? String(end) : '' },
    };
  };

  const answer = (response: ServerResponse, status: number, body: Answer, headers: Readonly<Record<string, string>> = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };

  const onCall = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://simulator');
    const body = await readBody(request);
    if (pathname.startsWith('/control/'))
      return answer(response, 200, control(pathname.slice('/control/'.length), body === '' ? {} : (JSON.parse(body) as Record<string, unknown>))); // of whoever drives the simulator
    if (faults.offline) return void request.socket.destroy();
    const name = pathname.replace(/^\/api\//, '');
    counts.calls[name] = (counts.calls[name] ?? 0) + 1;
    const method = methods[name];
    const token = /^Bearer (xoxb-|xapp-)\S+/.exec(request.headers.authorization ?? '')?.[1];
    if (!method) return answer(response, 200, { ok: false, error: 'unknown_method' });
    if (token === undefined) return answer(response, 200, { ok: false, error: 'not_authed' });
    if (faults.refuse !== '') return answer(response, 200, { ok: false, error: faults.refuse });
    if ((token === 'xapp-') !== (name === 'apps.connections.open')) return answer(response, 200, { ok: false, error: 'not_allowed_token_type' });
    if (faults.withoutScope.includes(name)) return answer(response, 200, { ok: false, error: 'missing_scope', needed: `${name}:write`, provided: 'none' });
    if (name !== 'apps.connections.open' && chance() < faults.limited)
      return answer(response, 429, { ok: false, error: 'ratelimited' }, { 'retry-after': String(faults.retryAfterSeconds) });
    const result = method(Object.fromEntries(new URLSearchParams(body)));
    if (chance() < faults.dropResponses) return void request.socket.destroy();
    return answer(response, 200, { ok: result['error'] === undefined, ...result });
  };

  const control = (name: string, input: Readonly<Record<string, unknown>>): Answer => {
    if (name === 'say') return { ts: workspace.say(input as unknown as Said) };
    if (name === 'faults') return { ...Object.assign(faults, input) };
    if (name === 'messages') return { messages: workspace.all(String(input['channel'])).map(workspace.shown) };
    return { ...counts };
  };

  const server = createServer((request, response) => {
    onCall(request, response).catch((error: unknown) => answer(response, 400, { ok: false, error: messageOf(error) }));
  });
  const links = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (faults.offline || faults.refuse !== '') return void socket.destroy();
    links.handleUpgrade(request, socket, head, (link) => {
      sockets.push(link);
      link.send(JSON.stringify({ type: 'hello', num_connections: sockets.length, connection_info: { app_id: 'A0SIMULATOR' } }));
      const leave =
        faults.disconnectEveryMs > 0
          ? setTimeout(() => link.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' })), faults.disconnectEveryMs * (0.5 + chance() / 2))
          : undefined;
      link.on('message', (data) => {
        const { envelope_id: envelopeId = '' } = JSON.parse(String(data)) as { envelope_id?: string }; // what a client of Socket Mode sends
        const waiting = open.get(envelopeId);
        if (!waiting) return;
        clearTimeout(waiting.timer);
        open.delete(envelopeId);
        counts.acknowledged += 1;
      });
      link.on('close', () => {
        clearTimeout(leave);
        sockets.splice(sockets.indexOf(link), 1);
      });
      link.on('error', () => undefined);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo; // it listens on TCP

  return {
    url: `http://127.0.0.1:${address.port}/api/`,
    ...workspace,
    faults,
    counts,
    sockets: () => sockets.length,
    /** Envelopes that wait for an acknowledgement. */
    open: () => open.size,
    /** Cuts the sockets without a word. */
    cut: () => {
      for (const socket of [...sockets]) socket.terminate();
    },
    close: async () => {
      for (const { timer } of open.values()) clearTimeout(timer);
      for (const socket of [...sockets]) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_BODY) throw new Error('too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
