// The state folder and the store in it: made, locked and opened, or refused with a sentence for the user.

import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { RESTORING } from '../adapters/backup/folder.ts';
import { connectToThread, type ThreadStore } from '../adapters/store/clients.ts';
import type { StoreThreadOptions } from '../adapters/store/thread-server.ts';
import { errorCode, messageOf } from '../kit/fault.ts';
import { newUuid, sha256Hex } from '../kit/id.ts';
import type { StoreHints } from '../ports/store.ts';
import { entryPath } from './entry.ts';

const MAX_SOCKET_PATH = 100;

/** The gateway cannot run here as things are: exit code 78, so that a service manager does not start it again and again. */
export class CannotRun extends Error {}

/** The same, but it may be different in a moment: exit code 1, and a service manager tries again. */
export class CannotRunYet extends CannotRun {}

/** Makes the state folder, private to its owner. */
export function prepareState(stateDir: string): void {
  guarded('use the state folder', () => {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    accessSync(stateDir, constants.W_OK);
    for (const dir of [join(stateDir, 'run'), join(stateDir, 'config'), join(stateDir, 'credentials')]) mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(stateDir, 0o700);
  });
  if (existsSync(join(stateDir, RESTORING)))
    throw new CannotRun(
      'a restore of a backup was cut off, and files of two times lie beside each other: run "clawdbot backup restore latest" (or another id) again; it undoes the first one',
    );
}

/** Does what a start needs. @throws CannotRun with the cause and the fix in place of the system's error */
export function guarded<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM')
      throw new CannotRun(`cannot ${what}: no right to write (${messageOf(error)}). Make it writable for this user or set CLAWDBOT_STATE_DIR`);
    if (code === 'ENOSPC') throw new CannotRun(`cannot ${what}: the disk is full (${messageOf(error)}). Free some space and start again`);
    throw new CannotRun(`cannot ${what}: ${messageOf(error)}`);
  }
}

/** Starts the store thread. @throws CannotRun when the store is in use, damaged, full or out of reach */
export async function openStore(
  { stateDir, url }: { readonly stateDir: string; readonly url: string | undefined },
  hints: StoreHints,
  onTimed: (op: string, ok: boolean, seconds: number) => void,
): Promise<{ store: ThreadStore; socketPath: string }> {
  const path = join(stateDir, 'gateway.sqlite');
  const socketPath = socketPathFor(stateDir);
  const thread = new Worker(entryPath('store'), {
    workerData: { path, socketPath, ...(url !== undefined && { url }) } satisfies StoreThreadOptions,
    execArgv: [],
  });
  try {
    return { store: await connectToThread(thread, hints, onTimed), socketPath };
  } catch (error) {
    await thread.terminate();
    if (url !== undefined && errorCode(error) !== 'LOCKED') throw databaseProblem(url, error);
    throw new CannotRun(storeProblem(errorCode(error), path, messageOf(error)));
  }
}

function storeProblem(code: string, path: string, message: string): string {
  if (code === 'LOCKED') return `another gateway is running on this state (${message}). Stop it with: clawdbot gateway stop`;
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT'))
    return `the store ${path} is damaged (${message}). Nothing was changed. Put back a backup, or move the file away to begin anew`;
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'SQLITE_IOERR_WRITE' || code === 'SQLITE_IOERR_SHMSIZE')
    return `the disk that holds ${path} is full. Nothing was lost. Free some space and start again`;
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || code === 'EROFS' || code === 'EACCES')
    return `the store ${path} cannot be written (${message}). Make its folder writable for this user or set CLAWDBOT_STATE_DIR`;
  return `the store ${path} cannot be opened: ${message}`;
}

/** Credentials and the database's name do not mend themselves; everything else may. */
export function databaseProblem(url: string, error: unknown): CannotRun {
  const text = `the database ${hostOf(url)} cannot be used: ${messageOf(error)}. Is it running, and does the address name it and its user?`;
  return /^(28|3D|42501)/.test(errorCode(error)) || /schema/.test(messageOf(error)) ? new CannotRun(text) : new CannotRunYet(text);
}

/** Where a database is, without who asks. */
export function hostOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

/** The name of this place among the nodes of a store: made once, kept in the state folder. */
export function homeOf(stateDir: string): string {
  const path = join(stateDir, 'run', 'home');
  return guarded('name this place', () => {
    if (!existsSync(path)) writeFileSync(path, newUuid(), { mode: 0o600 });
    return readFileSync(path, 'utf8').trim();
  });
}

/** In the state folder, or for long paths (a socket's name may have about 100 characters) in a private temporary folder. */
function socketPathFor(stateDir: string): string {
  const usual = join(stateDir, 'run', 'store.sock');
  if (usual.length <= MAX_SOCKET_PATH) return usual;
  const dir = `/tmp/clawdbot-${process.getuid?.() ?? 0}-${sha256Hex(stateDir).slice(0, 12)}`;
  guarded('make a folder for the store socket', () => {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700); // fails when it is somebody else's
  });
  return join(dir, 'store.sock');
}
