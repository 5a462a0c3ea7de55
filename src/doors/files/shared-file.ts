// Files that agents write with plain shell: read as they are, moved without overwriting, written whole. Links are never followed.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../../kit/fault.ts';
import { newSecret } from '../../kit/id.ts';

const MAX_BYTES = 1_048_576;
/** A file that is being written is left alone until it has been still for this long. */
export const STILL_MS = 3000;

export type ReadFile =
  | { readonly kind: 'text'; readonly text: string; readonly mtimeMs: number; readonly stamp: string }
  | { readonly kind: 'gone' }
  /** No plain file: a folder, a link, a pipe. */
  | { readonly kind: 'other' }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly mtimeMs: number };

/** Reads a plain file of at most a megabyte. */
export function readShared(path: string): ReadFile {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return { kind: 'gone' };
    if (code === 'ELOOP' || code === 'ENXIO' || code === 'EISDIR') return { kind: 'other' };
    return { kind: 'unreadable', reason: `it cannot be opened (${code})`, mtimeMs: 0 };
  }
  try {
    const { size, mtimeMs, ino } = fstatSync(file);
    if (!fstatSync(file).isFile()) return { kind: 'other' };
    if (size > MAX_BYTES) return { kind: 'unreadable', reason: `it is larger than ${MAX_BYTES} bytes`, mtimeMs };
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
      return { kind: 'text', text, mtimeMs, stamp: `${ino}:${size}:${mtimeMs}` };
    } catch {
      return { kind: 'unreadable', reason: 'it is no UTF-8 text', mtimeMs };
    }
  } finally {
    closeSync(file);
  }
}

/** Moves a file onto a name that is free; a name that is taken is given a number. Answers the new path, or undefined when the file is gone. */
export function moveAside(from: string, to: string): string | undefined {
  mkdirSync(dirname(to), { recursive: true });
  for (let n = 1; ; n++) {
    const target = n === 1 ? to : `${to}.${n}`;
    try {
      linkSync(from, target); // unlike rename it never takes the place of another file
      unlinkSync(from);
      return target;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT') return undefined;
      if (code === 'EEXIST') continue;
      if (code !== 'EPERM' && code !== 'EXDEV' && code !== 'EMLINK' && code !== 'ENOTSUP') throw error;
      if (existsSync(target)) continue; // a file system without hard links
      renameSync(from, target);
      return target;
    }
  }
}

/** Readers see the old text or the new one. The store is the truth: nothing waits for the disk. */
export function writeView(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = join(dirname(path), `.${basename(path)}.${newSecret(4)}.new`);
  try {
    writeFileSync(draft, text, { flag: 'wx' });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Puts a file that nobody can read where its reason stands beside it. */
export function quarantine(path: string, to: string, reason: string): string | undefined {
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(`${to}.reason.txt`, `${reason}\n`);
  return moveAside(path, to);
}

/** Names that belong to editors, to drafts, and to people who explain the folder. */
export function isNoise(name: string): boolean {
  return /^\.|~$|\.(new|tmp|swp|swx|bak|part|lock)$|^readme(\.|$)|^\d+$/i.test(name) || name === 'archive' || name === 'quarantine';
}
