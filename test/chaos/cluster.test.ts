// The short form of `npm run chaos:cluster`.

import { after, it } from 'node:test';
import { startPostgres } from '../support/postgres.ts';
import { scratchDir } from '../support/scratch.ts';
import { openCluster } from './cluster.ts';
import { runRound } from './round.ts';

const server = await startPostgres();
after(() => server?.stop());

it('45 units of work on two gateways and three workers under blows of every kind', {
  timeout: 200_000,
  skip: server === undefined && 'no PostgreSQL',
}, async (t) => {
  if (!server) return;
  const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`seed ${seed} (set CHAOS_SEED to replay)`);
  const report = await runRound({ open: openCluster({ dir: scratchDir(t), server }), seed, units: 45, sessions: 10, log: (line) => t.diagnostic(line) });
  t.diagnostic(JSON.stringify(report));
});
