// Cron: from a slot's instant to the model, and 200 jobs that are due at once.

import { connectClient } from '../test/support/installation.ts';
import { percentile, QUICK_ANSWER, table, withInstallation } from './support.ts';

const SINGLE = 40;
const AT_ONCE = 200;

const job = (name: string, atMs: number) => ({
  name,
  schedule: { kind: 'at', atMs },
  sessionTarget: 'isolated',
  wakeMode: 'next-heartbeat',
  payload: { kind: 'agentTurn', message: 'work' },
});

export async function cron(): Promise<void> {
  for (const maxConcurrentRuns of [64, 4]) {
    await withInstallation({ scenario: QUICK_ANSWER, config: { cron: { maxConcurrentRuns } } }, async (installation) => {
      const gateway = await installation.start();
      const client = await connectClient(gateway.port);
      await client.call('agent', { message: 'warm', sessionKey: 'main', idempotencyKey: 'warm' }, { expectFinal: true, timeoutMs: 60_000 });
      const epoch = performance.timeOrigin;
      if (maxConcurrentRuns === 64) {
        const waits: number[] = [];
        for (let i = 0; i < SINGLE; i++) {
          const due = Date.now() + 60;
          const before = installation.simulator.requests().length;
          await client.call('cron.add', job(`single ${i}`, due));
          while (installation.simulator.requests().length === before) await new Promise((resolve) => setTimeout(resolve, 2));
          waits.push(epoch + (installation.simulator.requests()[before]?.arrivedAt ?? 0) - due);
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
        table(
          'cron, due -> first request of the model',
          ['', 'p50 ms', 'p99 ms'],
          [[`${SINGLE} jobs, one after another`, percentile(waits, 0.5), percentile(waits, 0.99)]],
        );
      }
      const due = Date.now() + 3000;
      for (let i = 0; i < AT_ONCE; i++) await client.call('cron.add', job(`many ${i}`, due));
      const ended = () => client.events.filter(({ event, payload }) => event === 'cron' && payload.action === 'finished').length;
      const before = ended();
      const listed: number[] = [];
      while (ended() - before < AT_ONCE) {
        const since = performance.now();
        await client.call('cron.list', { includeDisabled: true });
        if (Date.now() > due) listed.push(performance.now() - since);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      table(
        `${AT_ONCE} jobs due in the same instant, ${maxConcurrentRuns} slots`,
        ['', 'ms'],
        [
          ['all ended after', Date.now() - due],
          ['cron.list meanwhile, p50', percentile(listed, 0.5)],
          ['cron.list meanwhile, slowest', Math.max(...listed)],
        ],
      );
      client.close();
    });
  }
}
