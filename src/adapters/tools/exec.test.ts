// Commands for real: output, limits, whole groups killed, sandbox.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { scratchDir, until } from '../../../test/support/scratch.ts';
import type { SandboxChoice } from '../../domain/tool.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLog } from '../../kit/log.ts';
import { startTimeOf } from '../../kit/process-ref.ts';
import type { ToolContext } from '../../ports/tool.ts';
import { createFileBlobs } from '../blob/files.ts';
import { createSandboxPicker } from '../sandbox/catalog.ts';
import { createExecTool, createProcessTool, type ExecSettings } from './exec.ts';
import { createJobs } from './jobs.ts';

const pickSandbox = await createSandboxPicker(process.env['PATH'] ?? '');
const hasBwrap = pickSandbox('bwrap').ok;
const skipBwrap = hasBwrap ? false : 'bubblewrap is not available here: apt install bubblewrap';

function setUp(t: TestContext, choice: SandboxChoice = 'none', settings: Partial<ExecSettings> = {}) {
  const dir = scratchDir(t);
  const workspace = join(dir, 'workspace');
  const stateDir = join(dir, 'state');
  mkdirSync(workspace);
  mkdirSync(stateDir);
  writeFileSync(join(stateDir, 'secret'), 'state secret');
  const noted: number[] = [];
  const jobs = createJobs({ clock: systemClock, ledger: { note: async (pid) => void noted.push(pid), forget: async () => undefined } });
  t.after(() => jobs.killAll());
  const stop = new AbortController();
  const context: ToolContext = {
    workspaceId: 'w',
    agentId: 'main',
    runId: 'run_1',
    callId: 'call',
    sessionKey: 'agent:main:main',
    workspace,
    fileRoot: workspace,
    forbidden: [stateDir],
    sandbox: pickSandbox(choice),
    mayRun: async () => ({ ok: true }),
    signal: stop.signal,
    blobs: createFileBlobs(join(dir, 'blobs')),
    log: silentLog,
  };
  const exec = createExecTool(
    jobs,
    { timeoutSec: 30, backgroundMs: 5000, network: 'none', pathPrepend: [], binds: [], baseEnv: { PATH: '/usr/local/bin:/usr/bin:/bin' }, ...settings },
    systemClock,
  );
  const processTool = createProcessTool(jobs);
  return {
    workspace,
    stateDir,
    context,
    stop,
    noted,
    run: (input: Record<string, unknown>) => exec.run(input, context),
    process: (input: Record<string, unknown>) => processTool.run(input, context),
  };
}

describe('exec', () => {
  it('gives output, exit code and the sandbox level', async (t) => {
    const { run } = setUp(t);
    const ok = await run({ command: 'echo out; echo err >&2' });
    assert.deepEqual([ok.text.split('\n').sort(), ok.isError, ok.details?.['sandbox']], [['err', 'out'], false, 'none']);
    const failed = await run({ command: 'echo no; exit 3' });
    assert.match(failed.text, /no\n\nCommand exited with code 3/);
  });

  it('runs in the workspace, with an environment of its own', async (t) => {
    const { run, workspace } = setUp(t);
    assert.equal((await run({ command: 'pwd' })).text, workspace);
    const { text } = await run({ command: 'env', env: { MINE: 'yes' } });
    assert.match(text, /MINE=yes/);
    assert.deepEqual(
      text
        .split('\n')
        .map((line) => line.split('=')[0])
        .filter((name) => !['PATH', 'PWD', 'MINE', 'CLAWDBOT_RUN', '_', 'SHLVL', 'OLDPWD'].includes(name ?? '')),
      [],
    );
  });

  it('a time-out kills the whole group', async (t) => {
    const { run, workspace } = setUp(t);
    const outcome = await run({ command: 'sleep 60 & echo $! > child; wait', timeout: 0.3 });
    assert.match(outcome.text, /timed out/);
    const child = Number(readFileSync(join(workspace, 'child'), 'utf8'));
    await until('the child is dead', () => startTimeOf(child) === '');
  });

  it('an abort kills what runs in the foreground', async (t) => {
    const { run, stop, noted } = setUp(t);
    setTimeout(() => stop.abort('abort'), 100);
    const outcome = await run({ command: 'sleep 60' });
    assert.match(outcome.text, /killed/);
    assert.equal(noted.length, 1);
    assert.equal(startTimeOf(noted[0] ?? 0), '');
  });

  it('a long command goes to the background and is followed with process', async (t) => {
    const { run, process } = setUp(t);
    const started = await run({ command: 'echo begin; read line; echo "got $line"', yieldMs: 200 });
    assert.match(started.text, /still running \(session ([a-z-]+), pid \d+\)/);
    const sessionId = String(started.details?.['sessionId']);
    assert.match((await process({ action: 'list' })).text, new RegExp(sessionId));
    await process({ action: 'submit', sessionId, text: 'hello' });
    const done = await until('the command ends', async () => {
      const polled = await process({ action: 'poll', sessionId });
      return polled.text.includes('got hello') && polled;
    });
    assert.match(done.text, /got hello/);
    assert.match((await process({ action: 'log', sessionId })).text, /begin\ngot hello/);
    assert.equal((await process({ action: 'poll', sessionId: 'nobody' })).isError, true);
  });

  it('a command that leaves a child in the background still returns', async (t) => {
    const { run } = setUp(t);
    const before = performance.now();
    assert.equal((await run({ command: 'sleep 30 & echo done' })).text, 'done');
    assert.ok(performance.now() - before < 3000);
  });

  it('keeps long output by reference', async (t) => {
    const { run, context } = setUp(t);
    const outcome = await run({ command: 'seq 1 20000' });
    assert.ok(outcome.text.length < 31_000);
    const whole = await context.blobs.get(String(outcome.details?.['blob']));
    assert.equal(whole?.toString().split('\n').length, 20_000);
  });

  it('a pseudo-terminal is one', async (t) => {
    const { run } = setUp(t);
    assert.match((await run({ command: 'test -t 1 && echo terminal', pty: true })).text, /terminal/);
  });

  it('begins a command only when it is noted, and not at all when that fails', async (t) => {
    const { context, workspace } = setUp(t);
    const made = join(workspace, 'made');
    let begunEarly = false;
    const slow = async () => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      begunEarly = existsSync(made);
    };
    const execWith = (note: () => Promise<void>) => {
      const jobs = createJobs({ clock: systemClock, ledger: { note, forget: async () => undefined } });
      const settings = { timeoutSec: 5, backgroundMs: 2000, network: 'none' as const, pathPrepend: [], binds: [], baseEnv: { PATH: '/usr/bin:/bin' } };
      return createExecTool(jobs, settings, systemClock).run({ command: `touch ${made}` }, context);
    };
    await assert.rejects(
      execWith(() => Promise.reject(new Error('disk full'))),
      /disk full/,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(!existsSync(made));
    await execWith(slow);
    assert.deepEqual([begunEarly, existsSync(made)], [false, true]);
  });

  it('is refused with the fix when the sandbox is missing', async (t) => {
    const { context } = setUp(t);
    const jobs = createJobs({ clock: systemClock, ledger: { note: async () => undefined, forget: async () => undefined } });
    const exec = createExecTool(jobs, { timeoutSec: 1, backgroundMs: 100, network: 'none', pathPrepend: [], binds: [], baseEnv: {} }, systemClock);
    const outcome = await exec.run({ command: 'true' }, { ...context, sandbox: { ok: false, refusal: 'install bubblewrap' } });
    assert.deepEqual(outcome, { text: 'install bubblewrap', isError: true });
  });
});

describe('exec in bubblewrap', { skip: skipBwrap }, () => {
  it('sees the workspace and the system, not the gateway state nor the home of its owner', async (t) => {
    const { run, workspace, stateDir } = setUp(t, 'bwrap');
    assert.equal((await run({ command: 'echo hi > made && cat made' })).text, 'hi');
    assert.ok(existsSync(join(workspace, 'made')));
    assert.match((await run({ command: `cat ${stateDir}/secret` })).text, /No such file/);
    assert.match((await run({ command: 'ls /root /home' })).text, /No such file|cannot access/);
    assert.match((await run({ command: 'touch /usr/x' })).text, /Read-only/);
    assert.equal((await run({ command: 'node -p 6*7' })).text, '42');
  });

  it('has no network and sees only its own processes', async (t) => {
    const { run } = setUp(t, 'bwrap');
    assert.match((await run({ command: 'cat /proc/net/dev' })).text, /^(?!.*eth).*$/s);
    const { text } = await run({ command: 'ls /proc | grep -c "^[0-9]"' });
    assert.ok(Number(text) < 10, text);
  });

  it('a working folder outside the workspace is refused', async (t) => {
    const { run } = setUp(t, 'bwrap');
    assert.match((await run({ command: 'true', workdir: '/etc' })).text, /outside the workspace/);
  });

  it('everything ends with a time-out, also what made a session of its own', async (t) => {
    const { run } = setUp(t, 'bwrap');
    const outcome = await run({ command: 'setsid sleep 61.5 & wait', timeout: 0.3 });
    assert.match(outcome.text, /timed out/);
    await until('the sandbox is empty', () => spawnedSleeps() === 0);
  });
});

function spawnedSleeps(): number {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && safeRead(`/proc/${name}/cmdline`).includes('61.5')).length;
}

function safeRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // gone in between
  }
}
