// Memory of all processes, idle and after load, and CPU while idle.

import { setTimeout as pause } from 'node:timers/promises';
import { connectClient } from '../test/support/installation.ts';
import { cpuOfTree, pssOfTree, type Row, table, withInstallation } from './support.ts';

const IDLE_SECONDS = 15;

export async function memory(): Promise<void> {
  await withInstallation({}, async (installation) => {
    const gateway = await installation.start();
    const pid = gateway.child.pid ?? 0;
    await pause(3000);
    const cpuBefore = cpuOfTree(pid);
    await pause(IDLE_SECONDS * 1000);
    const idleCpu = ((cpuOfTree(pid) - cpuBefore) / IDLE_SECONDS) * 100;
    const rows: Row[] = [['idle', pssOfTree(pid)]];
    const client = await connectClient(gateway.port);
    let done = 0;
    for (const until of [500, 1000, 1500, 2000, 3000, 4000]) {
      await Promise.all(
        Array.from({ length: 16 }, async (_, s) => {
          while (done < until) {
            const n = done++;
            await client.call('agent', { message: 'hello', sessionKey: `s${s}`, idempotencyKey: `m${n}` }, { expectFinal: true, timeoutMs: 60_000 });
          }
        }),
      );
      rows.push([`after ${until} turns`, pssOfTree(pid)]);
    }
    await pause(5000);
    rows.push(['5 s later', pssOfTree(pid)]);
    client.close();
    table('memory of gateway, store thread and worker', ['', 'PSS MB'], rows);
    table('idle', ['', 'CPU %'], [[`${IDLE_SECONDS} s`, idleCpu]]);
  });
}
