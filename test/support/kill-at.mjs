// Preloaded into a gateway: kills it with -9 right before (odd) or right after (even) a change of a file in the team's folders.
// KILL_AT 1 is before the first change, 2 after it, 3 before the second, and so on.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env.KILL_AT ?? 0);
let moment = 0;
const pass = () => {
  moment += 1;
  if (moment === at) process.kill(process.pid, 'SIGKILL');
};

for (const name of ['renameSync', 'linkSync', 'unlinkSync', 'writeFileSync']) {
  const real = fs[name];
  fs[name] = (...args) => {
    if (!args.some((arg) => typeof arg === 'string' && arg.includes('/scheduler/'))) return real(...args);
    pass();
    const result = real(...args);
    pass();
    return result;
  };
}
syncBuiltinESMExports();
