// Where the log goes: the folder people know, but only when it is safely ours; else the state folder.

import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../kit/fault.ts';

const KNOWN_DIR = '/tmp/moltbot';

interface LogDirChoice {
  readonly configured: string | undefined;
  readonly stateDir: string;
  /** Only the usual state folder uses the shared place: other instances keep their logs apart. */
  readonly defaultState: boolean;
}

/**
 * The folder, made when missing. One that cannot be written gives way to the state folder: a log never stops a start.
 * The shared one is refused when it is a link, somebody else's, or open to others.
 */
export function chooseLogDir({ configured, stateDir, defaultState }: LogDirChoice): string {
  if (configured !== undefined && isWritable(configured)) return configured;
  if (configured === undefined && defaultState && isSafelyOurs(KNOWN_DIR)) return KNOWN_DIR;
  const own = join(stateDir, 'logs');
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return own;
}

function isWritable(dir: string): boolean {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false; // health names the folder that is used
  }
}

function isSafelyOurs(dir: string): boolean {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') return false;
  }
  const info = lstatSync(dir);
  return info.isDirectory() && info.uid === process.getuid?.() && (info.mode & 0o077) === 0;
}
