// Where the log goes: the folder people know, but only when it is safely ours; else the state folder.

import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../kit/fault.ts';

const KNOWN_DIR = '/tmp/moltbot';

interface LogDirChoice {
  readonly configured: string | undefined;
  readonly stateDir: string;
  /** Only the usual state folder uses the shared place: other instances keep their logs apart. */
  readonly defaultState: boolean;
}

/** The folder, made when missing. The shared one is refused when it is a link, somebody else's, or open to others. */
export function chooseLogDir({ configured, stateDir, defaultState }: LogDirChoice): string {
  if (configured !== undefined) {
    mkdirSync(configured, { recursive: true, mode: 0o700 });
    return configured;
  }
  if (defaultState && isSafelyOurs(KNOWN_DIR)) return KNOWN_DIR;
  const own = join(stateDir, 'logs');
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return own;
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
