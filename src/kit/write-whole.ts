// Writes a file whole or not at all, private to its owner.

import { closeSync, fsyncSync, mkdirSync, openSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from './fault.ts';
import { newSecret } from './id.ts';

/** Draft, fsync, rename, fsync of the folder. A link is followed: the file it leads to is replaced, not the link. */
export function writeWhole(written: string, text: string): void {
  const path = linkTarget(written);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${newSecret(4)}.new`;
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function linkTarget(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return path;
    throw error;
  }
}
