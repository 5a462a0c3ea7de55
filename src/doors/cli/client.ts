// The thin client of every verb: one WebSocket, the handshake, calls, events.

import { WebSocket } from 'ws';
import { PROTOCOL, type WireError } from '../../domain/protocol.ts';
import { newUuid } from '../../kit/id.ts';

export interface ClientOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly password?: string | undefined;
  readonly timeoutMs: number;
  readonly version: string;
  readonly onEvent?: (event: string, payload: unknown) => void;
}

export interface CallOptions {
  /** Wait for the second answer of a call that answers twice. */
  readonly expectFinal?: boolean;
  /** 0 waits for ever. */
  readonly timeoutMs?: number;
}

export interface GatewayClient {
  readonly hello: Readonly<Record<string, unknown>>;
  /** @throws CallError */
  readonly call: (method: string, params?: unknown, options?: CallOptions) => Promise<unknown>;
  /** Resolves when the connection has closed, with the reason. */
  readonly closed: Promise<string>;
  readonly close: () => void;
}

/** An answer that was an error, or no answer at all. */
export class CallError extends Error {
  readonly error: WireError | undefined;
  constructor(message: string, error?: WireError) {
    super(message);
    this.error = error;
  }
}

interface Pending {
  readonly expectFinal: boolean;
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly event?: string;
  readonly ok?: boolean;
  readonly payload?: unknown;
  readonly error?: WireError;
}

/** Connects and shakes hands. @throws CallError that says what to do when nobody answers */
export function connect({ url, token, password, timeoutMs, version, onEvent }: ClientOptions): Promise<GatewayClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: timeoutMs, maxPayload: 25 * 1024 * 1024 });
  const pending = new Map<string, Pending>();
  let onClosed: (reason: string) => void = () => undefined;
  const closed = new Promise<string>((resolve) => {
    onClosed = resolve;
  });

  const request = (method: string, params: unknown, { expectFinal = false, timeoutMs: limit = timeoutMs }: CallOptions = {}) =>
    new Promise<unknown>((resolve, reject) => {
      const id = newUuid();
      const timer =
        limit > 0
          ? setTimeout(() => {
              pending.delete(id);
              reject(new CallError(`gateway timeout after ${limit}ms`));
            }, limit)
          : undefined;
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          pending.delete(id);
          settle(value);
        };
      pending.set(id, { expectFinal, resolve: settled(resolve), reject: settled(reject) });
      socket.send(JSON.stringify({ type: 'req', id, method, ...(params !== undefined && { params }) }));
    });

  const onFrame = (frame: Frame, begin: () => void) => {
    if (frame.type === 'event') {
      if (frame.event === 'connect.challenge') begin();
      else onEvent?.(frame.event ?? '', frame.payload);
      return;
    }
    const waiting = pending.get(frame.id ?? '');
    if (!waiting) return;
    if (!frame.ok) return waiting.reject(new CallError(frame.error?.message ?? 'the call failed', frame.error));
    const accepted = (frame.payload as { status?: unknown } | undefined)?.status === 'accepted'; // any payload
    if (!(waiting.expectFinal && accepted)) waiting.resolve(frame.payload);
  };

  return new Promise((resolve, reject) => {
    const begin = () => {
      const params = {
        minProtocol: PROTOCOL,
        maxProtocol: PROTOCOL,
        client: { id: 'cli', version, platform: process.platform, mode: 'cli' },
        caps: [],
        role: 'operator',
        scopes: ['operator.admin', 'operator.approvals', 'operator.pairing'],
        auth: { ...(token !== undefined && { token }), ...(password !== undefined && { password }) },
      };
      request('connect', params).then((hello) => {
        resolve({ hello: hello as Record<string, unknown>, call: request, closed, close: () => socket.close() }); // hello-ok
      }, reject);
    };
    socket.on('message', (data: Buffer) => onFrame(JSON.parse(data.toString('utf8')) as Frame, begin)); // our own gateway's frames
    socket.on('error', (error) => {
      const refused = (error as { code?: string }).code === 'ECONNREFUSED'; // Node adds the code
      reject(new CallError(refused ? `no gateway answers at ${url}. Start one with: clawdbot gateway` : `cannot reach ${url}: ${error.message}`));
    });
    socket.on('close', (code, reason) => {
      const why = `gateway closed (${code}): ${reason.toString() || 'no reason given'}`;
      for (const { reject: fail } of [...pending.values()]) fail(new CallError(why));
      reject(new CallError(why));
      onClosed(why);
    });
  });
}
