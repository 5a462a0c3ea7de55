// npm run chaos:files: kills a gateway with -9 before and after every change that it makes to shared files.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAt } from './files.ts';

for (let moment = 1; ; moment++) {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-files-'));
  try {
    const wasKilled = await killAt(dir, moment);
    process.stdout.write(`moment ${moment}: ${wasKilled ? 'killed, and all is well' : 'came to its end'}\n`);
    if (!wasKilled) break;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
