// Files that agents write with plain shell: read as they are, moved without overwriting, written whole. Links are never followed.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../../kit/fault.ts';
import { newSecret, sha256Hex } from '../../kit/id.ts';

const MAX_BYTES = 1_048_576;
/** A file that is being written is left alone until it has been still for this long. */
export const STILL_MS = 3000;

export type ReadFile =
  | { readonly kind: 'text'; readonly text: string; readonly mtimeMs: number; readonly stamp: string }
  | { readonly kind: 'same' }
  | { readonly kind: 'gone' }
  /** No plain file: a folder, a link, a pipe. */
  | { readonly kind: 'other' }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly mtimeMs: number };

/** Reads a plain file of at most a megabyte, unless it is what was read before by its stamp. */
export function readShared(path: string): Exclude<ReadFile, { kind: 'same' }>;
export function readShared(path: string, known: string | undefined): ReadFile;
export function readShared(path: string, known?: string): ReadFile {
  let file: number;
  try {
    if (known !== undefined && stampOf(lstatSync(path)) === known) return { kind: 'same' };
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
      return { kind: 'text', text, mtimeMs, stamp: stampOf({ ino, size, mtimeMs }) };
    } catch {
      return { kind: 'unreadable', reason: 'it is no UTF-8 text', mtimeMs };
    }
  } finally {
    closeSync(file);
  }
}

function stampOf({ ino, size, mtimeMs }: { readonly ino: number; readonly size: number; readonly mtimeMs: number }): string {
  return `${ino}:${size}:${mtimeMs}`;
}

/** A folder on the way leads elsewhere: what was to be done there is not done. */
export class LeadsElsewhere extends Error {}

/** Makes the folder of a path. @throws LeadsElsewhere when a link stands on the way, as an agent may put one there */
function realFolderOf(path: string): string {
  const folder = dirname(path);
  let known = folder;
  while (!existsSync(known)) known = dirname(known);
  const real = realpathSync(known);
  if (real !== known) throw new LeadsElsewhere(`${known} is a link to ${real}: nothing is written there`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

const LONGEST_NAME = 240;

/** A name that a file system takes: long ones lose their middle, never their end. */
function fitting(path: string): string {
  const name = basename(path);
  if (Buffer.byteLength(name) <= LONGEST_NAME) return path;
  const [head, tail] = [[...name], [...name]].map((letters, i) => (i === 0 ? letters.slice(0, 50) : letters.slice(-30)).join(''));
  return join(dirname(path), `${head}~${sha256Hex(name).slice(0, 12)}~${tail}`);
}

/** Moves a file onto a name that is free; a name that is taken is given a number. Answers the new path, or undefined when the file is gone. */
export function moveAside(from: string, wanted: string): string | undefined {
  const to = fitting(wanted);
  realFolderOf(to);
  realFolderOf(from);
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
  const draft = join(realFolderOf(path), `.${newSecret(8)}.new`);
  try {
    writeFileSync(draft, text, { flag: 'wx' });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Puts a file that nobody can read where its reason stands beside it. */
export function quarantine(path: string, wanted: string, reason: string): string | undefined {
  const to = fitting(wanted);
  writeView(`${to}.reason.txt`, `${reason}\n`);
  return moveAside(path, to);
}

/** What is in a folder; one that is not there is empty. */
export function listFolder(path: string): { readonly name: string; readonly isFolder: boolean }[] {
  try {
    return readdirSync(path, { withFileTypes: true }).map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
  } catch {
    return [];
  }
}

/** Names of the files in a folder that are somebody's, not noise. */
export function filesIn(path: string): string[] {
  return listFolder(path).flatMap(({ name, isFolder }) => (isFolder || isNoise(name) ? [] : [name]));
}

/** Markdown files under a folder. */
export function markdownUnder(path: string, depth = 4): string[] {
  return listFolder(path).flatMap(({ name, isFolder }) => {
    if (isNoise(name)) return [];
    if (isFolder) return depth > 1 ? markdownUnder(join(path, name), depth - 1) : [];
    return name.endsWith('.md') ? [join(path, name)] : [];
  });
}

/** Names that belong to editors, to drafts, and to people who explain the folder. */
export function isNoise(name: string): boolean {
  return /^\.|~$|\.(new|tmp|swp|swx|bak|part|lock)$|^readme(\.|$)|^\d+$/i.test(name) || name === 'archive' || name === 'quarantine';
}
