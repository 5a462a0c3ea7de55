// The folder of backups: each a folder of compressed files with a manifest.

import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Backup, Manifest } from '../../domain/backup.ts';
import { messageOf } from '../../kit/fault.ts';
import { sizeBelow } from './files.ts';

export const MANIFEST = 'manifest.json';
export const PARTIAL = '.partial-';
/** While it is there the files of the state are of two times. */
export const RESTORING = 'restoring.json';

export function viewOf(path: string, { id, createdAt, engine, files }: Manifest): Backup {
  return { id, path, createdAt, engine, files: files.length, bytes: sizeBelow(path) };
}

export function manifestOf(path: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(path, MANIFEST), 'utf8')));
  } catch (error) {
    throw new Error(`${path} is no backup: ${messageOf(error)}`);
  }
}

/** The latest first. What is none, or half made, is left out. */
export function listBackups(dir: string): Backup[] {
  if (!existsSync(dir)) return [];
  const found = readdirSync(dir).filter((name) => !name.startsWith('.') && existsSync(join(dir, name, MANIFEST)));
  return found.map((name) => viewOf(join(dir, name), manifestOf(join(dir, name)))).sort((a, b) => b.createdAt - a.createdAt);
}

/** By its id, `latest`, or its path. @throws Error that lists what there is */
export function backupNamed(dir: string, name: string): Backup {
  const all = listBackups(dir);
  const found = name === 'latest' ? all[0] : all.find(({ id, path }) => id === name || path === name);
  if (found) return found;
  if (existsSync(join(name, MANIFEST))) return viewOf(name, manifestOf(name));
  throw new Error(all.length === 0 ? `there is no backup in ${dir}: clawdbot backup create` : `no backup "${name}" in ${dir}: clawdbot backup list`);
}

/** What is this old and half made will not become whole any more. */
const ABANDONED_MS = 86_400_000;

/** Removes backups by id, and what was left half made long ago. */
export function removeBackups(dir: string, ids: readonly string[], now: number): void {
  const isAbandoned = (name: string) => name.startsWith(PARTIAL) && now - statSync(join(dir, name)).mtimeMs > ABANDONED_MS;
  for (const name of existsSync(dir) ? readdirSync(dir) : [])
    if (ids.includes(name) || isAbandoned(name)) rmSync(join(dir, name), { recursive: true, force: true });
}
