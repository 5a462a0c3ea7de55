// A command from its start to its end, with its output, within its time; its whole process group ends with it.

import { spawn } from 'node:child_process';
import { killGroup } from '../../kit/process-ref.ts';
import type { CommandResult } from '../../ports/repo.ts';
import type { SandboxedCommand } from '../../ports/sandbox.ts';

interface CommandOptions {
  readonly wrapped: SandboxedCommand;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly stdin?: string;
}

const MAX_OUTPUT = 16_777_216;

export function runCommand({ wrapped, timeoutMs, signal, stdin }: CommandOptions): Promise<CommandResult> {
  const child = spawn(wrapped.file, [...wrapped.args], { cwd: wrapped.cwd, env: wrapped.env, detached: true, stdio: 'pipe' });
  const out = { stdout: [] as Buffer[], stderr: [] as Buffer[], size: 0 };
  let timedOut = false;
  const kill = () => {
    if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
  };
  const keep = (to: Buffer[]) => (chunk: Buffer) => {
    out.size += chunk.length;
    if (out.size <= MAX_OUTPUT) to.push(chunk);
    else kill();
  };
  child.stdout.on('data', keep(out.stdout));
  child.stderr.on('data', keep(out.stderr));
  child.stdin.on('error', () => undefined); // it did not want its input
  child.stdin.end(stdin);
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, timeoutMs);
  signal.addEventListener('abort', kill, { once: true });
  return new Promise((resolve) => {
    const finish = (code: number | null, problem = '') => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      kill();
      resolve({ code, stdout: Buffer.concat(out.stdout).toString('utf8'), stderr: Buffer.concat(out.stderr).toString('utf8') + problem, timedOut });
    };
    child.once('error', (error) => finish(null, error.message));
    child.once('close', (code) => finish(code));
  });
}
