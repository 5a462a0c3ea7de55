// Moves a whole store between a file and a database, in either direction.

import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Archive, copyStore, openDatabaseArchive, openFileArchive } from '../../adapters/store/archive.ts';
import { errorCode } from '../../kit/fault.ts';
import { hostOf } from '../state.ts';

const isDatabase = (where: string) => /^postgres(ql)?:/.test(where);

/** @throws Error with a sentence for the user; the target is as it was then */
export async function copyStores({ from, to, onTable }: { from: string; to: string; onTable: (name: string, rows: number) => void }): Promise<number> {
  if (!isDatabase(to) && existsSync(to)) throw new Error(`${to} exists already: name a file that does not`);
  const source = await open(from, false);
  try {
    const target = await open(to, true);
    try {
      const { tables } = await copyStore(source, target, onTable);
      return tables.reduce((sum, { rows }) => sum + rows, 0);
    } catch (error) {
      if (!isDatabase(to)) for (const end of ['', '-wal', '-shm', '.lock']) rmSync(resolve(to) + end, { force: true });
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function open(where: string, isNew: boolean): Promise<Archive> {
  try {
    return isDatabase(where) ? await openDatabaseArchive(where, isNew) : openFileArchive(resolve(where), isNew);
  } catch (error) {
    if (errorCode(error) === 'LOCKED') throw new Error(`a gateway uses ${where}: stop it first, with clawdbot gateway stop`);
    throw isDatabase(where) ? new Error(`${hostOf(where)}: ${error instanceof Error ? error.message : String(error)}`) : error;
  }
}
