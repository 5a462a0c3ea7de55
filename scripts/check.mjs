// npm run check: formatting and lint, types, dead code. Part of npm test.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { nodePath, root } from './setup.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);
const steps = [
  ['lint', [bin('biome'), 'ci', '.']],
  ['types', [nodePath(), bin('tsc')]],
  ['dead code', [nodePath(), bin('knip')]],
];

/** @returns true when every check passed */
export function check() {
  return steps
    .map(([name, [file, ...args]]) => {
      const { status } = spawnSync(file, args, { cwd: root, stdio: 'inherit' });
      process.stdout.write(`${name}: ${status === 0 ? 'ok' : 'FAILED'}\n`);
      return status === 0;
    })
    .every(Boolean);
}

if (process.argv[1] === import.meta.filename) process.exit(check() ? 0 : 1);
