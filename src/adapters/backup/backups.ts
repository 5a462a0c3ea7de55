// Making a backup, trying it out, and putting it back: whole or not at all.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Backup, Manifest } from '../../domain/backup.ts';
import { messageOf } from '../../kit/fault.ts';
import { compress, decompress, stateFiles } from './files.ts';
import { MANIFEST, manifestOf, PARTIAL, RESTORING, viewOf } from './folder.ts';
import { checkDump, checkSqlite, copySqlite, dumpDatabase, restoreDatabase } from './store-copy.ts';

export interface Installed {
  readonly stateDir: string;
  readonly configPath: string;
  /** A database in place of the file. */
  readonly url: string | undefined;
  readonly version: string;
  readonly schema: number;
}

const STORE = 'gateway.sqlite';
const DUMP = 'store.dump';

/** Makes one, tries it out, and only then gives it its name. @throws Error with a sentence for the user */
export async function createBackup(dir: string, { stateDir, configPath, url, version, schema }: Installed, now: number): Promise<Backup> {
  const id = new Date(now)
    .toISOString()
    .replaceAll(':', '')
    .replace(/\.(\d+)Z$/, '$1Z');
  const draft = join(dir, PARTIAL + id);
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  try {
    const copy = join(draft, url === undefined ? STORE : DUMP);
    const engine = url === undefined ? 'sqlite' : 'postgres';
    if (url !== undefined) await dumpDatabase(url, copy);
    else if (existsSync(join(stateDir, STORE))) await copySqlite(join(stateDir, STORE), copy);
    else throw new Error(`there is no store at ${join(stateDir, STORE)} yet: start a gateway first`);
    const files: Manifest['files'] = [];
    const add = async (from: 'store' | 'state' | 'config', path: string, source: string) => {
      const name = `${from}/${path}.zst`;
      files.push({ name, from, path, ...(await compress(source, join(draft, name))) });
    };
    await add('store', basename(copy), copy);
    rmSync(copy);
    for (const path of stateFiles(stateDir)) await add('state', path, join(stateDir, path));
    // A configuration that lies elsewhere, with the roles beside it.
    if (dirname(configPath) !== stateDir)
      for (const path of [configPath, join(dirname(configPath), 'roles.json5')]) if (existsSync(path)) await add('config', basename(path), path);
    const manifest: Manifest = { format: 1, id, createdAt: now, version, engine, schema, files };
    writeFileSync(join(draft, MANIFEST), JSON.stringify(manifest, null, 2), { mode: 0o600, flush: true });
    await checkBackup(draft);
    renameSync(draft, join(dir, id));
    return viewOf(join(dir, id), manifest);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Unpacks it somewhere else and opens what is in it. @throws Error that says what is wrong */
export async function checkBackup(path: string): Promise<Manifest> {
  const scratch = mkdtempSync(join(tmpdir(), 'clawdbot-backup-'));
  chmodSync(scratch, 0o700);
  try {
    const manifest = await unpack(path, scratch);
    const [store] = manifest.files.filter(({ from }) => from === 'store');
    if (!store) throw new Error('there is no store in it');
    const copy = join(scratch, 'store', store.path);
    if (manifest.engine === 'sqlite') checkSqlite(copy);
    else await checkDump(copy);
    return manifest;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function unpack(path: string, to: string): Promise<Manifest> {
  const manifest = manifestOf(path);
  for (const { name, from, path: inside, bytes, sha256 } of manifest.files) {
    if (inside.split('/').includes('..')) throw new Error(`${name} would lie outside of its folder`);
    const target = join(to, from, inside);
    const written = await decompress(join(path, name), target).catch((error: unknown) => {
      throw new Error(`${name} cannot be unpacked: ${messageOf(error)}`);
    });
    if (written.bytes !== bytes || written.sha256 !== sha256) throw new Error(`${name} is not what was backed up`);
  }
  return manifest;
}

interface Begun {
  readonly moves: readonly { readonly to: string; readonly kept: string; readonly existed: boolean }[];
  /** The database as it was, where there is one. */
  readonly dump: string | null;
}

/** While it is there the files of the state are of two times: no gateway starts. */
function markerIn(stateDir: string): string {
  return join(stateDir, RESTORING);
}

/** Puts back what a restore has moved so far. Done twice it is the same. */
async function undo(stateDir: string, { moves, dump }: Begun, url: string | undefined): Promise<void> {
  for (const { to, kept, existed } of moves.toReversed()) {
    if (existsSync(kept)) renameSync(kept, to);
    else if (!existed) rmSync(to, { force: true });
  }
  if (url !== undefined && dump !== null) await restoreDatabase(url, dump);
  rmSync(markerIn(stateDir), { force: true });
}

/** Undoes a restore that was cut off. Answers whether there was one. */
export async function undoCutOff({ stateDir, url }: Pick<Installed, 'stateDir' | 'url'>): Promise<boolean> {
  if (!existsSync(markerIn(stateDir))) return false;
  await undo(stateDir, JSON.parse(readFileSync(markerIn(stateDir), 'utf8')) as Begun, url); // written by restoreBackup
  return true;
}

/** What was there before, kept until the restored installation has proved to work. */
export interface Restored {
  readonly manifest: Manifest;
  readonly keptAt: string;
  readonly rollBack: () => Promise<void>;
}

/**
 * Puts a backup in the place of what is there; no gateway may run. Files that are not in the backup stay.
 * @throws Error; then everything is as before
 */
export async function restoreBackup(backup: Backup, dir: string, { stateDir, configPath, url, schema }: Installed, now: number): Promise<Restored> {
  const scratch = join(dir, `${PARTIAL}restore-${now}`);
  const keptAt = join(dir, `before-restore-${now}`);
  await checkBackup(backup.path);
  const manifest = await unpack(backup.path, scratch);
  try {
    if (manifest.schema > schema)
      throw new Error(`it was made by a newer version (tables ${manifest.schema}, this one knows ${schema}): install version ${manifest.version} first`);
    if ((manifest.engine === 'postgres') !== (url !== undefined))
      throw new Error(
        `it holds a ${manifest.engine} store, and this installation uses ${url === undefined ? 'the file' : 'a database'}: set store.url as it was, or copy the store with clawdbot store copy`,
      );
    const files = manifest.files
      .filter(({ from, path }) => from !== 'store' || path === STORE)
      .map(({ from, path }) => ({
        from: join(scratch, from, path),
        to: from === 'config' ? join(dirname(configPath), path) : join(stateDir, path),
        kept: join(keptAt, from, path),
      }));
    const sideFiles =
      url === undefined ? ['-wal', '-shm'].map((end) => ({ from: undefined, to: join(stateDir, STORE + end), kept: join(keptAt, 'store', STORE + end) })) : [];
    const moves = [...sideFiles, ...files];
    const dump = join(keptAt, 'store', DUMP);
    mkdirSync(join(keptAt, 'store'), { recursive: true, mode: 0o700 });
    if (url !== undefined) await dumpDatabase(url, dump);
    const begun: Begun = { moves: moves.map(({ to, kept }) => ({ to, kept, existed: existsSync(to) })), dump: url === undefined ? null : dump };
    writeFileSync(markerIn(stateDir), JSON.stringify(begun), { mode: 0o600, flush: true });
    const rollBack = () => undo(stateDir, begun, url);
    try {
      for (const { from, to, kept } of moves) {
        mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
        if (existsSync(to)) renameSync(to, kept);
        if (from === undefined) continue;
        mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
        renameSync(from, to);
      }
      if (url !== undefined) await restoreDatabase(url, join(scratch, 'store', DUMP));
    } catch (error) {
      await rollBack();
      throw error;
    }
    rmSync(markerIn(stateDir));
    return { manifest, keptAt, rollBack };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
