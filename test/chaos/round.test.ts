// The short form of `npm run chaos`.

import { it } from 'node:test';
import { scratchDir } from '../support/scratch.ts';
import { openAlone } from './alone.ts';
import { runRound } from './round.ts';

it('100 units of work under blows of every kind: none lost, none doubled', { timeout: 200_000 }, async (t) => {
  const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`seed ${seed} (set CHAOS_SEED to replay)`);
  const report = await runRound({
    open: openAlone({ dir: scratchDir(t), hangs: false, smallDisk: false }),
    seed,
    units: 100,
    sessions: 10,
    log: (line) => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify(report));
});
