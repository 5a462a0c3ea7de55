// Brings a PostgreSQL database to the current schema: one transaction, one program at a time.

import { MIGRATIONS, type Migration } from '../migrations/list.ts';
import type { Connection } from './connection.ts';

const MIGRATION_LOCK = 0x636c6c73;

/** Text is compared byte by byte, as SQLite does: order must not depend on the server's language. */
const inBytes = (sql: string) => sql.replace(/\bTEXT\b/g, 'TEXT COLLATE "C"');

/** @throws Error when the database is newer than this program */
export async function migrateDatabase(connection: Connection, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  const target = migrations.at(-1)?.version ?? 0;
  await connection.ask('BEGIN');
  try {
    await connection.ask(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await connection.ask('CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)');
    const [row] = await connection.ask('SELECT max(version) AS version FROM schema_version');
    const current = Number(row?.['version'] ?? 0);
    if (current > target) throw new Error(`the database has schema ${current}, this program knows ${target}: start the newer version`);
    for (const { version, statements } of migrations.filter(({ version }) => version > current)) {
      for (const statement of statements) await connection.ask(inBytes(statement));
      await connection.ask(`INSERT INTO schema_version (version) VALUES (${version})`);
    }
    await connection.ask('COMMIT');
  } catch (error) {
    connection.forget();
    await connection.ask('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
