// Connections and small calls, beside a bare ws server in the same run.

import { fork } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { WebSocket, WebSocketServer } from 'ws';
import { connectClient, TOKEN } from '../test/support/installation.ts';
import { newDevice, signDevice } from '../test/support/wire.ts';
import { percentile, type Row, table, timeEach, withInstallation } from './support.ts';

const SECONDS = 3;

export async function protocol(): Promise<void> {
  await withInstallation({}, async (installation) => {
    const gateway = await installation.start();
    const url = `ws://127.0.0.1:${gateway.port}`;
    const bare = await startBare();
    const hello = {
      type: 'req',
      id: 'c',
      method: 'connect',
      params: { minProtocol: 3, maxProtocol: 3, client: { id: 'test', version: '1', platform: 'x', mode: 'test' }, auth: { token: TOKEN } },
    };
    const enter = () =>
      new Promise<void>((resolve, reject) => {
        const socket = new WebSocket(url, { perMessageDeflate: false });
        socket.on('error', reject);
        socket.on('message', (data: Buffer) => {
          if (data.includes('hello-ok')) {
            socket.close();
            resolve();
          } else if (data.includes('"event":"connect.challenge"')) socket.send(JSON.stringify(hello));
        });
      });
    const device = newDevice();
    const enterSigned = () =>
      new Promise<void>((resolve, reject) => {
        const socket = new WebSocket(url, { perMessageDeflate: false });
        socket.on('error', reject);
        socket.on('message', (data: Buffer) => {
          if (data.includes('hello-ok')) {
            socket.close();
            resolve();
          } else if (data.includes('"event":"connect.challenge"')) {
            const { nonce } = (JSON.parse(data.toString()) as { payload: { nonce: string } }).payload;
            socket.send(JSON.stringify({ ...hello, params: { ...hello.params, ...signDevice(device, { nonce, token: TOKEN }) } }));
          }
        });
      });
    await timeEach(100, enter);
    const connects = await timeEach(500, enter);
    await timeEach(50, enterSigned);
    const signed = await timeEach(500, enterSigned);
    const client = await connectClient(gateway.port);
    await timeEach(2000, () => client.call('health'));
    const calls = await timeEach(5000, () => client.call('health'));
    client.close();
    table(
      'protocol',
      ['', 'p50 ms', 'p99 ms'],
      [
        ['connect + handshake, token', percentile(connects, 0.5), percentile(connects, 0.99)],
        ['connect + handshake, signed device', percentile(signed, 0.5), percentile(signed, 0.99)],
        ['health, one at a time', percentile(calls, 0.5), percentile(calls, 0.99)],
      ],
    );

    const rows: Row[] = [];
    const ours = await flood(url, JSON.stringify(hello), (id) => `{"type":"req","id":"${id}","method":"health"}`);
    const theirs = await flood(bare.url, undefined, (id) => `{"type":"req","id":"${id}","method":"health"}`);
    rows.push(['health', ours, ours / theirs], ['bare ws echo', theirs, 1]);
    table('50 connections, 4 calls in flight each', ['', 'calls/s', 'share of bare'], rows);
    bare.stop();
  });
}

/** Raw sockets that keep four calls in flight each: answers counted, not parsed. */
async function flood(url: string, hello: string | undefined, frame: (id: number) => string): Promise<number> {
  let answers = 0;
  let id = 0;
  let counting = true;
  const sockets = await Promise.all(
    Array.from(
      { length: 50 },
      () =>
        new Promise<WebSocket>((resolve) => {
          const socket = new WebSocket(url, { perMessageDeflate: false });
          const begin = () => {
            for (let i = 0; i < 4; i++) socket.send(frame(id++));
            resolve(socket);
          };
          let entered = hello === undefined;
          if (hello === undefined) socket.on('open', begin);
          socket.on('message', (data: Buffer) => {
            if (!entered && hello !== undefined) {
              if (data.includes('"hello-ok"')) {
                entered = true;
                begin();
              } else if (data.includes('"event":"connect.challenge"')) socket.send(hello);
              return;
            }
            if (data.includes('"type":"event"') || !counting) return;
            answers += 1;
            socket.send(frame(id++));
          });
        }),
    ),
  );
  answers = 0;
  const since = performance.now();
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const perSecond = answers / ((performance.now() - since) / 1000);
  counting = false;
  for (const socket of sockets) socket.terminate();
  return perSecond;
}

/** A server of its own process that only echoes. */
function startBare(): Promise<{ url: string; stop: () => void }> {
  const child = fork(fileURLToPath(import.meta.url), ['--bare'], { stdio: 'ignore' });
  return new Promise((resolve) => {
    child.once('message', (port) => resolve({ url: `ws://127.0.0.1:${String(port)}`, stop: () => child.kill() }));
  });
}

if (process.argv[2] === '--bare') {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(data.toString('utf8'))));
  server.on('listening', () => process.send?.((server.address() as AddressInfo).port)); // listening on TCP
}
