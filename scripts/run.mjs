// Sets up, then runs a script of this project under the project's own Node: node scripts/run.mjs <script> [args].

import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { nodePath, root, setUp } from './setup.mjs';

setUp();
const [script, ...args] = process.argv.slice(2);
if (script !== undefined) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const child = spawn(nodePath(), [join(root, script), ...args], { stdio: 'inherit', env: { ...process.env, PATH: path } });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}
