// Agent turns through the real door, the model a simulator without delay.

import { randomUUID } from 'node:crypto';
import { connectClient, type SeenEvent } from '../test/support/installation.ts';
import { percentile, type Row, table, timeEach, withInstallation } from './support.ts';

export async function turns(): Promise<void> {
  await withInstallation({}, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    const turn = (sessionKey: string, message = 'hello') =>
      client.call('agent', { message, sessionKey, idempotencyKey: randomUUID() }, { expectFinal: true, timeoutMs: 60_000 });
    await timeEach(50, () => turn('warm'));
    const rows: Row[] = [];
    /** Whole turns, and of them what is ours: accept → first request byte, last response byte → final answer. */
    const measure = async (name: string, count: number, keyOf: (i: number) => string) => {
      const overheads: number[] = [];
      const whole = await timeEach(count, async (i) => {
        const since = performance.now();
        await turn(keyOf(i));
        const { arrivedAt, answeredAt } = installation.simulator.latest();
        overheads.push(arrivedAt - since + performance.now() - answeredAt);
      });
      rows.push([name, percentile(whole, 0.5), percentile(whole, 0.99), percentile(overheads, 0.5), percentile(overheads, 0.99)]);
    };
    await measure('one session, 1-10 turns', 10, () => 'long');
    await measure('one session, to 300 turns', 290, () => 'long');
    await measure('fresh sessions', 300, (i) => `fresh-${i}`);
    await timeEach(1700, () => turn('long'));
    await measure('one session, after 2,000 turns', 200, () => 'long');
    table('agent turn, accept to final answer', ['', 'p50 ms', 'p99 ms', 'overhead p50', 'overhead p99'], rows);

    const atOnce: Row[] = [];
    for (const sessions of [16, 64]) {
      const each = Math.ceil(1920 / sessions);
      const since = performance.now();
      const results = await Promise.allSettled(
        Array.from({ length: sessions }, async (_, s) => {
          for (let i = 0; i < each; i++) await turn(`many-${sessions}-${s}`);
        }),
      );
      const seconds = (performance.now() - since) / 1000;
      atOnce.push([`${sessions} sessions`, (sessions * each) / seconds, results.filter(({ status }) => status === 'rejected').length]);
    }
    table('turns at once', ['', 'turns/s', 'failed'], atOnce);
    client.close();
  });
  await firstToken();
}

/** From the first text that leaves the simulator to the first event at the client. */
async function firstToken(): Promise<void> {
  const scenario = { name: 'stream', rules: [{ text: 'one two three four five six', stream: { chunk: 4, firstMs: 20, delayMs: 5 } }] };
  await withInstallation({ scenario }, async (installation) => {
    const gateway = await installation.start();
    let first: SeenEvent | undefined;
    const client = await connectClient(gateway.port, (seen) => {
      if (seen.event === 'agent' && seen.payload.stream === 'assistant') first ??= seen;
    });
    const samples: number[] = [];
    for (let i = 0; i < 100; i++) {
      first = undefined;
      await client.call('agent', { message: 'go', sessionKey: 'main', idempotencyKey: `k${i}` }, { expectFinal: true, timeoutMs: 60_000 });
      const left = installation.simulator.firstTextAt();
      if (first && left !== undefined) samples.push((first as SeenEvent).at - left);
    }
    table('first model token to first event at a client', ['', 'p50 ms', 'p99 ms'], [['100 turns', percentile(samples, 0.5), percentile(samples, 0.99)]]);
    client.close();
  });
}
