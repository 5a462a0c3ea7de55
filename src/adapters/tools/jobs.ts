// Commands that a worker runs for its agents: started in their own process group, watched, killed whole.

import { type ChildProcess, spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import type { SandboxLevel } from '../../domain/tool.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import { newSecret } from '../../kit/id.ts';
import { killGroup, startTimeOf } from '../../kit/process-ref.ts';
import type { ProcessLedger } from '../../ports/process-ledger.ts';
import type { SandboxedCommand } from '../../ports/sandbox.ts';

export interface Job {
  readonly id: string;
  readonly agentId: string;
  readonly command: string;
  readonly pid: number;
  readonly cwd: string;
  readonly level: SandboxLevel;
  readonly startedAt: number;
  readonly output: () => string;
  /** Output since the last call. */
  readonly news: () => string;
  readonly state: () => JobState;
  /** Settles when the command has ended and its output is complete. */
  readonly ended: Promise<void>;
  readonly write: (data: string, eof: boolean) => boolean;
  readonly kill: (reason: 'killed' | 'timeout') => void;
}

export type JobState =
  | { readonly kind: 'running' }
  | {
      readonly kind: 'exited';
      readonly code: number | null;
      readonly signal: string | null;
      readonly reason: 'ended' | 'killed' | 'timeout' | 'not_started';
      readonly endedAt: number;
    };

interface JobRequest {
  readonly agentId: string;
  readonly runId: string;
  readonly command: string;
  readonly wrapped: SandboxedCommand;
  readonly cwd: string;
  readonly level: SandboxLevel;
  readonly timeoutMs: number;
}

/**
 * The command waits for one line before it begins: it is noted first, so that a crash at any moment leaves nothing
 * running that nobody knows of. When the worker dies in between, its end of the pipe closes and the command never begins.
 */
const WAIT_FOR_GO = 'read -r go && exec "$@"';
const MAX_OUTPUT_CHARS = 4_000_000;
const KEEP_ENDED_MS = 30 * 60_000;
const TERM_GRACE_MS = 2000;
const CLOSE_GRACE_MS = 300;

export type Jobs = ReturnType<typeof createJobs>;

export function createJobs({ ledger, clock }: { readonly ledger: ProcessLedger; readonly clock: Clock }) {
  const jobs = new Map<string, Job>();

  const start = async ({ agentId, runId, command, wrapped, cwd, level, timeoutMs }: JobRequest): Promise<Job> => {
    prune();
    const child = spawn('/bin/sh', ['-c', WAIT_FOR_GO, 'sh', wrapped.file, ...wrapped.args], {
      cwd: wrapped.cwd,
      env: wrapped.env,
      detached: true,
      stdio: 'pipe',
    });
    const startedAt = clock.now();
    let state: JobState = { kind: 'running' };
    let reason: 'killed' | 'timeout' | undefined;
    const collector = collect(child);
    const ended = new Promise<void>((resolve) => {
      const finish = (code: number | null, signal: string | null, why: 'ended' | 'not_started') => {
        if (state.kind === 'exited') return;
        state = { kind: 'exited', code, signal, reason: reason ?? why, endedAt: clock.now() };
        clearTimeout(deadline);
        resolve();
      };
      child.once('error', (error) => {
        collector.add(`The command could not be started: ${messageOf(error)}`);
        finish(null, null, 'not_started');
      });
      child.once('close', (code, signal) => finish(code, signal, 'ended'));
      // A grandchild in the background may hold the pipes open: the command itself has ended all the same.
      child.once('exit', (code, signal) => setTimeout(() => finish(code, signal, 'ended'), CLOSE_GRACE_MS));
    });
    const kill = (why: 'killed' | 'timeout') => {
      if (state.kind === 'exited' || child.pid === undefined) return;
      reason ??= why;
      killGroup(child.pid, 'SIGTERM');
      const { pid } = child;
      setTimeout(() => state.kind === 'running' && killGroup(pid, 'SIGKILL'), TERM_GRACE_MS);
    };
    const deadline = timeoutMs > 0 ? setTimeout(() => kill('timeout'), timeoutMs) : undefined;
    const pid = child.pid ?? 0;
    const job: Job = {
      id: freshName(jobs),
      agentId,
      command,
      pid,
      cwd,
      level,
      startedAt,
      output: collector.all,
      news: collector.news,
      state: () => state,
      ended,
      write: (data, eof) => {
        if (!child.stdin.writable) return false;
        if (data !== '') child.stdin.write(data);
        if (eof) child.stdin.end();
        return true;
      },
      kill,
    };
    child.stdin.on('error', () => undefined); // the command closed its input: a write then says so by its result
    jobs.set(job.id, job);
    if (pid !== 0) {
      const pidStarted = startTimeOf(pid);
      void ended.then(() => {
        killGroup(pid, 'SIGKILL'); // what the command left behind in its group goes with it
        return ledger.forget(pid, pidStarted);
      });
      try {
        await ledger.note(pid, pidStarted, runId);
      } catch (error) {
        kill('killed');
        throw error;
      }
      child.stdin.write('\n');
    }
    return job;
  };

  const prune = () => {
    const oldest = clock.now() - KEEP_ENDED_MS;
    for (const [id, job] of jobs) {
      const state = job.state();
      if (state.kind === 'exited' && state.endedAt < oldest) jobs.delete(id);
    }
  };

  return {
    start,
    find: (id: string, agentId: string) => {
      const job = jobs.get(id);
      return job?.agentId === agentId ? job : undefined;
    },
    list: (agentId: string) => [...jobs.values()].filter((job) => job.agentId === agentId),
    remove: (id: string) => jobs.delete(id),
    killAll: () => {
      for (const job of jobs.values()) if (job.state().kind === 'running') killGroup(job.pid, 'SIGKILL');
    },
  };
}

function collect(child: ChildProcess) {
  let text = '';
  let dropped = 0;
  let read = 0;
  const add = (piece: string) => {
    text += piece;
    if (text.length <= MAX_OUTPUT_CHARS) return;
    const cut = text.length - MAX_OUTPUT_CHARS / 2;
    text = text.slice(cut);
    dropped += cut;
  };
  for (const stream of [child.stdout, child.stderr]) {
    const decoder = new StringDecoder('utf8');
    stream?.on('data', (chunk: Buffer) => add(decoder.write(chunk)));
  }
  const all = () => (dropped > 0 ? `[… ${dropped} characters left out …]\n${text}` : text);
  return {
    add,
    all,
    news: () => {
      const from = Math.max(0, read - dropped);
      read = dropped + text.length;
      return text.slice(from);
    },
  };
}

const FIRST = ['amber', 'brisk', 'calm', 'clever', 'eager', 'gentle', 'keen', 'lucky', 'mellow', 'nimble', 'quiet', 'swift'];
const SECOND = ['badger', 'brook', 'cedar', 'comet', 'ember', 'falcon', 'harbor', 'maple', 'otter', 'pine', 'summit', 'willow'];

function freshName(taken: ReadonlyMap<string, unknown>): string {
  const number = Number.parseInt(newSecret(3), 16);
  const name = `${FIRST[number % FIRST.length]}-${SECOND[Math.floor(number / FIRST.length) % SECOND.length]}`;
  return taken.has(name) ? `${name}-${number.toString(36)}` : name;
}
