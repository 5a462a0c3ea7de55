// kill -9 between the changes of shared files, at some of the moments. `npm run chaos:files` tries all of them.

import { it } from 'node:test';
import { scratchDir } from '../support/scratch.ts';
import { killAt } from './files.ts';

for (const moment of [4, 13, 16]) {
  it(`killed at moment ${moment}: nothing is lost, nothing is doubled`, { timeout: 100_000 }, async (t) => {
    t.diagnostic(`killed: ${await killAt(scratchDir(t), moment)}`);
  });
}
