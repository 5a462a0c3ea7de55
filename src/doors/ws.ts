// The WebSocket door of a workspace: protocol 3 frames in, answers and events out, slow clients bounded.

import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { authorize, type Principal, type Scope } from '../domain/authorize.ts';
import { RequestFrame } from '../domain/frame.ts';
import { MAX_BUFFERED_BYTES, MAX_FRAME_BYTES, PROTOCOL, TICK_INTERVAL_MS } from '../domain/protocol.ts';
import type { Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/fault.ts';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import type { LaterReply } from '../ports/method.ts';
import { markKnown } from './admission.ts';
import { type HandshakeWorld, shakeHands, type Welcomed } from './protocol3/connect.ts';
import { closeReason, describeIssues } from './protocol3/error-text.ts';
import type { Presence } from './protocol3/presence.ts';
import { type Rpc, type RpcResult, toWireError } from './rpc.ts';

interface Client {
  readonly connId: string;
  readonly socket: WebSocket;
  readonly principal: Principal;
  /** Number of the last event this client was meant to get. A client that missed one sees the gap. */
  seq: number;
}

export interface BroadcastOptions {
  /** A client that cannot keep up may miss it. */
  readonly dropIfSlow: boolean;
  /** Only for those who may do this; for every operator by default. */
  readonly scope?: Scope;
  readonly stateVersion?: unknown;
}

/** Somebody who has been challenged. */
export interface Arrival {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly connId: string;
  readonly nonce: string;
  readonly local: boolean;
  /** It was let in or turned away. */
  readonly onDecided: () => void;
}

interface WsDoorOptions {
  readonly rpc: Rpc;
  readonly handshake: HandshakeWorld;
  readonly presence: Presence;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The parts of hello-ok that only the gateway knows: server, snapshot without presence, as JSON texts. */
  readonly helloParts: () => Promise<{
    readonly server: Readonly<Record<string, unknown>>;
    readonly health: string;
    readonly snapshot: Readonly<Record<string, unknown>>;
  }>;
}

const EVENTS = [
  'connect.challenge',
  'agent',
  'chat',
  'presence',
  'tick',
  'talk.mode',
  'shutdown',
  'health',
  'heartbeat',
  'cron',
  'node.pair.requested',
  'node.pair.resolved',
  'node.invoke.request',
  'device.pair.requested',
  'device.pair.resolved',
  'voicewake.changed',
  'exec.approval.requested',
  'exec.approval.resolved',
];
const PRESENCE_EVERY_MS = 250;

export type WsDoor = ReturnType<typeof createWsDoor>;

export function createWsDoor({ rpc, handshake, presence, clock, log, metrics, helloParts }: WsDoorOptions) {
  const clients = new Set<Client>();
  let presenceTimer: NodeJS.Timeout | undefined;
  let healthRevision = 1;

  /** Sends to the operators it is for; a client that cannot keep up misses what may be missed and is closed for the rest. */
  const broadcast = (event: string, payload: unknown, { dropIfSlow, scope = 'operator.any', stateVersion }: BroadcastOptions) => {
    if (clients.size === 0) return;
    const text = JSON.stringify({ type: 'event', event, payload, ...(stateVersion !== undefined && { stateVersion }) }).slice(0, -1);
    for (const client of clients) {
      if (authorize(client.principal, scope).kind === 'denied') continue;
      client.seq += 1;
      if (client.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
        if (!dropIfSlow) client.socket.close(1008, 'slow consumer');
        continue;
      }
      client.socket.send(`${text},"seq":${client.seq}}`);
    }
  };

  const stateVersion = () => ({ presence: presence.revision(), health: healthRevision });
  /** Who is here, and how the gateway is: told together, some time after somebody came or went. */
  const announce = () => {
    presenceTimer ??= setTimeout(() => {
      presenceTimer = undefined;
      broadcast('presence', { presence: presence.list() }, { dropIfSlow: true, stateVersion: stateVersion() });
      helloParts().then(
        ({ health }) => {
          healthRevision += 1;
          broadcast('health', JSON.parse(health), { dropIfSlow: true, stateVersion: stateVersion() });
        },
        (error: unknown) => log.warn({ error: messageOf(error) }, 'the health of the gateway could not be told'),
      );
    }, PRESENCE_EVERY_MS);
  };
  const ticks = setInterval(() => broadcast('tick', { ts: clock.now() }, { dropIfSlow: true }), TICK_INTERVAL_MS);

  /** Shakes hands with somebody whose first frame has come. Answers what takes the later ones, unless it was turned away. */
  const admit = async ({ socket, request, connId, nonce, local, onDecided }: Arrival, text: string): Promise<((text: string) => void) | undefined> => {
    const decision = await shakeHands(handshake, text, { address: request.socket.remoteAddress, local, nonce });
    onDecided();
    if (decision.kind === 'refused') {
      if (decision.reply) socket.send(JSON.stringify({ type: 'res', id: decision.reply.id, ok: false, error: decision.reply.error }));
      log.info({ conn: connId, code: decision.code, reason: decision.reason }, 'a connection was refused');
      socket.close(decision.code, closeReason(decision.reason));
      return undefined;
    }
    if (socket.readyState !== socket.OPEN) return undefined;
    markKnown(request.socket);
    presence.join(connId, decision.params, decision.principal);
    const hello = await helloOk(decision, connId);
    if (socket.readyState !== socket.OPEN) {
      presence.leave(connId);
      return undefined;
    }
    socket.send(hello);
    const client: Client = { connId, socket, principal: decision.principal, seq: 0 };
    const leave = () => {
      clients.delete(client);
      metrics.clients.set(clients.size);
      presence.leave(connId);
      announce();
    };
    clients.add(client);
    socket.once('close', leave);
    metrics.clients.set(clients.size);
    announce();
    return (later) => void serve(client, later);
  };

  const helloOk = async ({ id, auth }: Welcomed, connId: string): Promise<string> => {
    const { server: about, health, snapshot } = await helloParts();
    const rest = JSON.stringify({
      type: 'hello-ok',
      protocol: PROTOCOL,
      server: { ...about, connId },
      features: { methods: rpc.methodNames, events: EVENTS },
      ...(auth && { auth }),
      policy: { maxPayload: MAX_FRAME_BYTES, maxBufferedBytes: MAX_BUFFERED_BYTES, tickIntervalMs: TICK_INTERVAL_MS },
    });
    const shot = JSON.stringify({ presence: presence.list(), stateVersion: stateVersion(), ...snapshot });
    return `{"type":"res","id":${JSON.stringify(id)},"ok":true,"payload":${rest.slice(0, -1)},"snapshot":${shot.slice(0, -1)},"health":${health}}}}`;
  };

  const serve = async ({ connId, socket, principal }: Client, text: string) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      log.debug({}, 'a frame was not JSON');
      return;
    }
    const frame = RequestFrame.safeParse(value);
    if (!frame.success) {
      const id = (value as { id?: unknown } | null)?.id; // whatever JSON held
      const message = `invalid request frame: ${describeIssues(frame.error, value)}`;
      return socket.send(
        JSON.stringify({ type: 'res', id: typeof id === 'string' && id !== '' ? id : 'invalid', ok: false, error: { code: 'INVALID_REQUEST', message } }),
      );
    }
    const { id, method, params } = frame.data;
    if (method === 'connect') {
      return socket.send(
        JSON.stringify({ type: 'res', id, ok: false, error: { code: 'INVALID_REQUEST', message: 'connect is only valid as the first request' } }),
      );
    }
    let later: Promise<LaterReply> | undefined;
    const result = await rpc.call(method, params, {
      principal,
      requestId: `${connId}/${id}`,
      replyLater: (promise) => {
        later = promise;
      },
    });
    socket.send(resultFrame(id, result));
    if (!later) return;
    try {
      socket.send(laterFrame(id, await later));
    } catch (error) {
      socket.send(JSON.stringify({ type: 'res', id, ok: false, error: toWireError(error).error }));
    }
  };

  return {
    admit,
    broadcast,
    announce,
    /** Closes the connections of those it applies to: what they entered by is void. */
    expel: (applies: (principal: Principal) => boolean, reason: string) => {
      for (const { socket, principal } of clients) if (applies(principal)) socket.close(1008, reason);
    },
    /** Says why, then closes everybody. */
    close: (reason: string) => {
      clearInterval(ticks);
      clearTimeout(presenceTimer);
      broadcast('shutdown', { reason }, { dropIfSlow: false });
      for (const { socket } of clients) socket.close(1012, 'service restart');
    },
  };
}

function resultFrame(id: string, result: RpcResult): string {
  return result.ok
    ? `{"type":"res","id":${JSON.stringify(id)},"ok":true,"payload":${result.payload}}`
    : JSON.stringify({ type: 'res', id, ok: false, error: result.error });
}

function laterFrame(id: string, reply: LaterReply): string {
  if (reply.ok) return JSON.stringify({ type: 'res', id, ok: true, payload: reply.payload });
  return JSON.stringify({ type: 'res', id, ok: false, payload: reply.payload, error: { code: 'UNAVAILABLE', message: reply.message } });
}
