// npm run bench [-- name …]: runs the benches one after another.

import { adaptive } from './adaptive.ts';
import { cli } from './cli.ts';
import { cluster } from './cluster.ts';
import { coldStart } from './cold-start.ts';
import { cron } from './cron.ts';
import { memory } from './memory.ts';
import { plan } from './plan.ts';
import { proof } from './proof.ts';
import { protocol } from './protocol.ts';
import { slack } from './slack.ts';
import { spawns } from './spawns.ts';
import { store } from './store.ts';
import { printDisk } from './support.ts';
import { team } from './team.ts';
import { turns } from './turns.ts';

const benches: Readonly<Record<string, () => Promise<void>>> = {
  'cold-start': coldStart,
  cli,
  protocol,
  turns,
  spawns,
  cron,
  slack,
  team,
  plan,
  proof,
  adaptive,
  store,
  memory,
  cluster,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in benches));
if (unknown.length > 0) {
  process.stderr.write(`no bench called ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}\n`);
  process.exit(1);
}
printDisk();
for (const [name, bench] of Object.entries(benches)) if (asked.length === 0 || asked.includes(name)) await bench();
process.exit(0);
