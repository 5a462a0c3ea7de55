// npm run chaos: rounds of turns under kills until the wanted number of kills. -- --kills 1000 --seed 1

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChaos } from './turns.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' }, turns: { type: 'string', default: '400' } },
});
const wanted = Number(values.kills);
let seed = Number(values.seed);
let kills = 0;
let turns = 0;
while (kills < wanted) {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-chaos-'));
  const report = await runChaos({ dir, seed, turns: Number(values.turns), sessions: 20, log: () => undefined });
  rmSync(dir, { recursive: true, force: true });
  kills += Object.values(report.kills).reduce((sum, count) => sum + count, 0);
  turns += report.turns;
  process.stdout.write(`seed ${seed}: ${JSON.stringify(report)}\n${kills} kills, ${turns} turns: 0 lost, 0 doubled\n`);
  seed += 1;
}
