// The command line beyond the main job: configuration, devices, approvals, models, agents, doctor, export, terminal.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import JSON5 from 'json5';
import { createInstallation } from '../support/installation.ts';
import { order, startShared } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';
import { connectParams, newDevice, raw, signDevice } from '../support/wire.ts';

const SCENARIO = {
  name: 'cli',
  rules: [
    { when: { user: 'slowly' }, text: 'word '.repeat(400), stream: { chunk: 10, delayMs: 20 } },
    { when: { user: 'briefly' }, text: `${'said '.repeat(40)}the end`, stream: { chunk: 10, delayMs: 20 } },
    { when: { user: 'run it', step: 0 }, tools: [{ name: 'exec', input: { command: 'echo it ran' } }] },
    { when: { user: 'run it', result: '([^]*)' }, text: 'so: {{result.1}}' },
    { text: 'heard {{user}}' },
  ],
};

describe('the command line beside a running gateway', () => {
  const shared = startShared({ before, after }, { scenario: SCENARIO });
  const cli = (...args: readonly string[]) => shared().installation.cli(args);
  const json = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await cli(...args, '--json');
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout);
  };
  const file = () => join(shared().installation.stateDir, 'clawdbot.json');

  it('config: sets, gets, removes, goes back; in effect at once, the rest of the file untouched', async () => {
    const before = readFileSync(file(), 'utf8');
    assert.equal((await cli('config', 'set', 'agents.defaults.maxConcurrent', '9')).stdout, 'Updated agents.defaults.maxConcurrent. In effect.\n');
    assert.equal((await cli('config', 'get', 'agents.defaults.maxConcurrent')).stdout, '9\n');
    const { lanes } = await json('health');
    assert.equal(lanes.find(({ name }: { name: string }) => name === 'main').slots, 9);
    assert.match((await cli('config', 'set', 'gateway.port', '1234')).stdout, /Restart the gateway to apply/);
    const bad = await cli('config', 'set', 'gateway.port', 'x');
    assert.deepEqual([bad.code, bad.stdout], [1, '']);
    assert.match(bad.stderr, /^Error: Config validation failed: gateway\.port: /);
    const typo = await cli('config', 'set', 'gateway.prot', '1');
    assert.match(typo.stderr, /Did you mean "port"\?/);
    assert.equal((await cli('config', 'unset', 'gateway.prot')).code, 0);
    const gone = await cli('config', 'unset', 'gateway.prot');
    assert.deepEqual([gone.code, gone.stderr], [1, 'Config path not found: gateway.prot\n']);
    const { revisions } = await json('config', 'history');
    const first = revisions[0].id;
    assert.match((await cli('config', 'undo', first)).stdout, /^Put back/);
    assert.equal(readFileSync(file(), 'utf8'), before);
    assert.match((await cli('config', 'undo', 'nonsense')).stderr, /no revision "nonsense"/);
  });

  it('devices: a request is shown and answered, a token rotated and revoked', async () => {
    const device = newDevice();
    const client = raw({ after: (action) => after(action) }, shared().gateway.port, { 'x-forwarded-for': '198.51.100.7' });
    const { payload } = await client.challenge();
    client.send({
      type: 'req',
      id: 'c',
      method: 'connect',
      params: connectParams(signDevice(device, { nonce: payload.nonce, token: 'test-token-0123456789abcdef' })),
    });
    const { requestId } = (await client.answer('c')).error.details;
    assert.match((await cli('devices', 'list')).stdout, new RegExp(`approve with: clawdbot devices approve <request>\\)[\\s\\S]*${requestId}`));
    assert.equal((await json('devices', 'approve', requestId)).device.deviceId, device.id);
    assert.equal((await json('devices', 'list')).paired[0].deviceId, device.id);
    assert.match((await json('devices', 'rotate', '--device', device.id, '--role', 'operator')).token, /^[0-9a-f]{32}$/);
    assert.equal((await json('devices', 'revoke', '--device', device.id, '--role', 'operator')).deviceId, device.id);
    const nothing = await cli('devices', 'approve', 'nope');
    assert.deepEqual([nothing.code, nothing.stderr], [1, 'Gateway call failed: Error: unknown requestId\n']);
  });

  it('approvals: questions are listed and answered, patterns kept', async () => {
    const waiting = shared().client.call('exec.approval.request', { id: 'q1', command: 'make install', timeoutMs: 30_000 });
    await until('the question', async () => (await cli('approvals', 'list')).stdout.includes('make install'));
    assert.equal((await cli('approvals', 'resolve', 'q1', 'allow-once')).stdout, 'q1: allow-once\n');
    assert.equal(((await waiting) as { decision: string }).decision, 'allow-once');
    assert.equal((await cli('approvals', 'allowlist', 'add', '/usr/bin/git', '--agent', 'main')).code, 0);
    assert.deepEqual((await json('approvals', 'get')).file.agents.main.allowlist, [{ pattern: '/usr/bin/git' }]);
    assert.equal((await cli('approvals', 'allowlist', 'remove', '/usr/bin/git', '--agent', 'main')).code, 0);
    assert.deepEqual((await json('exec-approvals', 'get')).file.agents.main.allowlist, []);
  });

  it('models and agents: listed and changed in the file, comments and all', async () => {
    writeFileSync(file(), `// models\n${readFileSync(file(), 'utf8')}`);
    await until('seen', async () => ((await shared().client.call('config.get')) as { raw: string }).raw.startsWith('// models'));
    assert.deepEqual((await json('models', 'list')).models[0].key, 'simulator/any');
    assert.equal((await cli('models', 'fallbacks', 'add', 'sonnet')).code, 0);
    assert.deepEqual((await json('models', 'status')).fallbacks, ['sonnet']);
    assert.equal((await cli('models', 'set', 'simulator/other')).code, 0);
    assert.equal((await cli('models', 'aliases', 'add', 'fast', 'simulator/v1.5')).code, 0);
    assert.deepEqual((await json('models', 'aliases', 'list')).aliases, { fast: 'simulator/v1.5' });
    assert.equal((await cli('models', 'aliases', 'remove', 'fast')).code, 0);
    assert.equal((await cli('models', 'fallbacks', 'clear')).code, 0);
    assert.equal((await cli('models', 'set', 'simulator/any')).code, 0);
    assert.equal(JSON5.parse(readFileSync(file(), 'utf8')).agents.defaults.model, 'simulator/any');

    assert.match((await cli('agents', 'add', 'Bad Name', '--workspace', '/tmp/x')).stderr, /small letters/);
    assert.equal((await cli('agents', 'add', 'research', '--workspace', shared().workspace)).code, 0);
    assert.deepEqual(
      (await json('agents', 'list')).map(({ id, isDefault }: { id: string; isDefault: boolean }) => [id, isDefault]),
      [
        ['main', true],
        ['research', false],
      ],
    );
    assert.equal((await cli('agents', 'set-identity', '--agent', 'research', '--name', 'Rosa', '--emoji', 'R')).code, 0);
    assert.deepEqual(await shared().client.call('agent.identity.get', { agentId: 'research' }), { agentId: 'research', name: 'Rosa', avatar: 'R' });
    assert.equal((await cli('agent', '--agent', 'research', '-m', 'hi')).stdout, 'heard hi\n');
    assert.equal((await cli('agents', 'delete', 'research')).code, 0);
    assert.match((await cli('agent', '--agent', 'research', '-m', 'hi')).stderr, /unknown agent id "research"/);
    assert.ok(readFileSync(file(), 'utf8').startsWith('// models'));
  });

  it('system, gateway and status say what clients parse', async () => {
    assert.deepEqual(await json('system', 'event', '--text', 'hello'), { ok: true });
    assert.deepEqual(await json('system', 'heartbeat', 'disable'), { ok: true, enabled: false });
    assert.deepEqual(await json('system', 'heartbeat', 'enable'), { ok: true, enabled: true });
    assert.equal((await json('system', 'presence'))[0].mode, 'gateway');
    assert.deepEqual((await json('gateway', 'usage-cost')).days, 30);
    assert.equal((await json('gateway', 'probe')).targets[0].connect.ok, true);
    const status = await json('gateway', 'status');
    assert.deepEqual([status.rpc.ok, status.port.status, status.gateway.port], [true, 'busy', shared().gateway.port]);
    const whole = await json('status');
    assert.deepEqual([whole.gateway.reachable, whole.gateway.self.mode, typeof whole.sessions.count], [true, 'gateway', 'number']);
    assert.deepEqual((await json('channels', 'list')).chat, {});
  });

  it('sessions are exported as the original keeps them, and what others wrote there stays', async () => {
    await order(shared().client, 'to be exported', { session: 'exported' });
    const dir = join(shared().installation.stateDir, 'agents', 'main', 'sessions');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'sessions.json'), JSON.stringify({ 'agent:main:old': { sessionId: 'old', updatedAt: 1 } }));
    assert.ok((await json('sessions', 'export')).sessions >= 1);
    const written = JSON.parse(readFileSync(join(dir, 'sessions.json'), 'utf8'));
    assert.deepEqual(written['agent:main:old'], { sessionId: 'old', updatedAt: 1 });
    const { sessionId, sessionFile } = written['agent:main:exported'];
    assert.equal(sessionFile, join(dir, `${sessionId}.jsonl`));
    const lines = readFileSync(sessionFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([lines[0].type, lines[0].version, lines[0].id], ['session', 3, sessionId]);
    assert.deepEqual(
      lines.slice(1).map(({ message }) => message.role),
      ['user', 'assistant'],
    );
    assert.deepEqual([lines[1].parentId, lines[2].parentId], [null, lines[1].id]);
    assert.ok(existsSync(join(dir, 'sessions.json.before-export')));
    const elsewhere = join(shared().dir, 'out');
    await json('sessions', 'export', '--out', elsewhere);
    assert.ok(existsSync(join(elsewhere, 'agents', 'main', 'sessions', 'sessions.json')));
  });

  it('tui: a program can talk through it', async () => {
    const { installation } = shared();
    const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'dist', 'clawdbot.mjs'), 'tui', '--session', 'typed'], {
      env: installation.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    child.stdin.end('hello there\n/status\n/sessions\n/session other\nand here\n');
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0);
    assert.match(seen, /heard hello there[\s\S]*Model: simulator\/any[\s\S]*\* {2}agent:main:typed[\s\S]*-- agent:main:other[\s\S]*heard and here/);
  });

  it('tui: shows what an agent wants to run, and takes the answer', async () => {
    await cli('config', 'set', 'tools.exec.ask', 'always');
    const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'dist', 'clawdbot.mjs'), 'tui', '--session', 'asked'], {
      env: shared().installation.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    child.stdin.end('run it\n/deny\nrun it\n/allow\n');
    assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
    await cli('config', 'unset', 'tools.exec.ask');
    assert.match(seen, /may this run\? echo it ran[\s\S]*so: Command not run: a person said no[\s\S]*may this run\?[\s\S]*so: it ran/);
  });

  it('tui: a person sees the answer as it comes, stops it with Esc, and leaves with Ctrl-D', {
    skip: !existsSync('/usr/bin/script') && 'script is not installed',
  }, async () => {
    const { installation } = shared();
    const command = `${process.execPath} ${join(import.meta.dirname, '..', '..', 'dist', 'clawdbot.mjs')} tui --session person`;
    const child = spawn('/usr/bin/script', ['-qefc', command, '/dev/null'], {
      env: { ...installation.environment, TERM: 'xterm', SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await until('the prompt', () => seen.includes('/help for commands'));
    child.stdin.write('slowly\r');
    await until('the answer begins', () => /word word word/.test(seen));
    child.stdin.write('\u001b');
    await until('it is stopped', () => seen.includes('(stopped)'));
    child.stdin.write('hello\r');
    await until('the next answer', () => seen.includes('heard hello'));
    child.stdin.write('briefly\r');
    await until('the last answer begins', () => seen.includes('said'));
    child.stdin.write('\u0004'); // while it still comes
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, seen);
    assert.match(seen, /the end/);
  });
});

describe('the command line without a gateway', () => {
  it('changes the configuration itself, and says when it applies', async (t) => {
    const installation = await createInstallation({ dir: scratchDir(t) });
    t.after(() => installation.close());
    const { cli } = installation;
    assert.equal(
      (await cli(['config', 'set', 'agents.defaults.maxConcurrent', '3'])).stdout,
      'Updated agents.defaults.maxConcurrent. It applies at the next start.\n',
    );
    assert.equal((await cli(['config', 'get', 'agents.defaults.maxConcurrent'])).stdout, '3\n');
    assert.match((await cli(['config', 'set', 'gateway.port', '"x"'])).stderr, /Config validation failed/);
    assert.equal((await cli(['config', 'undo'])).code, 0);
    assert.equal((await cli(['config', 'get', 'agents.defaults.maxConcurrent'])).stdout, '4\n');
    const devices = await cli(['devices', 'list']);
    assert.deepEqual([devices.code, /Start one with: clawdbot gateway/.test(devices.stderr)], [1, true]);
    const status = await cli(['status', '--json']);
    assert.deepEqual([status.code, JSON.parse(status.stdout).gateway.reachable], [0, false]);
  });

  it('doctor finds what is wrong, with evidence and fix, and changes nothing', async (t) => {
    const installation = await createInstallation({ dir: scratchDir(t) });
    t.after(() => installation.close());
    const { cli, stateDir, home } = installation;
    const path = join(stateDir, 'clawdbot.json');
    const good = readFileSync(path, 'utf8');
    const doctor = async () => {
      const before = readFileSync(path, 'utf8');
      const { code, stdout } = await cli(['doctor', '--json', '--non-interactive']);
      assert.equal(code, 0);
      assert.equal(readFileSync(path, 'utf8'), before);
      const { findings } = JSON.parse(stdout) as { findings: { id: string; evidence: string; fix: string }[] };
      for (const { id, evidence, fix } of findings) assert.ok(evidence.length > 5 && fix.length > 5, id);
      return findings.map(({ id }) => id);
    };
    assert.ok((await doctor()).includes('gateway.down'));
    const cases: readonly (readonly [string, (value: Record<string, Record<string, unknown>>) => void])[] = [
      ['config.unknown-key', (value) => Object.assign(value['gateway'] ?? {}, { prot: 1 })],
      ['gateway.token-short', (value) => Object.assign(value['gateway'] ?? {}, { auth: { mode: 'token', token: 'short' } })],
      ['gateway.exposed', (value) => Object.assign(value['gateway'] ?? {}, { bind: 'lan' })],
      ['hooks.no-token', (value) => Object.assign(value, { hooks: { enabled: true } })],
      ['model.credential', (value) => Object.assign(value['agents']?.['defaults'] ?? {}, { model: 'opus' })],
      ['model.replaced', (value) => Object.assign(value['agents']?.['defaults'] ?? {}, { model: 'anthropic/claude-3-haiku-20240307' })],
      ['sandbox.off', () => undefined],
    ];
    for (const [id, change] of cases) {
      const value = JSON.parse(good);
      change(value);
      writeFileSync(path, JSON.stringify(value));
      assert.ok((await doctor()).includes(id), id);
    }
    writeFileSync(path, '{ broken');
    assert.ok((await doctor()).includes('config.invalid'));
    writeFileSync(path, good);
    chmodSync(path, 0o644);
    mkdirSync(join(home, '.config', 'systemd', 'user'), { recursive: true });
    writeFileSync(
      join(home, '.config', 'systemd', 'user', 'clawdbot-gateway.service'),
      '[Service]\nKillMode=process\nEnvironment=CLAWDBOT_GATEWAY_TOKEN=tok\n',
    );
    writeFileSync(join(stateDir, 'gateway.sqlite'), 'no database at all '.repeat(100));
    const found = await doctor();
    for (const id of ['state.permissions', 'service.token-in-unit', 'service.kill-mode', 'store.unreadable'])
      assert.ok(found.includes(id), `${id} in ${found.join(', ')}`);
    const repair = await cli(['doctor', '--fix']);
    assert.deepEqual([repair.code, /changes nothing/.test(repair.stderr)], [0, true]);
  });
});
