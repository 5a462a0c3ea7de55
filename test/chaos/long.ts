// npm run chaos: rounds of work under blows until the wanted number of kills. -- --kills 1000 --seed 1

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openAlone } from './alone.ts';
import { runRound } from './round.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    units: { type: 'string', default: '300' },
    verbose: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.kills);
/** Every third round lives on a disk of 16 MB that is filled up now and then. */
const SMALL_EVERY = 3;
let seed = Number(values.seed);
let kills = 0;
let units = 0;
let slowest = 0;
for (let round = 1; kills < wanted; round++) {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-chaos-'));
  const smallDisk = round % SMALL_EVERY === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', dir]).status === 0;
  try {
    const log = (line: string) => values.verbose && process.stdout.write(`  ${line}\n`);
    const report = await runRound({
      open: openAlone({ dir, hangs: round % 5 === 0, smallDisk }),
      seed,
      units: smallDisk ? 100 : Number(values.units),
      sessions: 20,
      log,
    });
    kills += report.kills;
    units += report.units;
    slowest = Math.max(slowest, report.slowestResumeMs);
    process.stdout.write(`seed ${seed}${smallDisk ? ' on a disk of 16 MB' : ''}: ${JSON.stringify(report)}\n`);
    process.stdout.write(`${kills} kills, ${units} units of work: 0 lost, 0 doubled, slowest gap ${slowest} ms\n`);
  } catch (error) {
    process.stdout.write(`seed ${seed} FAILED; replay it with -- --seed ${seed} --kills 1\n`);
    throw error;
  } finally {
    if (smallDisk) execFileSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
  }
  seed += 1;
}
