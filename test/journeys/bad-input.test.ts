// Hostile and broken clients: a clear error or a close, memory bounded, nobody else disturbed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { it } from 'node:test';
import { WebSocket } from 'ws';
import { TOKEN } from '../support/installation.ts';
import { order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = { name: 'ok', rules: [{ text: 'heard {{user}}' }] };
const pssOf = (pid: number) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024;

it('frames that are too large, not text, or nonsense end their own connection and no other', async (t) => {
  const { client, gateway } = await startJourney(t, { scenario: SCENARIO });
  const closeCode = (data: string | Buffer, binary = false) =>
    new Promise<number>((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}`);
      socket.on('open', () => socket.send(data, { binary }));
      socket.on('close', resolve);
      socket.on('error', reject);
    });
  assert.equal(await closeCode('x'.repeat(524_289)), 1009);
  assert.equal(await closeCode('{"type":"req"'), 1000);
  assert.equal(await closeCode('[]'), 1008);
  assert.equal(await closeCode(Buffer.from([0xff, 0xfe, 0xfd]), true), 1000);
  assert.equal(textOf(await order(client, 'still here')), 'heard still here');
});

it('a text frame that is not UTF-8 is refused', async (t) => {
  const { client, gateway } = await startJourney(t, { scenario: SCENARIO });
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}`);
  await until('open', () => socket.readyState === socket.OPEN);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  (socket as unknown as { _socket: Socket })._socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])); // a masked text frame with a broken sequence
  assert.equal(await closed, 1007);
  assert.equal(textOf(await order(client, 'still here')), 'heard still here');
});

it('NUL, surrogates and prototype keys go through as data or are refused with a reason', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO });
  assert.equal(textOf(await order(client, 'a\u0000b')), 'heard a\u0000b');
  assert.match(textOf(await order(client, 'lone \ud800 half')), /heard lone/);
  await assert.rejects(client.call('sessions.list', JSON.parse('{"__proto__": {"x": 1}, "constructor": 1}')), /unexpected property/);
  await assert.rejects(client.call('chat.history', { sessionKey: 'a\u0000b' }), /not valid/);
  await assert.rejects(client.call('chat.history', { sessionKey: 5 }), /must be string/);
  await assert.rejects(client.call('agent', { message: 'x', sessionKey: 'main', idempotencyKey: '' }), /fewer than 1/);
});

it('10,000 silent sockets cost little, and a client still gets in', { timeout: 60_000 }, async (t) => {
  const { client, gateway } = await startJourney(t, { scenario: SCENARIO });
  const pid = gateway.child.pid ?? 0;
  const before = pssOf(pid);
  let opened = 0;
  let highest = before;
  const sockets = new Set<Socket>();
  const attack = async () => {
    while (opened < 10_000) {
      opened += 1;
      const socket = connectTcp(gateway.port, '127.0.0.1');
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
      await until('connected or gone', () => !socket.connecting || socket.destroyed, 5000);
      while (sockets.size > 4000) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const attackers = Promise.all(Array.from({ length: 50 }, attack));
  const watch = setInterval(() => {
    highest = Math.max(highest, pssOf(pid));
  }, 100);
  for (let i = 0; i < 5; i++) assert.equal(textOf(await order(client, `turn ${i}`)), `heard turn ${i}`);
  await attackers;
  clearInterval(watch);
  assert.ok(highest - before < 120, `${Math.round(highest - before)} MB more`);
  await until(
    'a new client is let in',
    async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}`, { handshakeTimeout: 2000 });
      return new Promise<boolean>((resolve) => {
        socket
          .on('message', () => resolve(true))
          .on('error', () => resolve(false))
          .on('close', () => resolve(false));
      }).finally(() => socket.terminate());
    },
    20_000,
  );
  for (const socket of sockets) socket.destroy();
});

it('a client that does not read is bounded and let go; the others get everything', { timeout: 30_000 }, async (t) => {
  const long = 'word '.repeat(60_000);
  const { client, gateway } = await startJourney(t, { scenario: { name: 'long', rules: [{ text: long, stream: { chunk: 3000, delayMs: 16 } }] } });
  const slow = new WebSocket(`ws://127.0.0.1:${gateway.port}`);
  let entered = false;
  slow.on('message', (data: Buffer) => {
    if (data.includes('"hello-ok"')) entered = true;
    else if (!entered)
      slow.send(
        JSON.stringify({
          type: 'req',
          id: 'c',
          method: 'connect',
          params: { minProtocol: 3, maxProtocol: 3, client: { id: 'test', version: '1', platform: 'x', mode: 'test' }, auth: { token: TOKEN } },
        }),
      );
  });
  let closed: number | undefined;
  slow.on('close', (code) => {
    closed = code;
  });
  await until('the slow one is in', () => entered);
  slow.pause();
  const before = pssOf(gateway.child.pid ?? 0);
  assert.equal(textOf(await order(client, 'talk')).length, long.length);
  assert.ok(pssOf(gateway.child.pid ?? 0) - before < 100, 'memory stays bounded');
  slow.resume();
  await until('the slow one is let go', () => closed);
  assert.equal(closed, 1008);
});

it('HTTP: bodies, tokens, methods and hosts are checked before anything runs', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const base = `http://127.0.0.1:${gateway.port}`;
  const post = (path: string, body: string, headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }) =>
    fetch(base + path, { method: 'POST', body, headers });
  assert.equal((await post('/rpc/health', '')).status, 200);
  assert.equal((await post('/rpc/health', '{}', {})).status, 401);
  assert.equal((await post('/rpc/health', '{}', { authorization: 'Bearer wrong' })).status, 401);
  assert.equal((await post('/rpc/health', '{"x')).status, 400);
  assert.equal((await post('/rpc/sessions.list', '{"bogus":1}')).status, 400);
  assert.equal((await post('/rpc/no.such', '{}')).status, 404);
  assert.equal((await post('/rpc/health', 'x'.repeat(1024 * 1024 + 1))).status, 413);
  assert.equal((await post('/rpc/health', '{}', { authorization: `Bearer ${TOKEN}`, origin: 'https://evil.test' })).status, 403);
  assert.equal((await fetch(`${base}/rpc/health`)).status, 404);
  assert.equal((await fetch(`${base}/health`)).status, 200);
  assert.equal((await fetch(`${base}/metrics`)).status, 401);
  const metrics = await (await fetch(`${base}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text();
  for (const name of ['clawdbot_store_op_seconds', 'clawdbot_rpc_seconds', 'clawdbot_runs_queued', 'clawdbot_event_loop_delay_seconds'])
    assert.match(metrics, new RegExp(name));
  const answer = (await (await post('/rpc/agent', JSON.stringify({ message: 'by http', sessionKey: 'main', idempotencyKey: 'h' }))).json()) as {
    payload: { result: { payloads: { text: string }[] } };
  };
  assert.equal(answer.payload.result.payloads[0]?.text, 'heard by http');
});

it('a client that sends its headers slowly is let go', { timeout: 30_000 }, async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const socket = connectTcp(gateway.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n');
  const drip = setInterval(() => socket.write('x-a: b\r\n'), 500);
  const before = performance.now();
  await closed;
  clearInterval(drip);
  assert.ok(performance.now() - before < 12_000);
});
