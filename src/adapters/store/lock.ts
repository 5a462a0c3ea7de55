// Locks on files, held for the life of the process: the system lets go of them however the process ends.

import Database from 'better-sqlite3';
import { errorCode } from '../../kit/fault.ts';

/** They must not be collected while the process lives. */
const held: Database.Database[] = [];

/** @throws Error with code LOCKED when another process holds it */
export function takeLock(path: string): void {
  const db = new Database(path, { timeout: 0 });
  db.pragma('locking_mode = EXCLUSIVE');
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (errorCode(error) === 'SQLITE_BUSY') throw Object.assign(new Error(path), { code: 'LOCKED' });
    throw error;
  }
  held.push(db);
}

export function letGoOfLocks(): void {
  for (const db of held.splice(0)) db.close();
}
