// Brings a SQLite file to the current schema: on a copy, switched by rename, the old file kept until the next good start.

import { chmodSync, existsSync, linkSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { MIGRATIONS, type Migration } from '../migrations/list.ts';

/**
 * Migrates the file at `path` if it is behind. A crash at any point leaves either the old file or the finished new one.
 * @throws Error when the file is newer than this program
 */
export function migrateFile(path: string, migrations: readonly Migration[] = MIGRATIONS): void {
  const target = migrations.at(-1)?.version ?? 0;
  if (!existsSync(path)) {
    apply(path, migrations);
    return;
  }
  const current = versionOf(path);
  if (current > target) {
    throw new Error(`the store ${path} has schema ${current}, this program knows ${target}: start the newer version, or put back an older store`);
  }
  if (current === target) {
    for (const kept of keptFiles(path)) rmSync(kept);
    return;
  }
  const copy = `${path}.migrating`;
  rmSync(copy, { force: true });
  const source = new Database(path);
  source.pragma('wal_checkpoint(TRUNCATE)');
  source.prepare('VACUUM INTO ?').run(copy);
  source.close();
  apply(copy, migrations);
  const kept = `${path}.before-${target}`;
  rmSync(kept, { force: true });
  linkSync(path, kept);
  renameSync(copy, path);
  for (const side of ['-wal', '-shm']) rmSync(path + side, { force: true });
}

function versionOf(path: string): number {
  const db = new Database(path);
  try {
    return Number(db.pragma('user_version', { simple: true }));
  } finally {
    db.close();
  }
}

function apply(path: string, migrations: readonly Migration[]): void {
  const db = new Database(path);
  chmodSync(path, 0o600); // its side files take the same mode
  try {
    db.pragma('journal_mode = DELETE');
    const from = Number(db.pragma('user_version', { simple: true }));
    db.transaction(() => {
      for (const { version, statements } of migrations) {
        if (version <= from) continue;
        for (const sql of statements) db.exec(sql);
      }
      db.pragma(`user_version = ${migrations.at(-1)?.version ?? 0}`);
    })();
  } finally {
    db.close();
  }
}

function keptFiles(path: string): string[] {
  const prefix = `${basename(path)}.before-`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(dirname(path), name));
}
