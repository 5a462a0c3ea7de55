// npm run chaos:cluster: rounds of work on a cluster under blows until the wanted number of kills. -- --kills 100 --seed 1

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from '../support/postgres.ts';
import { openCluster } from './cluster.ts';
import { runRound } from './round.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    units: { type: 'string', default: '150' },
    verbose: { type: 'boolean', default: false },
  },
});
const server = await startPostgres();
if (!server) process.exit(1);
let kills = 0;
let units = 0;
for (let seed = Number(values.seed); kills < Number(values.kills); seed++) {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-chaos-'));
  const log = (line: string) => values.verbose && process.stdout.write(`  ${line}\n`);
  try {
    const report = await runRound({ open: openCluster({ dir, server }), seed, units: Number(values.units), sessions: 20, log });
    kills += report.kills;
    units += report.units;
    process.stdout.write(`seed ${seed}: ${JSON.stringify(report)}\n${kills} kills, ${units} units of work: 0 lost, 0 doubled\n`);
    if (!values.verbose) rmSync(dir, { recursive: true, force: true });
  } catch (error) {
    process.stdout.write(`seed ${seed} FAILED, its folder is ${dir}; replay it with -- --seed ${seed} --kills 1\n`);
    await server.stop();
    throw error;
  }
}
await server.stop();
process.exit(0);
