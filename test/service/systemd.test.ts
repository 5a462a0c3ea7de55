// The gateway as a service under a real systemd of a user: taken over, killed, hung, in a loop of crashes, undone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Simulator, startSimulator } from '../../src/adapters/models/simulator/server.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { BUNDLE, connectClient, TOKEN } from '../support/installation.ts';
import { until } from '../support/scratch.ts';
import { noSystemd, startUserSystemd, type UserSystemd } from '../support/systemd.ts';

const UNIT = 'clawdbot-gateway.service';
const PORT = 28_931;
/** Tests run beside each other. */
const MACHINE_IS_BUSY_MS = 2000;
const missing = noSystemd();
if (missing !== undefined) process.stderr.write(`SKIPPED: the gateway under systemd: ${missing}\n`);

/** What the seed's installation looks like. */
const PREDECESSOR = (home: string) => `[Unit]
Description=Clawdbot Gateway (v2026.1.24-3)
After=network-online.target
Wants=network-online.target

[Service]
ExecStart="/bin/sleep" "1000" gateway --port ${PORT}
Restart=always
RestartSec=5
KillMode=process
Environment=HOME=${home}
Environment=CLAWDBOT_GATEWAY_PORT=${PORT}
Environment=CLAWDBOT_GATEWAY_TOKEN=${TOKEN}

[Install]
WantedBy=default.target
`;

describe('the gateway under systemd', { skip: missing !== undefined }, () => {
  const cleanups: (() => unknown)[] = [];
  let systemd: UserSystemd | undefined;
  let simulator: Simulator;

  const here = (): UserSystemd => {
    assert.ok(systemd);
    return systemd;
  };
  /** Some containers let no systemd of a user come up: then there is nothing to try. */
  const whereItRuns = (name: string, run: (t: TestContext) => Promise<void>) =>
    it(name, async (t) => (systemd ? run(t) : t.skip('the systemd of a user does not come up on this machine')));
  const clawdbot = (...args: string[]) => here().run(process.execPath, [BUNDLE, ...args]);
  const systemctl = async (...args: string[]) => (await here().run('systemctl', ['--user', ...args])).stdout;
  const show = async (property: string) => (await systemctl('show', UNIT, `--property=${property}`)).trim().split('=')[1] ?? '';
  const mainPid = async () => Number(await show('MainPID'));
  const unitFile = () => join(here().home, '.config', 'systemd', 'user', UNIT);
  const answers = () =>
    fetch(`http://127.0.0.1:${PORT}/health`, { signal: AbortSignal.timeout(500) }).then(
      (response) => response.ok,
      () => false,
    );
  const processes = () =>
    spawnSync('pgrep', ['-u', String(here().uid), '-f', 'clawdbot.mjs gateway|worker.mjs'], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter(Boolean);
  const mine = (path: string, text: string) => {
    const uid = here().uid;
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text, { mode: 0o600 });
    spawnSync('chown', ['-R', `${uid}:${uid}`, join(here().home, '.config'), join(here().home, '.clawdbot')]);
  };

  before(async () => {
    systemd = await startUserSystemd({ after: (action) => void cleanups.unshift(action) });
    simulator = await startSimulator({
      clock: systemClock,
      scenario: { name: 'service', rules: [{ when: { user: '^slow' }, text: 'words '.repeat(40), stream: { chunk: 6, delayMs: 40 } }, { text: 'heard' }] },
    });
    if (!systemd) return;
    const config = {
      gateway: { port: PORT, drainSeconds: 2 },
      models: { providers: { simulator: { baseUrl: simulator.url, api: 'anthropic-messages', apiKey: 'none' } } },
      agents: { defaults: { model: 'simulator/any', sandbox: { mode: 'off' } } },
      backups: { everyHours: 0 },
    };
    mine(join(systemd.home, '.clawdbot', 'clawdbot.json'), JSON.stringify(config));
  });
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
    await simulator?.close();
  });

  whereItRuns('takes over the unit of a predecessor, and its token leaves the environment', async () => {
    mine(unitFile(), PREDECESSOR(here().home));
    await systemctl('daemon-reload');
    await systemctl('enable', '--now', UNIT);
    const installed = await clawdbot('gateway', 'install', '--json');
    assert.equal(installed.code, 0, installed.stderr);
    const { notes, port } = JSON.parse(installed.stdout);
    assert.equal(port, PORT);
    assert.match(notes.join('\n'), /the unit that was there is kept/);
    const text = readFileSync(unitFile(), 'utf8');
    assert.match(text, /Type=notify[\s\S]*LoadCredential=gateway-token:[\s\S]*RestartPreventExitStatus=78[\s\S]*KillMode=mixed/);
    assert.ok(!text.includes(TOKEN));
    assert.ok(!(await systemctl('show', UNIT)).includes(TOKEN));
    const health = await clawdbot('gateway', 'health');
    assert.equal(health.code, 0, health.stderr);
    const status = JSON.parse((await clawdbot('gateway', 'status', '--json')).stdout);
    assert.deepEqual([status.service.label, status.service.loaded, status.service.runtime.status, status.rpc.ok], ['systemd', true, 'running', true]);
  });

  whereItRuns('kill -9 under load: it serves again within 2 s plus RestartSec, and what ran goes on', async (t) => {
    const client = await connectClient(PORT);
    await client.call('agent', { message: 'slow please', sessionKey: 'main', idempotencyKey: 'under-way' });
    await until('the run to begin', () => simulator.requests().length > 0);
    const pid = await mainPid();
    const since = performance.now();
    process.kill(pid, 'SIGKILL');
    client.close();
    await until('it to serve again', async () => (await mainPid()) !== pid && (await answers()), 8000);
    const ms = performance.now() - since;
    t.diagnostic(`serving again after ${Math.round(ms)} ms, RestartSec included`);
    assert.ok(ms < 2000 + 1000 + MACHINE_IS_BUSY_MS, `serving again after ${ms} ms`);
    const again = await connectClient(PORT);
    const ended = (await again.call('agent.wait', { runId: 'under-way', timeoutMs: 20_000 }, { timeoutMs: 25_000 })) as { status: string };
    assert.equal(ended.status, 'ok');
    again.close();
  });

  whereItRuns('a hang is seen by the watchdog', async () => {
    mine(`${unitFile()}.d/fast.conf`, '[Service]\nWatchdogSec=2\n');
    await systemctl('daemon-reload');
    assert.equal((await clawdbot('gateway', 'restart')).code, 0);
    const pid = await mainPid();
    process.kill(pid, 'SIGSTOP');
    await until('another gateway to serve', async () => (await mainPid()) !== pid && (await answers()), 20_000);
    assert.ok(Number(await show('NRestarts')) >= 1);
  });

  whereItRuns('a stop leaves no process behind; what cannot run is not started again and again', async () => {
    assert.equal((await clawdbot('gateway', 'stop')).code, 0);
    await until('all processes to be gone', () => processes().length === 0);
    const store = join(here().home, '.clawdbot', 'gateway.sqlite');
    const whole = readFileSync(store);
    for (const name of readdirSync(join(store, '..'))) if (name.startsWith('gateway.sqlite-')) spawnSync('rm', [join(store, '..', name)]);
    writeFileSync(store, 'this is no store'.repeat(1000));
    await systemctl('start', UNIT);
    await until('it to have failed', async () => (await show('ActiveState')) === 'failed');
    assert.equal(await show('ExecMainStatus'), '78');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(await show('ActiveState'), 'failed');
    writeFileSync(store, whole);
    const started = await clawdbot('gateway', 'start');
    assert.equal(started.code, 0, started.stderr);
  });

  whereItRuns('uninstall puts the predecessor back', async () => {
    const removed = await clawdbot('gateway', 'uninstall');
    assert.match(removed.stdout, /removed[\s\S]*is back and enabled/);
    assert.equal(readFileSync(unitFile(), 'utf8'), PREDECESSOR(here().home));
    assert.ok(existsSync(join(here().home, '.clawdbot', 'gateway.sqlite')), 'the state stays');
    assert.deepEqual(processes(), []);
  });
});
