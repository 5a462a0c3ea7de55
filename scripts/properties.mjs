// npm run test:properties: the invariants of plans and of trust over random commands, 10,000 sequences on each store (or as many as are asked for).

import { spawnSync } from 'node:child_process';
import { nodePath, root } from './setup.mjs';

const runs = process.argv[2] ?? '10000';
const files = ['sqlite', 'postgres'].map((name) => `test/conformance/store/${name}.test.ts`);
const { status } = spawnSync(nodePath(), ['--test', '--test-name-pattern=whatever anybody does', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PROPERTY_RUNS: runs },
});
process.exit(status ?? 1);
