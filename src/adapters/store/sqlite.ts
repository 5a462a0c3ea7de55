// The embedded engine: one thread owns the file, many ops share one COMMIT, answers go out after it.

import Database from 'better-sqlite3';
import type { SealedEvent } from '../../domain/event.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { Clock } from '../../kit/clock.ts';
import { errorCode, isFault, messageOf } from '../../kit/fault.ts';
import { newId } from '../../kit/id.ts';
import { type AnyOp, type Compiled, type OpSteps, type Step, type Store, type Tx, txSteps } from '../../ports/store.ts';
import { migrateFile } from './migrate.ts';

export interface Call {
  readonly op: string;
  readonly args: unknown;
  readonly fromWorker: boolean;
  readonly answer: (answer: Answer) => void;
}

export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> };

interface EngineOptions {
  readonly path: string;
  readonly ops: readonly AnyOp[];
  /** Numbers the events of a batch just before its COMMIT. */
  readonly seal: AnyOp;
  readonly clock: Clock;
  /** After a COMMIT and its answers. */
  readonly onCommitted: (events: readonly SealedEvent[]) => void;
}

const MAX_BATCH = 512;
const OLDEST_SQLITE = '3.51.3'; // older ones can corrupt a WAL that two connections reset at once
const CACHE_KIB = 16_384;

type Prepared = Map<Compiled, Database.Statement>;

/** Opens (and migrates) the file. Errors carry SQLite's code: SQLITE_NOTADB, SQLITE_CORRUPT, SQLITE_READONLY, SQLITE_FULL. */
export function openSqlite({ path, ops, seal, clock, onCommitted }: EngineOptions) {
  migrateFile(path);
  const writer = connect(path, false);
  const reader = connect(path, true);
  const preparedForWriter: Prepared = new Map();
  const preparedForReader: Prepared = new Map();
  const catalog = new Map(ops.map((op) => [op.name, op]));
  const begin = writer.prepare('BEGIN IMMEDIATE');
  const commit = writer.prepare('COMMIT');
  const savepoint = writer.prepare('SAVEPOINT op');
  const release = writer.prepare('RELEASE op');
  const undo = writer.prepare('ROLLBACK TO op');
  const waiting: Call[] = [];
  let scheduled = false;
  let closed = false;

  const submit = (call: Call) => {
    const op = catalog.get(call.op);
    if (closed) return call.answer(failed(fault('store.closed')));
    if (!op) return call.answer(failed(fault('store.op_unknown', { op: call.op })));
    if (call.fromWorker && !op.worker) return call.answer(failed(fault('store.op_forbidden', { op: call.op })));
    if (op.kind === 'read') return call.answer(runAlone(reader, preparedForReader, op, call.args));
    waiting.push(call);
    if (!scheduled) {
      scheduled = true;
      setImmediate(flush);
    }
  };

  const runAlone = (db: Database.Database, prepared: Prepared, op: AnyOp, args: unknown): Answer => {
    try {
      return { ok: true, value: drive(db, prepared, op.body(openTx(clock), args)) };
    } catch (error) {
      return failed(asFault(error));
    }
  };

  const runInBatch = (op: AnyOp, args: unknown): Answer => {
    savepoint.run();
    const answer = runAlone(writer, preparedForWriter, op, args);
    if (!answer.ok) undo.run();
    release.run();
    return answer;
  };

  const flush = () => {
    scheduled = false;
    const batch = waiting.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    if (waiting.length > 0) {
      scheduled = true;
      setImmediate(flush);
    }
    const answers: Answer[] = [];
    let events: readonly SealedEvent[] = [];
    try {
      begin.run();
      for (const { op, args } of batch) answers.push(runInBatch(catalog.get(op) as AnyOp, args)); // checked in submit
      events = drive(writer, preparedForWriter, seal.body(openTx(clock), undefined)) as readonly SealedEvent[];
      commit.run();
    } catch (error) {
      if (writer.inTransaction) writer.exec('ROLLBACK');
      const answer = failed(asFault(error));
      for (const call of batch) call.answer(answer);
      return;
    }
    for (const [i, call] of batch.entries()) call.answer(answers[i] as Answer); // one answer was pushed per call
    onCommitted(events);
  };

  return {
    submit,
    /** Finishes what was submitted, then closes the file. */
    close: () => {
      while (waiting.length > 0) flush();
      closed = true;
      reader.close();
      writer.pragma('wal_checkpoint(TRUNCATE)');
      writer.close();
    },
  };
}

export type SqliteEngine = ReturnType<typeof openSqlite>;

/** Read ops on a file that no gateway has open, for the command line. Changes nothing. @throws Fault of the op */
export function openSqliteReader(path: string, clock: Clock): Store {
  const db = connect(path, true);
  const prepared: Prepared = new Map();
  return {
    call: async (op, args) => {
      if (op.kind !== 'read') throw fault('store.op_forbidden', { op: op.name });
      return drive(db, prepared, op.body(openTx(clock), args)) as never; // the op's own result type
    },
    close: async () => void db.close(),
  };
}

function connect(path: string, readonly: boolean): Database.Database {
  const db = new Database(path, { readonly });
  const version = String(db.prepare('select sqlite_version()').pluck().get());
  if (version.localeCompare(OLDEST_SQLITE, undefined, { numeric: true }) < 0) {
    throw new Error(`SQLite ${version} can lose data; at least ${OLDEST_SQLITE} is needed. Reinstall the dependencies`);
  }
  db.pragma(`cache_size = -${CACHE_KIB}`);
  if (readonly) return db;
  const mode = String(db.pragma('journal_mode = WAL', { simple: true }));
  if (mode !== 'wal') throw new Error(`SQLite cannot use its write-ahead log in ${path} (journal mode ${mode}): put the state on a local disk`);
  db.pragma('synchronous = FULL');
  return db;
}

function openTx(clock: Clock): Tx {
  const now = clock.now();
  return { now, newId: (prefix) => newId(prefix, now), ...txSteps };
}

/** Runs a generator to its end in this very turn of the thread. */
function drive(db: Database.Database, prepared: Prepared, steps: OpSteps<unknown>): unknown {
  let next = steps.next();
  while (!next.done) next = steps.next(typeof next.value === 'string' ? undefined : execute(db, prepared, next.value));
  return next.value;
}

function execute(db: Database.Database, prepared: Prepared, { statement, params, rows }: Step): unknown {
  let ready = prepared.get(statement);
  if (!ready) {
    ready = db.prepare(plannedOnce(statement.sql));
    prepared.set(statement, ready);
  }
  const values = statement.names.map((name) => toSql(params[name]));
  return rows ? ready.all(...values) : ready.run(...values);
}

/**
 * Placeholders as expressions. A bare one that a partial index or a sort may depend on makes SQLite plan the statement anew for
 * each value bound to it, which costs more than most statements themselves.
 */
function plannedOnce(sql: string): string {
  return sql.replaceAll('?', '+?'); // statements hold no text with a question mark: ports/store.ts
}

/** U+0000 is replaced by its picture: PostgreSQL refuses it and some SQLite builds cut the text there. */
function toSql(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('\u0000') ? value.replaceAll('\u0000', '\u2400') : value;
  return value === undefined ? null : value;
}

function asFault(error: unknown) {
  if (isFault(error)) return error;
  const code = errorCode(error);
  if (code.startsWith('SQLITE_FULL') || code === 'SQLITE_IOERR_WRITE') return fault('store.full');
  return fault('store.failed', { reason: messageOf(error), sqlite: code });
}

function failed({ code, message, details }: { code: string; message: string; details: Readonly<Record<string, unknown>> }): Answer {
  return { ok: false, code, message, details };
}
