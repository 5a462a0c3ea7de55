// npm run test:compat: the real clawdbot 2026.1.24-3 command line against our gateway. Large to install, so not part of npm test.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInstallation, type RunResult, runCommand, TOKEN } from '../support/installation.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIR = join(ROOT, '.compat');
const VERSION = '2026.1.24-3';

installOriginal();
const dir = mkdtempSync(join(tmpdir(), 'clawdbot-compat-'));
const installation = await createInstallation({ dir, scenario: { name: 'compat', rules: [{ text: 'heard {{user}}' }] } });
const gateway = await installation.start();
const home = join(dir, 'fresh-home');
mkdirSync(home);
let failed = 0;

await expect(['health', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.equal((jsonIn(stdout) as { ok: boolean }).ok, true);
});
await expect(['agent', '--agent', 'main', '--message', 'hello from the original', '--json'], ({ code, stdout, stderr }) => {
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /falling back to embedded/);
  const { status, result } = jsonIn(stdout) as { status: string; result: { payloads: { text: string }[] } };
  assert.deepEqual([status, result.payloads[0]?.text], ['ok', 'heard hello from the original']);
});
await expect(['agent', '--agent', 'main', '--message', 'again'], ({ stdout }) => assert.match(stdout, /heard again/));
await expect(['status', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.equal((jsonIn(stdout) as { gateway: { reachable: boolean } }).gateway.reachable, true);
});
await expect(['gateway', 'call', 'sessions.list', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.equal((jsonIn(stdout) as { sessions: { key: string }[] }).sessions[0]?.key, 'agent:main:main');
});
await expect(['gateway', 'call', 'no.such'], ({ code, stdout, stderr }) => {
  assert.equal(code, 1);
  assert.match(stdout + stderr, /unknown method: no\.such/);
});
await expect(['logs', '--json', '--limit', '5'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.match(stdout, /"type":"meta"/);
});
await expect(['system', 'presence', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.equal((jsonIn(stdout) as { mode: string }[])[0]?.mode, 'gateway');
});
await expect(['channels', 'status', '--json'], ({ code }) => assert.equal(code, 0));

await installation.close();
process.stdout.write(`${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

async function expect(args: readonly string[], check: (result: RunResult) => void): Promise<void> {
  const result = await runCommand(process.execPath, [join(DIR, 'node_modules', 'clawdbot', 'dist', 'entry.js'), ...args], {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    CLAWDBOT_GATEWAY_PORT: String(gateway.port),
    CLAWDBOT_GATEWAY_TOKEN: TOKEN,
    NO_COLOR: '1',
  });
  try {
    check(result);
    process.stdout.write(`ok      clawdbot ${args.join(' ')}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(
      `FAILED  clawdbot ${args.join(' ')}: ${error instanceof Error ? error.message : String(error)}\nexit code ${result.code}\n${result.stdout.slice(0, 2000)}\n${result.stderr.slice(0, 2000)}\n`,
    );
  }
}

/** The JSON of an output that may begin with lines for people. */
function jsonIn(stdout: string): unknown {
  const start = stdout.search(/^[[{]/m);
  return JSON.parse(stdout.slice(start));
}

function installOriginal(): void {
  if (existsSync(join(DIR, 'node_modules', 'clawdbot', 'dist', 'entry.js'))) return;
  mkdirSync(DIR, { recursive: true });
  const manifest = { private: true, dependencies: { clawdbot: VERSION, 'strip-ansi': '7' }, overrides: { libsignal: 'npm:libsignal@6.0.0' } };
  writeFileSync(join(DIR, 'package.json'), JSON.stringify(manifest, null, 2));
  process.stdout.write(`installing clawdbot@${VERSION} (large) …\n`);
  const path = [join(ROOT, 'node_modules', '.bin'), process.env['PATH']].join(delimiter);
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: DIR,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  if (status !== 0) {
    process.stderr.write('the original could not be installed; npm says why above\n');
    process.exit(1);
  }
}
