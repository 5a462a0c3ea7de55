// The store itself: a copy of the file in one moment of it, or a dump of the database; and how each is tried out and put back.

import { spawn } from 'node:child_process';
import Database from 'better-sqlite3';

/** A consistent copy, while a gateway goes on writing. */
export async function copySqlite(from: string, to: string): Promise<void> {
  const source = new Database(from, { readonly: true, fileMustExist: true });
  try {
    // All pages in one step: one snapshot, and no beginning again when somebody writes.
    await source.backup(to, { progress: () => 0x7fffffff });
  } finally {
    source.close();
  }
}

/** @throws Error that says what is wrong with the copy */
export function checkSqlite(path: string): void {
  const copy = new Database(path, { readonly: true, fileMustExist: true });
  try {
    const found = copy.pragma('integrity_check', { simple: true });
    if (found !== 'ok') throw new Error(`the store in it is damaged: ${String(found)}`);
  } finally {
    copy.close();
  }
}

/** @throws Error with what the program said */
export function dumpDatabase(url: string, to: string): Promise<void> {
  return run('pg_dump', ['--format=custom', '--compress=0', '--no-owner', `--file=${to}`, `--dbname=${url}`]);
}

/** Whether a dump can be read to its end. @throws Error with what the program said */
export function checkDump(path: string): Promise<void> {
  return run('pg_restore', ['--file=/dev/null', path]);
}

/** In one transaction: whole or not at all. @throws Error with what the program said */
export function restoreDatabase(url: string, from: string): Promise<void> {
  return run('pg_restore', ['--clean', '--if-exists', '--no-owner', '--single-transaction', `--dbname=${url}`, from]);
}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-4000);
    });
    child.once('error', () => reject(new Error(`${program} is not installed: apt install postgresql-client, in the version of the server or a newer one`)));
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${program} failed: ${said.trim()}`))));
  });
}
