// The short form of `npm run chaos`.

import { it } from 'node:test';
import { scratchDir } from '../support/scratch.ts';
import { runChaos } from './turns.ts';

it('200 turns with tools under random kills: none lost, none doubled', { timeout: 150_000 }, async (t) => {
  const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`seed ${seed} (set CHAOS_SEED to replay)`);
  const report = await runChaos({ dir: scratchDir(t), seed, turns: 200, sessions: 10, log: (line) => t.diagnostic(line) });
  t.diagnostic(JSON.stringify(report));
});
