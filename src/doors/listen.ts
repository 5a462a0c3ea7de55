// Opens the port: HTTP and WebSocket on the same sockets, on both loopback families.

import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { HANDSHAKE_TIMEOUT_MS } from '../domain/protocol.ts';
import { createAdmission, markKnown } from './admission.ts';
import { isTrustedOrigin } from './auth.ts';
import type { WsFront } from './ws-front.ts';

interface ListenOptions {
  readonly answer: (request: Request, env: unknown) => Response | Promise<Response>;
  /** Largest body of a path, in bytes. */
  readonly bodyLimit: (path: string) => number;
  readonly ws: WsFront;
  readonly hosts: readonly string[];
  /** 0 takes a free port. */
  readonly port: number;
  readonly allowedOrigins: () => readonly string[];
}

export interface Listening {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly close: () => void;
}

const HEADERS_TIMEOUT_MS = 5000;

/** @throws the system's error when the first host's port cannot be had; further hosts (::1) are optional */
export async function listen({ answer: reply, bodyLimit, ws, hosts, port, allowedOrigins }: ListenOptions): Promise<Listening> {
  const answer = getRequestListener(reply);
  const http = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 30_000, connectionsCheckingInterval: 1000, keepAliveTimeout: 60_000, maxHeaderSize: 16_384 },
    (request, response) => {
      const refusal = refusalOfBody(request, bodyLimit((request.url ?? '').split('?')[0] ?? ''));
      if (refusal)
        response
          .writeHead(refusal.status, { 'content-type': 'application/json', connection: 'close' })
          .end(JSON.stringify({ ok: false, error: { code: 'INVALID_REQUEST', message: refusal.message } }));
      else void answer(request, response);
    },
  );
  http.on('request', (request: IncomingMessage) => markKnown(request.socket));
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { origin, host } = request.headers;
    if (isTrustedOrigin(origin, host, allowedOrigins())) ws.upgrade(request, socket, head);
    else refuseUpgrade(socket, 403);
  });
  http.emit('listening'); // starts node's own check of slow requests: the sockets come from the admission below
  const servers: NetServer[] = [];
  let bound = port;
  for (const [i, host] of hosts.entries()) {
    try {
      bound = await bind(http, host, bound, servers);
    } catch (error) {
      if (i === 0) throw error;
    }
  }
  return {
    port: bound,
    hosts,
    close: () => {
      for (const server of servers) server.close();
      http.close();
      http.closeAllConnections();
    },
  };
}

function bind(http: Server, host: string, port: number, servers: NetServer[]): Promise<number> {
  const server = createAdmission({ http, maxUnknown: 64, maxUnknownPerAddress: 16, waitMs: 1000, firstRequestMs: HANDSHAKE_TIMEOUT_MS + 1000 });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 1024 }, () => {
      servers.push(server);
      resolve((server.address() as AddressInfo).port); // listening on TCP
    });
  });
}

/** Decided by the headers alone: not a byte of a body is read that is too large or does not say its length. */
function refusalOfBody({ headers }: IncomingMessage, maxBytes: number): { status: number; message: string } | undefined {
  if (headers['transfer-encoding'] !== undefined) return { status: 411, message: 'send the body with a content-length' };
  if (Number(headers['content-length'] ?? 0) > maxBytes) return { status: 413, message: `the body is larger than ${maxBytes} bytes` };
  return undefined;
}

function refuseUpgrade(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n\r\n`);
}
