// The only way out of a sandbox without network: a proxy on a UNIX socket that lets named hosts through, with a credential, an address that is looked up once, and limits.

import { timingSafeEqual } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import { BlockList, connect, isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { newSecret } from '../../kit/id.ts';

interface EgressOptions {
  /** `host:port`, as they stand in an address. Nothing else is let through. */
  readonly allow: readonly string[];
  /** All that may come in, over all connections. */
  readonly maxBytes: number;
  readonly idleMs: number;
}

export interface Egress {
  readonly socket: string;
  readonly token: string;
  /** What was asked for and not let through. */
  readonly refused: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** Addresses of this machine and of networks around it: a name that leads there is no way in, unless the owner wrote the address himself. */
const INSIDE = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  INSIDE.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  INSIDE.addSubnet(net, bits, 'ipv6');

export async function openEgress({ allow, maxBytes, idleMs }: EgressOptions): Promise<Egress> {
  const folder = mkdtempSync(join(tmpdir(), 'egress-'));
  const socket = join(folder, 'proxy');
  const token = newSecret(16);
  const allowed = new Set(allow);
  const refused: string[] = [];
  const pinned = new Map<string, Promise<string>>();
  let received = 0;

  const addressOf = async (host: string): Promise<string> => {
    if (isIP(host) !== 0) return host; // allowed as it is written
    const { address, family } = await lookup(host);
    if (host !== 'localhost' && INSIDE.check(address, family === 6 ? 'ipv6' : 'ipv4')) throw new Error(`${host} leads to an address inside`);
    return address;
  };
  /** @throws Error where the way is closed */
  const open = async (host: string, port: number) => {
    const place = `${host}:${port}`;
    if (!allowed.has(place)) {
      refused.push(place);
      throw new Error(`${place} is not allowed`);
    }
    const address = pinned.get(host) ?? addressOf(host);
    pinned.set(host, address);
    return { host: await address, port };
  };
  const isKnown = ({ headers }: IncomingMessage) => {
    const given =
      Buffer.from((headers['proxy-authorization'] ?? '').replace(/^Basic /i, ''), 'base64')
        .toString()
        .split(':')[1] ?? '';
    return given.length === token.length && timingSafeEqual(Buffer.from(given), Buffer.from(token));
  };
  const count = (chunk: Buffer, stop: () => void) => {
    received += chunk.length;
    if (received > maxBytes) stop();
  };

  const plain = async (asked: IncomingMessage, response: ServerResponse) => {
    const url = new URL(asked.url ?? '');
    const place = await open(url.hostname, Number(url.port || 80));
    const { 'proxy-authorization': _credential, 'proxy-connection': _hop, ...headers } = asked.headers;
    const forward = sendRequest(
      { ...place, method: asked.method, path: url.pathname + url.search, headers: { ...headers, host: url.host }, timeout: idleMs },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('data', (chunk: Buffer) => count(chunk, () => response.destroy()));
        answer.pipe(response);
      },
    );
    forward.once('timeout', () => forward.destroy(new Error('nothing came')));
    forward.once('error', () => response.destroy());
    asked.pipe(forward);
  };
  const tunnel = async (asked: IncomingMessage, client: Duplex, head: Buffer) => {
    const { hostname, port } = new URL(`http://${asked.url}`);
    const server = connect(await open(hostname, Number(port || 80)));
    server.setTimeout(idleMs, () => server.destroy());
    server.once('connect', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server.write(head);
      server.pipe(client).pipe(server);
    });
    server.on('data', (chunk: Buffer) => count(chunk, () => server.destroy()));
    server.once('error', () => client.destroy());
    server.once('close', () => client.destroy());
    client.once('close', () => server.destroy());
  };

  const server = createServer((asked, response) => {
    const deny = (status: number, why: string) => response.writeHead(status, { 'content-type': 'text/plain' }).end(why);
    if (!isKnown(asked)) return void deny(407, 'no credential');
    plain(asked, response).catch((error: Error) => deny(403, error.message));
  });
  server.on('connect', (asked, client, head) => {
    client.on('error', () => client.destroy());
    if (!isKnown(asked)) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    tunnel(asked, client, head).catch((error: Error) => client.end(`HTTP/1.1 403 ${error.message.replace(/[^\x20-\x7e]/g, ' ')}\r\n\r\n`));
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(socket, done);
  });
  return {
    socket,
    token,
    refused: () => refused,
    close: () =>
      new Promise((done) => {
        server.close(() => {
          rmSync(folder, { recursive: true, force: true });
          done();
        });
        server.closeAllConnections();
      }),
  };
}

/** Runs in the sandbox: a port there that leads to the socket, and the command with that port as its proxy. */
const FORWARDER = `
const net = require('node:net');
const { spawn } = require('node:child_process');
const [socket, file, ...args] = process.argv.slice(1);
const { env: { EGRESS_TOKEN: token, ...env } } = process;
const server = net.createServer((client) => {
  const proxy = net.connect(socket);
  client.on('error', () => proxy.destroy());
  proxy.on('error', () => client.destroy());
  client.pipe(proxy).pipe(client);
});
server.listen(0, '127.0.0.1', () => {
  const url = 'http://run:' + token + '@127.0.0.1:' + server.address().port;
  const child = spawn(file, args, { stdio: 'inherit', env: { ...env, HTTP_PROXY: url, HTTPS_PROXY: url, http_proxy: url, https_proxy: url, NO_PROXY: '', no_proxy: '' } });
  child.on('error', (error) => { console.error(error.message); process.exit(127); });
  child.on('exit', (code) => process.exit(code === null ? 1 : code));
});
`;

/** The argv and environment of a command that goes out through the proxy. */
export function throughEgress({ socket, token }: Pick<Egress, 'socket' | 'token'>, argv: readonly string[]) {
  return { argv: ['node', '-e', FORWARDER, socket, ...argv], env: { EGRESS_TOKEN: token }, binds: [socket] };
}
