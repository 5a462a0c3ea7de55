// npm run test:claude: installs the claude command beside the project, as clawdbot runtime install does, and tests the runtime with it.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { nodePath, root } from '../scripts/setup.mjs';

const environment = { ...process.env, CLAWDBOT_STATE_DIR: `${root}/.runtimes/state` };
const command = `${root}/.runtimes/state/runtimes/claude-code/node_modules/.bin/claude`;
if (!existsSync(command)) {
  const installed = spawnSync(nodePath(), ['dist/clawdbot.mjs', 'runtime', 'install'], { cwd: root, stdio: 'inherit', env: environment });
  if (installed.status !== 0) process.exit(1);
}
const tested = spawnSync(nodePath(), ['--test', 'test/journeys/claude-code.test.ts'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CLAWDBOT_TEST_CLAUDE: command },
});
process.exit(tested.status ?? 1);
