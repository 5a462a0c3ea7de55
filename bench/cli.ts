// Wall time of commands, bundled, against a running gateway.

import { connectClient } from '../test/support/installation.ts';
import { percentile, type Row, table, timeEach, withInstallation } from './support.ts';

export async function cli(): Promise<void> {
  await withInstallation({}, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => client.call('agent', { message: 'hi', sessionKey: `s${n}`, idempotencyKey: `k${n}` }, { expectFinal: true })),
    );
    client.close();
    const rows: Row[] = [];
    for (const args of [['--version'], ['health', '--json'], ['sessions', '--json'], ['status', '--json']]) {
      const samples = await timeEach(12, () => installation.cli(args));
      rows.push([args.join(' '), percentile(samples, 0.5), Math.max(...samples)]);
    }
    table('command line', ['', 'p50 ms', 'max ms'], rows);
  });
}
