// A whole store as tables of rows, to be copied from one engine to the other and compared row by row.

import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { messageOf } from '../../kit/fault.ts';
import { takeLock } from './lock.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './migrations/list.ts';
import { type Connection, connect, type Row } from './postgres/connection.ts';
import { migrateDatabase } from './postgres/migrate.ts';
import { migrateFile } from './sqlite/migrate.ts';

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[];
}

/** One side of a copy. Nobody else may write while it is open. */
export interface Archive {
  /** @throws Error of the engine */
  readonly query: (sql: string, values: readonly unknown[]) => Promise<readonly Row[]>;
  readonly close: () => Promise<void>;
}

export interface CopyReport {
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
}

const PAGE = 500;
/** PostgreSQL's own limit is 65,535. */
const MAX_PARAMETERS = 30_000;

/**
 * Copies every row of every table, in one transaction of the target, then reads both sides and compares them.
 * @throws Error when the target is not empty, or when a row differs; then nothing is kept
 */
export async function copyStore(from: Archive, to: Archive, onTable: (name: string, rows: number) => void = () => undefined): Promise<CopyReport> {
  const tables = tablesOf();
  for (const table of tables) {
    const [row] = await to.query(`SELECT 1 AS one FROM "${table.name}" LIMIT 1`, []);
    if (row) throw new Error(`the target is not empty (table ${table.name} has rows): copy into a new store`);
  }
  const report: { name: string; rows: number }[] = [];
  await to.query('BEGIN', []);
  try {
    for (const table of tables) {
      let rows = 0;
      for await (const page of pagesOf(from, table)) {
        rows += page.length;
        await insert(to, table, page);
      }
      onTable(table.name, rows);
      report.push({ name: table.name, rows });
    }
    for (const table of tables) await compare(from, to, table);
    await to.query('COMMIT', []);
  } catch (error) {
    await to.query('ROLLBACK', []).catch(() => undefined);
    throw error;
  }
  return { tables: report };
}

/** The tables that the migrations make, learnt from an empty store in memory. */
function tablesOf(): readonly Table[] {
  const db = new Database(':memory:');
  for (const { statements } of MIGRATIONS) for (const sql of statements) db.exec(sql);
  const names = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`).pluck().all() as string[];
  const tables = names.map((name) => {
    const columns = db.prepare('SELECT name, pk FROM pragma_table_info(?)').all(name) as { name: string; pk: number }[];
    const key = columns.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk);
    return { name, columns: columns.map((column) => column.name), key: key.map((column) => column.name) };
  });
  db.close();
  return tables;
}

async function* pagesOf(archive: Archive, { name, columns, key }: Table): AsyncGenerator<readonly Row[]> {
  const list = (names: readonly string[]) => names.map((column) => `"${column}"`).join(', ');
  const marks = key.map((_, i) => `$${i + 1}`).join(', ');
  for (let after: readonly unknown[] | undefined; ; ) {
    const where = after === undefined ? '' : `WHERE (${list(key)}) > (${marks})`;
    const page = await archive.query(`SELECT ${list(columns)} FROM "${name}" ${where} ORDER BY ${list(key)} LIMIT ${PAGE}`, after ?? []);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = key.map((column) => last[column]);
  }
}

async function insert(to: Archive, { name, columns }: Table, rows: readonly Row[]): Promise<void> {
  const perStatement = Math.floor(MAX_PARAMETERS / columns.length);
  for (let begin = 0; begin < rows.length; begin += perStatement) {
    const some = rows.slice(begin, begin + perStatement);
    const tuples = some.map((_, r) => `(${columns.map((_column, c) => `$${r * columns.length + c + 1}`).join(', ')})`);
    const values = some.flatMap((row) => columns.map((column) => row[column] ?? null));
    await to.query(`INSERT INTO "${name}" (${columns.map((column) => `"${column}"`).join(', ')}) VALUES ${tuples.join(', ')}`, values);
  }
}

async function compare(from: Archive, to: Archive, table: Table): Promise<void> {
  const theirs = pagesOf(to, table);
  for await (const page of pagesOf(from, table)) {
    const copy = (await theirs.next()).value as readonly Row[] | undefined;
    for (const [i, row] of page.entries()) {
      const differs = table.columns.find((column) => (row[column] ?? null) !== (copy?.[i]?.[column] ?? null));
      if (differs !== undefined)
        throw new Error(`the copy differs in ${table.name}.${differs} at ${table.key.map((column) => String(row[column])).join(', ')}`);
    }
    if (copy?.length !== page.length) throw new Error(`the copy of ${table.name} has another number of rows`);
  }
  if (!(await theirs.next()).done) throw new Error(`the copy of ${table.name} has more rows`);
}

/** @throws Error with code LOCKED when a gateway has the file open */
export function openFileArchive(path: string, isNew: boolean): Archive {
  if (!isNew && !existsSync(path)) throw new Error(`there is no store at ${path}`);
  takeLock(`${path}.lock`);
  migrateFile(path);
  const db = new Database(path);
  return {
    query: async (sql, values) => {
      const statement = db.prepare(sql.replaceAll(/\$\d+/g, '?'));
      if (statement.reader) return statement.all(...values) as Row[];
      statement.run(...values);
      return [];
    },
    close: async () => void db.close(),
  };
}

/** Its tables are locked against writers until it is closed. */
export async function openDatabaseArchive(url: string, isNew: boolean): Promise<Archive> {
  const connection: Connection = await connect({ url, name: 'clawdbot copy', patient: true });
  await migrate(connection, isNew);
  const [live] = await connection.ask('SELECT count(*) AS live FROM node WHERE ended_at IS NULL AND lease_until > extract(epoch FROM now()) * 1000');
  if (Number(live?.['live'] ?? 0) > 0) {
    connection.close();
    throw new Error('gateways or workers use this database: stop them first');
  }
  return {
    query: (sql, values) => connection.ask({ text: sql, values }),
    close: async () => connection.close(),
  };
}

async function migrate(connection: Connection, isNew: boolean): Promise<void> {
  const [known] = await connection.ask(`SELECT to_regclass('schema_version') IS NOT NULL AS known`);
  if (!isNew && known?.['known'] !== true) {
    connection.close();
    throw new Error('there is no store in this database');
  }
  try {
    await migrateDatabase(connection);
  } catch (error) {
    connection.close();
    throw new Error(`the database cannot be brought to schema ${SCHEMA_VERSION}: ${messageOf(error)}`);
  }
}
