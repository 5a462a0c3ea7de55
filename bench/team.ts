// The team's files: how fast a dropped spawn request or message reaches a model, how long a flood takes, and what a large workspace costs.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectClient } from '../test/support/installation.ts';
import { ask } from '../test/support/journey.ts';
import { dropMessy } from '../test/support/messy.ts';
import { until } from '../test/support/scratch.ts';
import { drop, makeScheduler } from '../test/support/team.ts';
import { percentile, type Row, table, withInstallation } from './support.ts';

const SCENARIO = { name: 'team', rules: [{ text: 'did it' }] };
const AGENTS = {
  agents: {
    defaults: { maxConcurrent: 64, subagents: { maxConcurrent: 64, perMinute: 0 } },
    list: [
      { id: 'main', default: true },
      { id: 'coordinator', role: 'coordinator' },
    ],
  },
};
const WARM = 10;
const ROUNDS = 100;
const FLOOD = 5000;
const BURST = 200;
const LARGE = 100_000;

export async function team(): Promise<void> {
  await withInstallation({ scenario: SCENARIO, config: AGENTS }, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    const root = makeScheduler(installation.workspace);
    await ask(client, 'workspace.phase', { parts: ['inbox', 'spawn-queue'], phase: 'on' });
    const { simulator } = installation;
    const reach = async (mark: string, dropIt: () => void): Promise<number> => {
      const since = performance.now();
      dropIt();
      const request = await until(mark, () => simulator.requests().findLast(({ user }) => user.includes(mark)));
      return request.arrivedAt - since;
    };
    const [spawnTimes, mailTimes]: [number[], number[]] = [[], []];
    for (let i = 0; i < WARM + ROUNDS; i++) {
      const spawn = await reach(`task-${i}.`, () =>
        drop(join(root, 'spawn-queue', 'requests', `r${i}.json`), { requestId: `r${i}`, requestedBy: 'nobody', spawn: { label: `t${i}`, task: `task-${i}.` } }),
      );
      const mail = await reach(`mail-${i}.`, () =>
        drop(join(root, 'inboxes', 'coordinator', `m${i}.json`), { from: 'validator', subject: `mail-${i}.`, content: 'x' }),
      );
      if (i < WARM) continue;
      spawnTimes.push(spawn);
      mailTimes.push(mail);
    }
    const since = performance.now();
    for (let i = 0; i < BURST; i++) drop(join(root, 'spawn-queue', 'requests', `b${i}.json`), { requestId: `b${i}`, spawn: { task: `burst-${i}.` } });
    await until('the burst', () => new Set(simulator.requests().flatMap(({ user }) => /burst-\d+\./.exec(user)?.[0] ?? [])).size === BURST, 60_000);
    const burst = performance.now() - since;
    table(
      'files of the team, the model a simulator without delay',
      ['', 'p50 ms', 'p99 ms'],
      [
        ['spawn request dropped -> first request of the child', percentile(spawnTimes, 0.5), percentile(spawnTimes, 0.99)],
        ['message dropped -> told to the model of its agent', percentile(mailTimes, 0.5), percentile(mailTimes, 0.99)],
        [`${BURST} spawn requests at once -> the last child's first request`, burst, burst],
      ],
    );
    client.close();
  });
  await flood();
  await largeWorkspace();
}

async function flood(): Promise<void> {
  await withInstallation({ scenario: SCENARIO }, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    const root = makeScheduler(installation.workspace);
    dropMessy(root, FLOOD, 1);
    const since = performance.now();
    await ask(client, 'workspace.phase', { parts: ['inbox'], phase: 'on' });
    let total = 0;
    for (let still = 0; still < 20; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { boxes } = await ask(client, 'inbox.list', {});
      const now = boxes.reduce((sum: number, { counts }: { counts: Record<string, number> }) => sum + Object.values(counts).reduce((a, b) => a + b, 0), 0);
      still = now === total && now > 0 ? still + 1 : 0;
      total = now;
    }
    const seconds = (performance.now() - since - 1000) / 1000;
    table(`${FLOOD} messy files in the inboxes`, ['messages', 'seconds', 'files/s'], [[String(total), seconds, FLOOD / seconds]]);
    client.close();
  });
}

/** The first turn of a gateway, in an empty workspace and in a large one. */
async function largeWorkspace(): Promise<void> {
  const rows: Row[] = [];
  for (const files of [0, LARGE]) {
    await withInstallation({ scenario: SCENARIO }, async (installation) => {
      for (let n = 0; n < files; n++) {
        const dir = join(installation.workspace, 'src', String(Math.floor(n / 500)));
        if (n % 500 === 0) mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, `${n}.txt`), 'x'.repeat(100));
      }
      if (files > 0) {
        const root = makeScheduler(installation.workspace);
        dropMessy(root, 2000, 2);
      }
      const gateway = await installation.start();
      const client = await connectClient(gateway.port);
      await until('a worker', async () => (await ask(client, 'health')).workers?.[0]?.pid);
      const since = performance.now();
      await client.call('agent', { message: 'hello', sessionKey: 'main', idempotencyKey: 'first' }, { expectFinal: true, timeoutMs: 60_000 });
      rows.push([`${files} files`, performance.now() - since]);
      client.close();
    });
  }
  table('first turn in a workspace', ['', 'ms'], rows);
}
