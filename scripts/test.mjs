// npm test: the checks, then every test in groups with a share of the eight minutes each. npm test -- <files> runs only those.

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { nodePath, root } from './setup.mjs';

// Chaos measures times: one file at a time. The others wait more than they work: several.
const groups = [
  { name: 'unit', files: ['src/**/*.test.ts', 'test/*.test.ts'], atOnce: 2, shareMinutes: 1 },
  { name: 'conformance', files: ['test/conformance/**/*.test.ts'], atOnce: 3, shareMinutes: 1 },
  { name: 'journeys', files: ['test/journeys/*.test.ts'], atOnce: 5, shareMinutes: 2.5 },
  { name: 'proof', files: ['test/proof/*.test.ts'], atOnce: 3, shareMinutes: 1.25 },
  { name: 'doors', files: ['test/{doors,cluster,service}/*.test.ts'], atOnce: 3, shareMinutes: 1.5 },
  { name: 'chaos', files: ['test/chaos/*.test.ts'], atOnce: 1, shareMinutes: 1.75 },
];

/** The checks need one core, and so do most unit tests. */
function checkInBackground() {
  const child = spawn(nodePath(), [join(import.meta.dirname, 'check.mjs')], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
  return new Promise((resolve) => child.once('close', (code) => resolve({ good: code === 0, said: Buffer.concat(said) })));
}

function runTests(files, atOnce) {
  return spawnSync(nodePath(), ['--test', `--test-concurrency=${atOnce}`, ...files], { cwd: root, stdio: 'inherit' }).status === 0;
}

const asked = process.argv.slice(2);
if (asked.length > 0) process.exit(runTests(asked, 1) ? 0 : 1);

const checks = checkInBackground();
let good = true;
const times = [];
for (const { name, files, atOnce, shareMinutes } of groups) {
  const since = performance.now();
  good = runTests(files, atOnce) && good;
  times.push(`${name} ${((performance.now() - since) / 1000).toFixed(0)} s of ${shareMinutes * 60} s`);
}
const checked = await checks;
good = checked.good && good;
process.stdout.write(checked.said);
process.stdout.write(`\ntime: ${times.join(', ')}\n`);
if (spawnSync('bwrap', ['--version']).error) {
  process.stdout.write('skipped: everything in a sandbox, because bubblewrap is not installed. Enable it with: apt install bubblewrap\n');
}
process.exit(good ? 0 : 1);
