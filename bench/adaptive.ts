// A model whose capacity falls from 8 to 3 and rises again: what gets through with fixed limits and with the adaptive one.

import { connectClient } from '../test/support/installation.ts';
import { type Row, table, withInstallation } from './support.ts';

const CALLERS = 24;
const PHASES = [8, 3, 8];
const PHASE_MS = 3000;
const ANSWER_MS = 25;

export async function adaptive(): Promise<void> {
  const rows: Row[] = [];
  for (const [name, limit] of [
    ['fixed 4', 4],
    ['fixed 16', 16],
    ['adaptive', undefined],
  ] as const) {
    const scenario = { name: 'busy', rules: [{ text: 'answer', stream: { firstMs: ANSWER_MS } }] };
    const config = { lanes: { providers: limit === undefined ? {} : { simulator: limit } } };
    await withInstallation({ scenario, config }, async (installation) => {
      const gateway = await installation.start();
      const client = await connectClient(gateway.port);
      let stopped = false;
      let answered = 0;
      const caller = async (n: number) => {
        for (let i = 0; !stopped; i++) {
          await client
            .call('agent', { message: `call ${i}`, sessionKey: `c${n}-${i}`, idempotencyKey: `${n}-${i}` }, { expectFinal: true, timeoutMs: 120_000 })
            .catch(() => undefined);
          if (!stopped) answered += 1;
        }
      };
      const callers = Array.from({ length: CALLERS }, (_, n) => caller(n));
      for (const capacity of PHASES) {
        installation.simulator.capacity(capacity);
        await new Promise((resolve) => setTimeout(resolve, PHASE_MS));
      }
      stopped = true;
      const refused = installation.simulator.requests().filter(({ status }) => status === 429).length;
      installation.simulator.capacity(Number.POSITIVE_INFINITY);
      rows.push([name, answered, refused]);
      await Promise.race([Promise.all(callers), new Promise((resolve) => setTimeout(resolve, 3000))]);
      client.close();
    });
  }
  table(`capacity ${PHASES.join(' -> ')}, ${PHASE_MS / 1000} s each, ${CALLERS} callers`, ['limit', 'answered', 'refused with 429'], rows);
}
