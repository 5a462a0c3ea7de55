// Opens files under a root by directory handles, one component at a time: no link and no race leads out of it.

import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, rename, unlink } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { fault } from '../../domain/fault-codes.ts';
import { errorCode } from '../../kit/fault.ts';
import { newSecret } from '../../kit/id.ts';

const MAX_LINKS = 16;
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, O_CREAT, O_EXCL } = constants;

export interface FileArea {
  /** Absolute; relative paths start here. */
  readonly base: string;
  /** Absolute; nothing outside is opened. */
  readonly root: string;
  readonly forbidden: readonly string[];
}

interface Place {
  readonly dir: FileHandle;
  readonly name: string;
}

/** Path of an entry of an open directory, resolved by the kernel from the handle. */
const entry = ({ dir, name }: Place) => `/proc/self/fd/${dir.fd}/${name}`;

/** The whole file. @throws Fault `tool.refused` for what is outside, missing, or no regular file */
export async function readInside(area: FileArea, path: string): Promise<Buffer> {
  return withPlace(area, path, false, async (place) => {
    const file = await openEntry(place, O_RDONLY | O_NONBLOCK, path);
    try {
      if (!(await file.stat()).isFile()) throw refuse(`${path} is not a regular file`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  });
}

/** Replaces or makes a file, whole or not at all; missing folders are made, an existing file keeps its mode. */
export async function writeInside(area: FileArea, path: string, content: string): Promise<void> {
  await withPlace(area, path, true, async (place) => {
    const draft = { dir: place.dir, name: `.${newSecret(6)}.tmp` };
    const file = await open(entry(draft), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, await modeOf(place, path));
    try {
      await file.writeFile(content);
      await file.sync();
      await file.close();
      await rename(entry(draft), entry(place));
    } catch (error) {
      await file.close();
      await unlink(entry(draft));
      throw error;
    }
  });
}

async function modeOf(place: Place, path: string): Promise<number> {
  try {
    const file = await openEntry(place, O_RDONLY | O_NONBLOCK, path);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw refuse(`${path} is not a regular file`);
      return info.mode & 0o777;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === 'tool.refused' && /does not exist/.test(String(error))) return 0o644;
    throw error;
  }
}

async function withPlace<T>(area: FileArea, path: string, makeFolders: boolean, use: (place: Place) => Promise<T>): Promise<T> {
  let target = resolve(area.base, path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    const found = await walk(area, target, path, makeFolders);
    if ('place' in found) {
      try {
        return await use(found.place);
      } finally {
        await found.place.dir.close();
      }
    }
    target = found.goto;
  }
  throw refuse(`${path} has too many links`);
}

/** Goes down to the folder of `target`; answers where a link on the way (or the last name, when it is one) leads. */
async function walk({ root, forbidden }: FileArea, target: string, path: string, makeFolders: boolean): Promise<{ place: Place } | { goto: string }> {
  const inside = relative(root, target);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw refuse(`${path} is outside ${root}, where this agent may work`);
  if (forbidden.some((folder) => target === folder || target.startsWith(folder + sep)))
    throw refuse(`${path} belongs to the gateway and is out of reach for agents`);
  const names = inside.split(sep);
  let dir = await open(root, O_RDONLY | O_DIRECTORY);
  let reached = root;
  try {
    for (const [i, name] of names.entries()) {
      const place = { dir, name };
      const link = await linkAt(place);
      if (link !== undefined) {
        await dir.close();
        return { goto: resolve(reached, link, ...names.slice(i + 1)) };
      }
      if (i === names.length - 1) return { place };
      const next = await openFolder(place, path, makeFolders);
      await dir.close();
      dir = next;
      reached = resolve(reached, name);
    }
  } catch (error) {
    await dir.close();
    throw error;
  }
  throw refuse(`${path} has no name`);
}

async function linkAt(place: Place): Promise<string | undefined> {
  try {
    return await readlink(entry(place));
  } catch (error) {
    if (errorCode(error) === 'EINVAL' || errorCode(error) === 'ENOENT') return undefined; // no link, or nothing there yet
    throw error;
  }
}

async function openFolder(place: Place, path: string, make: boolean): Promise<FileHandle> {
  try {
    return await openEntry(place, O_RDONLY | O_DIRECTORY, path);
  } catch (error) {
    if (!make || !/does not exist/.test(String(error))) throw error;
    await mkdir(entry(place));
    return openEntry(place, O_RDONLY | O_DIRECTORY, path);
  }
}

async function openEntry(place: Place, flags: number, path: string): Promise<FileHandle> {
  try {
    return await open(entry(place), flags | O_NOFOLLOW);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') throw refuse(`${path} does not exist`);
    if (code === 'ENOTDIR' || code === 'ELOOP') throw refuse(`${path}: a part of the path is not a folder`);
    throw error;
  }
}

function refuse(reason: string) {
  return fault('tool.refused', { reason });
}
