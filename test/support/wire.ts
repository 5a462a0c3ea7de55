// A client of protocol 3 that says exactly what it is told to, and devices that sign.

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { WebSocket } from 'ws';
import { TOKEN } from './installation.ts';
import { type Cleanup, until } from './scratch.ts';

// biome-ignore lint/suspicious/noExplicitAny: frames of many shapes, looked into by tests
export type Frame = any;

export type RawClient = ReturnType<typeof raw>;

export function raw(t: Cleanup, port: number, headers: Readonly<Record<string, string>> = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers });
  const frames: Frame[] = [];
  let closed: { code: number; reason: string } | undefined;
  let lastId = 0;
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString())));
  socket.on('close', (code, reason) => {
    closed = { code, reason: reason.toString() };
  });
  socket.on('error', () => undefined);
  t.after(() => socket.terminate());
  const send = (frame: unknown) => socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  const answer = (id: string, count = 1): Promise<Frame> =>
    until(`answer ${id}`, () => {
      const found = frames.filter((frame) => frame.type === 'res' && frame.id === id);
      return found.length >= count && found[count - 1];
    });
  return {
    socket,
    frames,
    send,
    answer,
    challenge: (): Promise<Frame> => until('the challenge', () => frames.find((frame) => frame.event === 'connect.challenge')),
    closed: () => until('the close', () => closed),
    isClosed: () => closed !== undefined,
    event: (name: string, fits: (payload: Frame) => boolean = () => true): Promise<Frame> =>
      until(`event ${name}`, () => frames.find((frame) => frame.event === name && fits(frame.payload))?.payload),
    /** One request and its answer, whatever it is. */
    ask: (method: string, params?: unknown, count = 1): Promise<Frame> => {
      lastId += 1;
      const id = `q${lastId}`;
      send({ type: 'req', id, method, ...(params !== undefined && { params }) });
      return answer(id, count);
    },
  };
}

export const connectParams = (more: Readonly<Record<string, unknown>> = {}) => ({
  minProtocol: 3,
  maxProtocol: 3,
  client: { id: 'test', version: '1.0', platform: 'linux', mode: 'test' },
  auth: { token: TOKEN },
  ...more,
});
export const connectFrame = (more: Readonly<Record<string, unknown>> = {}) => ({ type: 'req', id: 'c', method: 'connect', params: connectParams(more) });

export async function enter(t: Cleanup, port: number, more: Readonly<Record<string, unknown>> = {}): Promise<RawClient> {
  const client = raw(t, port);
  await client.challenge();
  client.send(connectFrame(more));
  assert.equal((await client.answer('c')).ok, true);
  return client;
}

export interface Device {
  readonly id: string;
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function newDevice(): Device {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const rawKey = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { id: createHash('sha256').update(rawKey).digest('hex'), publicKey: rawKey.toString('base64url'), privateKey };
}

export function signDevice(
  { id, publicKey, privateKey }: Device,
  { nonce, token, scopes = ['operator.admin'], signedAt = Date.now() }: { nonce: string; token: string; scopes?: readonly string[]; signedAt?: number },
) {
  const payload = ['v2', id, 'test', 'test', 'operator', scopes.join(','), String(signedAt), token, nonce].join('|');
  return {
    device: { id, publicKey, signature: sign(null, Buffer.from(payload), privateKey).toString('base64url'), signedAt, nonce },
    role: 'operator',
    scopes,
    auth: { token },
  };
}
