// Backups by schedule: a process of its own makes them, so that nothing here waits for the disk.

import { spawn } from 'node:child_process';
import { listBackups } from '../adapters/backup/folder.ts';
import { messageOf } from '../kit/fault.ts';
import { type Loop, startLoop } from '../kit/loop.ts';
import type { LoopWorld } from '../ports/loop-world.ts';
import { type Environment, workerEnvironment } from './environment.ts';

const LOOK_EVERY_MS = 300_000;
/** A gateway that has just started has other things to do. */
const FIRST_AFTER_MS = 60_000;
const HOUR_MS = 3_600_000;

interface BackupState {
  readonly lastAt: number | null;
  readonly problem: string | null;
}

interface BackupPlace {
  readonly dir: () => string;
  /** A disk that is nearly full is not filled up with copies. */
  readonly hasRoom: () => boolean;
}

export interface Backups extends Loop {
  readonly state: () => BackupState;
}

export function startBackups({ config, clock, log, isMine }: LoopWorld, environment: Environment, { dir, hasRoom }: BackupPlace): Backups {
  let state: BackupState = { lastAt: null, problem: null };
  const startedAt = clock.now();
  const run = async (): Promise<number> => {
    const { everyHours } = config().backups;
    const lastAt = listBackups(dir())[0]?.createdAt ?? null;
    state = { ...state, lastAt };
    const wait = startedAt + FIRST_AFTER_MS - clock.now();
    if (everyHours === 0 || !isMine() || !hasRoom() || (lastAt !== null && clock.now() - lastAt < everyHours * HOUR_MS)) return LOOK_EVERY_MS;
    if (wait > 0) return wait;
    try {
      await createInOwnProcess(environment);
      state = { lastAt: clock.now(), problem: null };
      log.info({ dir: dir() }, 'a backup was made and tried out');
    } catch (error) {
      state = { ...state, problem: messageOf(error) };
      log.warn({ error: messageOf(error) }, 'no backup could be made');
    }
    return LOOK_EVERY_MS;
  };
  return { ...startLoop({ name: 'backups', everyMs: LOOK_EVERY_MS, run, clock, log }), state: () => state };
}

function createInOwnProcess({ stateDir, configPath }: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { ...workerEnvironment(), CLAWDBOT_STATE_DIR: stateDir, CLAWDBOT_CONFIG_PATH: configPath };
    const child = spawn(process.execPath, [process.argv[1] ?? '', 'backup', 'create', '--json'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-2000);
    });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(said.trim() || `it ended with code ${code}`))));
  });
}
