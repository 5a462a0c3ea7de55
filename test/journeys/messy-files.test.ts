// Thousands of messy files: none lost, none told twice, in bounded time.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, startJourney } from '../support/journey.ts';
import { dropMessy } from '../support/messy.ts';
import { until } from '../support/scratch.ts';
import { everyFile, makeScheduler } from '../support/team.ts';

const FILES = 5000;
const LONGEST_MS = 60_000;

it(`${FILES} files of every shape`, { timeout: 120_000 }, async (t) => {
  const seed = Number(process.env['MESSY_SEED'] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`seed ${seed} (set MESSY_SEED to replay)`);
  const { client, workspace } = await startJourney(t, { scenario: { name: 'messy', rules: [{ text: 'read' }] } });
  const root = makeScheduler(workspace);
  const { marks, broken } = dropMessy(root, FILES, seed);
  const since = performance.now();
  await ask(client, 'workspace.phase', { parts: ['inbox'], phase: 'on' });
  const wanted = [...marks.values()].reduce((sum, set) => sum + set.size, 0) + broken.length;
  const total = async () => {
    const { boxes } = await ask(client, 'inbox.list', {});
    return boxes
      .filter(({ box }: { box: string }) => box !== 'human')
      .reduce((sum: number, { counts }: { counts: Record<string, number> }) => sum + Object.values(counts).reduce((a, b) => a + b, 0), 0);
  };
  await until(`${wanted} messages`, async () => (await total()) >= wanted, LONGEST_MS);
  t.diagnostic(`${FILES} files in ${Math.round(performance.now() - since)} ms`);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await total(), wanted, 'one message for each, and one notice for each that nobody can read');
  for (const [box, own] of marks) {
    const { messages } = await ask(client, 'inbox.list', { box, all: true, limit: 1000 }, 30_000);
    const text = JSON.stringify(messages);
    for (const mark of own) assert.equal(text.split(mark).length >= 2, true, `${mark} of ${box} is there`);
    assert.equal(new Set(messages.map(({ id }: { id: string }) => id)).size, messages.length);
  }
  const kept = [...everyFile(root).values()];
  for (const text of broken) assert.ok(kept.includes(text), 'the bytes of a broken file are kept');
});
