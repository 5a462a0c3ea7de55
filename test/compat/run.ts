// npm run test:compat: the real clawdbot 2026.1.24-3 command line against our gateway. Large to install, so not part of npm test.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInstallation, type RunResult, runCommand, TOKEN } from '../support/installation.ts';
import { until } from '../support/scratch.ts';
import { connectParams, type Device, newDevice, raw, signDevice } from '../support/wire.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIR = join(ROOT, '.compat');
const VERSION = '2026.1.24-3';
const ENTRY = join(DIR, 'node_modules', 'clawdbot', 'dist', 'entry.js');

installOriginal();
const dir = mkdtempSync(join(tmpdir(), 'clawdbot-compat-'));
const installation = await createInstallation({
  dir,
  scenario: {
    name: 'compat',
    rules: [{ when: { user: 'slowly' }, text: 'slow words '.repeat(400), stream: { chunk: 22, delayMs: 40 } }, { text: 'heard {{user}}' }],
  },
});
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
await expect(['gateway', 'health', '--json'], ({ code }) => assert.equal(code, 0));
await expect(['gateway', 'probe', '--json'], ({ stdout }) => {
  const { ok, targets } = jsonIn(stdout) as {
    ok: boolean;
    targets: { connect: { ok: boolean }; health: { ok: boolean }; config: { valid: boolean }; presence: unknown[] }[];
  };
  assert.deepEqual([ok, targets[0]?.connect.ok, targets[0]?.health.ok, targets[0]?.config.valid], [true, true, true, true]);
});
await expect(['gateway', 'status', '--json'], ({ stdout }) => assert.equal((jsonIn(stdout) as { rpc: { ok: boolean } }).rpc.ok, true));
await expect(['gateway', 'usage-cost', '--json'], ({ stdout }) => assert.equal((jsonIn(stdout) as { days: number }).days, 30));
await expect(
  ['gateway', 'call', 'agent', '--params', '{"message":"via call","sessionKey":"main","idempotencyKey":"gc1"}', '--expect-final', '--json'],
  ({ stdout }) => {
    assert.equal((jsonIn(stdout) as { result: { payloads: { text: string }[] } }).result.payloads[0]?.text, 'heard via call');
  },
);
await expect(['logs', '--limit', '5'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.match(stdout, /Log file: /);
});
await expect(['devices', 'list', '--json'], ({ stdout }) => {
  const { paired } = jsonIn(stdout) as { paired: { clientId: string; tokens: unknown[] }[] };
  assert.deepEqual([paired[0]?.clientId, paired[0]?.tokens.length], ['cli', 1]);
});
await expect(['devices', 'list'], ({ code }) => assert.equal(code, 0));
const stranger = newDevice();
const requestId = await askToPair(stranger);
await expect(['devices', 'list'], ({ stdout }) => assert.match(stdout, new RegExp(requestId.slice(0, 8))));
await expect(['devices', 'approve', requestId, '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.equal((jsonIn(stdout) as { device: { deviceId: string } }).device.deviceId, stranger.id);
});
await expect(['devices', 'rotate', '--device', stranger.id, '--role', 'operator', '--json'], ({ stdout }) =>
  assert.match((jsonIn(stdout) as { token: string }).token, /^[0-9a-f]{32}$/),
);
await expect(['devices', 'revoke', '--device', stranger.id, '--role', 'operator', '--json'], ({ stdout }) =>
  assert.ok((jsonIn(stdout) as { revokedAtMs: number }).revokedAtMs > 0),
);
await expect(['devices', 'reject', await askToPair(newDevice()), '--json'], ({ code }) => assert.equal(code, 0));
await expect(['devices', 'approve', 'nope'], ({ code, stdout, stderr }) => {
  assert.equal(code, 1);
  assert.match(stdout + stderr, /unknown requestId/);
});
await expect(['approvals', 'get', '--json'], ({ stdout }) => assert.equal((jsonIn(stdout) as { file: { version: number } }).file.version, 1));
await expect(['approvals', 'get', '--gateway', '--json'], ({ stdout }) => assert.equal((jsonIn(stdout) as { file: { version: number } }).file.version, 1));
await expect(['approvals', 'allowlist', 'add', '/usr/bin/git', '--agent', 'main', '--gateway', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.match(stdout, /usr.bin.git/);
});
await expect(['approvals', 'allowlist', 'remove', '/usr/bin/git', '--agent', 'main', '--gateway', '--json'], ({ code }) => assert.equal(code, 0));
writeFileSync(join(dir, 'approvals.json'), JSON.stringify({ version: 1, defaults: {}, agents: { main: { security: 'allowlist' } } }));
await expect(['approvals', 'set', '--gateway', '--file', join(dir, 'approvals.json'), '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.match(stdout, /allowlist/);
});
await expect(['system', 'event', '--text', 'told by the original', '--json'], ({ stdout }) => assert.deepEqual(jsonIn(stdout), { ok: true }));
await expect(['system', 'event', '--text', 'look now', '--mode', 'now', '--json'], ({ stdout }) => assert.deepEqual(jsonIn(stdout), { ok: true }));
await expect(['system', 'heartbeat', 'disable', '--json'], ({ stdout }) => assert.match(stdout, /"enabled": false/));
await expect(['system', 'heartbeat', 'enable', '--json'], ({ stdout }) => assert.match(stdout, /"enabled": true/));
await expect(['system', 'heartbeat', 'last', '--json'], ({ stdout }) => assert.match((jsonIn(stdout) as { status: string }).status, /^(sent|ok-token)$/));
// Scheduled jobs: every verb of the original's cron command.
let jobId = '';
await expect(['cron', 'status', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  const { enabled, jobs, storePath } = jsonIn(stdout) as { enabled: boolean; jobs: number; storePath: string };
  assert.deepEqual([enabled, jobs, storePath.endsWith('cron/jobs.json')], [true, 0, true]);
});
await expect(['cron', 'add', '--name', 'c1', '--every', '30m', '--session', 'isolated', '--message', 'do it', '--json'], ({ code, stdout, stderr }) => {
  assert.equal(code, 0, stderr);
  const job = jsonIn(stdout) as { id: string; schedule: { everyMs: number }; state: { nextRunAtMs: number } };
  jobId = job.id;
  assert.deepEqual([job.schedule.everyMs, job.state.nextRunAtMs > Date.now()], [1_800_000, true]);
});
await expect(['cron', 'add', '--name', 'c2', '--cron', '0 7 * * *', '--tz', 'Europe/London', '--system-event', 'morning', '--json'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.equal((jsonIn(stdout) as { schedule: { tz: string } }).schedule.tz, 'Europe/London');
});
await expect(['cron', 'add', '--name', 'bad', '--cron', 'not a cron', '--system-event', 'x'], ({ code, stdout, stderr }) => {
  assert.equal(code, 1);
  assert.match(stdout + stderr, /CronPattern: invalid configuration format/);
});
await expect(['cron', 'list'], ({ code, stdout }) => {
  assert.equal(code, 0);
  assert.match(stdout, /c1[\s\S]*isolated/);
});
await expect(['cron', 'run', jobId, '--force'], ({ code, stdout, stderr }) => {
  assert.equal(code, 0, stderr);
  assert.equal((jsonIn(stdout) as { ran: boolean }).ran, true);
});
await expect(['cron', 'run', jobId], ({ stdout }) => assert.equal((jsonIn(stdout) as { reason: string }).reason, 'not-due'));
await expect(['cron', 'runs', '--id', jobId], ({ stdout }) => {
  const { entries } = jsonIn(stdout) as { entries: { status: string; summary: string }[] };
  assert.equal(entries[0]?.status, 'ok');
  assert.match(entries[0]?.summary ?? '', /^heard \[cron:/);
});
await expect(['cron', 'edit', jobId, '--name', 'renamed', '--every', '1h'], ({ code, stdout, stderr }) => {
  assert.equal(code, 0, stderr);
  const { name, schedule } = jsonIn(stdout) as { name: string; schedule: { everyMs: number } };
  assert.deepEqual([name, schedule.everyMs], ['renamed', 3_600_000]);
});
await expect(['cron', 'disable', jobId], ({ stdout }) => assert.equal((jsonIn(stdout) as { enabled: boolean }).enabled, false));
await expect(['cron', 'enable', jobId], ({ stdout }) => assert.equal((jsonIn(stdout) as { enabled: boolean }).enabled, true));
await expect(['cron', 'list', '--all', '--json'], ({ stdout }) => assert.equal((jsonIn(stdout) as { jobs: unknown[] }).jobs.length, 2));
await expect(['cron', 'rm', jobId, '--json'], ({ stdout }) => assert.deepEqual(jsonIn(stdout), { ok: true, removed: true }));
await expect(['cron', 'rm', jobId, '--json'], ({ stdout }) => assert.deepEqual(jsonIn(stdout), { ok: true, removed: false }));
await expect(['cron', 'run', 'zzz'], ({ code, stdout, stderr }) => {
  assert.equal(code, 1);
  assert.match(stdout + stderr, /unknown cron job id: zzz/);
});
await expect(['nodes', 'status', '--json'], ({ stdout }) => assert.deepEqual((jsonIn(stdout) as { nodes: unknown[] }).nodes, []));
await expect(['nodes', 'list', '--json'], ({ stdout }) => assert.deepEqual(jsonIn(stdout), { pending: [], paired: [] }));
await expect(['doctor', '--non-interactive'], ({ code }) => assert.equal(code, 0));

await expectTui();

// The original's own local commands, on files that ours exported.
const exported = await installation.cli(['sessions', 'export', '--json']);
assert.equal(exported.code, 0, exported.stderr);
await expect(
  ['sessions', '--json'],
  ({ stdout }) => {
    const { sessions } = jsonIn(stdout) as { sessions: { key: string; inputTokens: number }[] };
    const main = sessions.find(({ key }) => key === 'agent:main:main');
    assert.ok(main && main.inputTokens > 0, JSON.stringify(sessions));
  },
  { CLAWDBOT_STATE_DIR: installation.stateDir, CLAWDBOT_CONFIG_PATH: join(home, 'none.json') },
);

await installation.close();
process.stdout.write(`${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

async function expect(args: readonly string[], check: (result: RunResult) => void, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const result = await runCommand(process.execPath, [ENTRY, ...args], { ...environment(), ...env });
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

function environment() {
  return { PATH: process.env['PATH'] ?? '', HOME: home, CLAWDBOT_GATEWAY_PORT: String(gateway.port), CLAWDBOT_GATEWAY_TOKEN: TOKEN, NO_COLOR: '1' };
}

/** A device that knocks as if from another machine. Answers the id of its request. */
async function askToPair(device: Device): Promise<string> {
  const client = raw({ after: () => undefined }, gateway.port, { 'x-forwarded-for': '198.51.100.7' });
  const { payload } = await client.challenge();
  client.send({ type: 'req', id: 'c', method: 'connect', params: connectParams(signDevice(device, { nonce: payload.nonce, token: TOKEN })) });
  return (await client.answer('c')).error.details.requestId;
}

/** The original's terminal client: history, an answer, a command, an abort. */
async function expectTui(): Promise<void> {
  const command = `${process.execPath} ${ENTRY} tui --session compat`;
  const child = spawn('/usr/bin/script', ['-qefc', command, '/dev/null'], {
    env: { ...environment(), TERM: 'xterm-256color', SHELL: '/bin/sh', COLUMNS: '120', LINES: '40' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const type = async (text: string) => {
    for (const char of text) child.stdin.write(char);
    await new Promise((resolve) => setTimeout(resolve, 150));
    child.stdin.write('\r');
  };
  try {
    await until('the original tui is connected', () => /connected|idle/.test(seen), 60_000);
    await type('hello from the tui');
    await until('its answer', () => seen.includes('heard hello from the tui'), 20_000);
    await type('talk slowly');
    await until('an answer that goes on', () => seen.includes('slow words'), 20_000);
    child.stdin.write('\u001b');
    await until('it is stopped', async () => (await sessionsOf()).some(({ key, abortedLastRun }) => key === 'agent:main:compat' && abortedLastRun), 20_000);
    await type('hello again');
    await until('the next answer', () => seen.includes('heard hello again'), 20_000);
    process.stdout.write('ok      clawdbot tui\n');
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAILED  clawdbot tui: ${error instanceof Error ? error.message : String(error)}\n${JSON.stringify(seen.slice(-3000))}\n`);
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

async function sessionsOf(): Promise<readonly { readonly key: string; readonly abortedLastRun: boolean }[]> {
  const { stdout } = await installation.cli(['gateway', 'call', 'sessions.list'], { CLAWDBOT_GATEWAY_PORT: String(gateway.port) });
  return (JSON.parse(stdout) as { sessions: { key: string; abortedLastRun: boolean }[] }).sessions;
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
