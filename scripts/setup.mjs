// Makes a fresh clone ready: dependencies by the lock file, the bundle, the command. Runs under any Node since 18.
// Imported by scripts/run.mjs; says what it does only when there is something to do.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');

/** @returns the Node that runs this project: the lock file's own where its package fits this machine */
export function nodePath() {
  const own = join(bin, 'node');
  return existsSync(own) ? own : process.execPath;
}

export function setUp() {
  installDependencies();
  const version = spawnSync(nodePath(), ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.trim();
  const [major, minor] = version.split('.').map(Number);
  if (!(major >= 24 || (major === 22 && minor >= 18))) {
    fail(`this needs Node 22.18 or newer, and ${version} is all there is: on this platform install Node 24 by hand, then try again`);
  }
  buildBundle();
  linkCommand();
}

function installDependencies() {
  const stamp = join(root, 'node_modules', '.setup-stamp');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing dependencies (npm ci)');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail('npm ci failed; its own message stands above. Check the network or the npm registry settings, then try again');
  writeFileSync(stamp, wanted);
}

function buildBundle() {
  const bundle = join(root, 'dist', 'clawdbot.mjs');
  const built = existsSync(bundle) ? statSync(bundle).mtimeMs : 0;
  const newest = Math.max(newestIn(join(root, 'src')), statSync(join(root, 'scripts', 'build.mjs')).mtimeMs, statSync(join(root, 'package-lock.json')).mtimeMs);
  if (built > newest) return;
  const { status } = spawnSync(nodePath(), [join(root, 'scripts', 'build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail('the bundle could not be built');
}

function newestIn(dir) {
  return readdirSync(dir, { withFileTypes: true }).reduce((newest, entry) => {
    const path = join(dir, entry.name);
    return Math.max(newest, entry.isDirectory() ? newestIn(path) : statSync(path).mtimeMs);
  }, 0);
}

/** `npx clawdbot` looks here first. */
function linkCommand() {
  const link = join(bin, 'clawdbot');
  try {
    lstatSync(link);
    rmSync(link);
  } catch {
    // not there yet
  }
  symlinkSync(join('..', '..', 'dist', 'clawdbot.mjs'), link);
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
