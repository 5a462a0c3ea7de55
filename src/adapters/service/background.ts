// Where no service manager runs: a process of our own that starts the gateway, looks after it, and starts it again.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../kit/clock.ts';
import { errorCode } from '../../kit/fault.ts';
import { startTimeOf } from '../../kit/process-ref.ts';

interface Supervised {
  readonly pid: number;
  readonly pidStarted: string;
  readonly child: number | null;
  readonly restarts: number;
}

const RESTART_AFTER_MS = 1000;
/** So many starts within this time mean that it cannot run. */
const START_LIMIT = 10;
const START_WINDOW_MS = 120_000;
const CANNOT_RUN = 78;
const LOOK_EVERY_MS = 10_000;
const SILENT_LOOKS = 3;

function fileIn(stateDir: string): string {
  return join(stateDir, 'run', 'supervisor.json');
}

/** The supervisor of this state, if one lives. */
export function supervisorOf(stateDir: string): Supervised | undefined {
  try {
    const found = JSON.parse(readFileSync(fileIn(stateDir), 'utf8')) as Supervised; // written below
    return startTimeOf(found.pid) === found.pidStarted ? found : undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Starts a supervisor that outlives this process. Answers where it writes what the gateway says. */
export function startSupervisor(stateDir: string, command: readonly string[], env: Readonly<Record<string, string | undefined>>): string {
  mkdirSync(join(stateDir, 'run'), { recursive: true, mode: 0o700 });
  mkdirSync(join(stateDir, 'logs'), { recursive: true, mode: 0o700 });
  const log = join(stateDir, 'logs', 'service.log');
  const out = openSync(log, 'a', 0o600);
  const [program = '', ...args] = command;
  spawn(program, args, { env, detached: true, stdio: ['ignore', out, out], cwd: '/' }).unref();
  closeSync(out);
  return log;
}

interface SuperviseOptions {
  readonly stateDir: string;
  readonly command: readonly string[];
  readonly clock: Clock;
  /** Whether the gateway answers. */
  readonly answers: () => Promise<boolean>;
  readonly say: (text: string) => void;
}

/** Runs until it is told to stop (SIGTERM), or the gateway cannot run. SIGHUP starts the gateway anew. Answers the exit code. */
export async function supervise({ stateDir, command, clock, answers, say }: SuperviseOptions): Promise<number> {
  const self = { pid: process.pid, pidStarted: startTimeOf(process.pid) };
  const stopping = new AbortController();
  let child: ReturnType<typeof spawn> | undefined;
  let restarts = 0;
  const starts: number[] = [];
  const note = () => writeFileSync(fileIn(stateDir), JSON.stringify({ ...self, child: child?.pid ?? null, restarts } satisfies Supervised), { mode: 0o600 });
  process.on('SIGTERM', () => {
    stopping.abort();
    child?.kill('SIGTERM');
  });
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => child?.kill('SIGTERM'));

  try {
    while (!stopping.signal.aborted) {
      starts.push(clock.now());
      if (starts.filter((at) => at > clock.now() - START_WINDOW_MS).length > START_LIMIT) {
        say(`the gateway was started ${START_LIMIT} times within ${START_WINDOW_MS / 1000} s: given up. See what it says above`);
        return 1;
      }
      const [program = '', ...args] = command;
      const started = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
      child = started;
      note();
      const ended = new AbortController();
      const exit = new Promise<number | string>((resolve) => {
        started.once('error', (error) => resolve(error.message));
        started.once('exit', (code, signal) => resolve(code ?? String(signal)));
      }).finally(() => ended.abort());
      void watch(started, ended.signal);
      const result = await exit;
      if (stopping.signal.aborted) return 0;
      if (result === CANNOT_RUN) {
        say('the gateway cannot run as things are: it is not started again');
        return CANNOT_RUN;
      }
      restarts += 1;
      say(`the gateway ended (${result}); it is started again`);
      await clock.sleep(RESTART_AFTER_MS, stopping.signal);
    }
    return 0;
  } finally {
    rmSync(fileIn(stateDir), { force: true });
  }

  /** A gateway that lives and does not answer is killed: the next one goes on from what is durable. */
  async function watch(started: ReturnType<typeof spawn>, ended: AbortSignal): Promise<void> {
    let silent = 0;
    while (!ended.aborted) {
      await clock.sleep(LOOK_EVERY_MS, ended);
      if (ended.aborted || stopping.signal.aborted) return;
      silent = (await answers()) ? 0 : silent + 1;
      if (silent < SILENT_LOOKS) continue;
      say(`the gateway has not answered for ${(SILENT_LOOKS * LOOK_EVERY_MS) / 1000} s: it is killed and started again`);
      started.kill('SIGKILL');
      return;
    }
  }
}
