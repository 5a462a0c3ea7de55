// Proofs on a tiny repository: how long a whole one takes, a refusal, and twenty at once.

import { join } from 'node:path';
import { connectClient, type TestClient } from '../test/support/installation.ts';
import { ask } from '../test/support/journey.ts';
import { until } from '../test/support/scratch.ts';
import { AC, BASE, GREEN, RED, tinyRepo } from '../test/support/tiny-repo.ts';
import { percentile, table, withInstallation } from './support.ts';

const ROUNDS = 8;
const AT_ONCE = 20;
const WEAK = { 'test/discount.test.js': "import { test } from 'node:test';\ntest('ten or more are cheaper', () => {});\n" };

export async function proof(): Promise<void> {
  await withInstallation({ scenario: { name: 'proof', rules: [{ text: 'heard' }] } }, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    const repo = tinyRepo(join(installation.workspace, 'shop'));
    const base = repo.commit('base', BASE);
    const red = repo.commit('red', RED);
    const green = repo.commit('green', GREEN);
    repo.git('branch', 'honest', green);
    repo.git('reset', '--quiet', '--hard', red);
    const weak = repo.commit('weak', WEAK);
    repo.git('branch', 'weak', weak);
    repo.git('reset', '--quiet', '--hard', base);
    const spec = { repo: repo.dir, command: { runner: 'node', argv: ['node', '--test'] }, criteria: [{ id: 'AC-1', text: 'Ten or more cost a tenth less.' }] };
    const submit = async (name: string, head: string) => {
      await ask(client, 'tasks.add', { name, title: name });
      await ask(client, 'tasks.spec', { name, spec });
      await ask(client, 'tasks.submit', { name, base, red, green: head, acToTests: AC });
    };
    const timed = async (name: string, head: string) => {
      const since = performance.now();
      await submit(name, head);
      await judged(client, name);
      return performance.now() - since;
    };
    const [whole, refused]: [number[], number[]] = [[], []];
    await timed('warm', green);
    for (let i = 0; i < ROUNDS; i++) {
      whole.push(await timed(`whole-${i}`, green));
      refused.push(await timed(`refused-${i}`, weak));
    }
    const since = performance.now();
    const names = Array.from({ length: AT_ONCE }, (_, i) => `burst-${i}`);
    for (const name of names) await submit(name, green);
    for (const name of names) await judged(client, name);
    const burst = performance.now() - since;
    table(
      'proofs on a tiny repository, two at a time',
      ['', 'p50 ms', 'worst ms'],
      [
        ['submitted -> proved, all gates', percentile(whole, 0.5), Math.max(...whole)],
        ['submitted -> refuted by G3', percentile(refused, 0.5), Math.max(...refused)],
        [`${AT_ONCE} at once -> the last is proved`, burst, burst],
      ],
    );
    client.close();
  });
}

const judged = (client: TestClient, name: string) =>
  until(
    name,
    async () => {
      const { task } = await ask(client, 'tasks.get', { name });
      return task.state === 'in_validation' || task.attempts > 0;
    },
    300_000,
  );
