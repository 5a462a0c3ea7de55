// The embedded engine: one thread owns the file, many ops share one COMMIT, answers go out after it.

import Database from 'better-sqlite3';
import type { SealedEvent } from '../../../domain/event.ts';
import { fault } from '../../../domain/fault-codes.ts';
import type { Clock } from '../../../kit/clock.ts';
import { errorCode, isFault, messageOf } from '../../../kit/fault.ts';
import { newId } from '../../../kit/id.ts';
import { type AnyOp, type Compiled, type OpSteps, type Step, type Store, type Tx, txSteps } from '../../../ports/store.ts';
import { type Answer, type Call, createAdmission, type Engine, type EngineOptions, failed, nextOrder, textOf, valuesOf } from '../engine.ts';
import { migrateFile } from './migrate.ts';

interface SqliteOptions extends EngineOptions {
  readonly path: string;
  readonly clock: Clock;
}

const MAX_BATCH = 512;
const OLDEST_SQLITE = '3.51.3'; // older ones can corrupt a WAL that two connections reset at once
const CACHE_KIB = 16_384;

type Prepared = Map<Compiled, Database.Statement>;

/** Opens (and migrates) the file. Errors carry SQLite's code: SQLITE_NOTADB, SQLITE_CORRUPT, SQLITE_READONLY, SQLITE_FULL. */
export function openSqlite({ path, ops, seal, clock, onCommitted }: SqliteOptions): Engine {
  migrateFile(path);
  const writer = connect(path, false);
  const reader = connect(path, true);
  const preparedForWriter: Prepared = new Map();
  const preparedForReader: Prepared = new Map();
  const admit = createAdmission(ops);
  const begin = writer.prepare('BEGIN IMMEDIATE');
  const commit = writer.prepare('COMMIT');
  const savepoint = writer.prepare('SAVEPOINT op');
  const release = writer.prepare('RELEASE op');
  const undo = writer.prepare('ROLLBACK TO op');
  const waiting: { readonly call: Call; readonly op: AnyOp }[] = [];
  let scheduled = false;
  let closed = false;

  const submit = (call: Call) => {
    if (closed) return call.answer(failed(fault('store.closed')));
    const op = admit(call);
    if (!op) return;
    if (op.kind === 'read') return call.answer(runAlone(reader, preparedForReader, op, call.args));
    waiting.push({ call, op });
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
      for (const { op, call } of batch) answers.push(runInBatch(op, call.args));
      events = drive(writer, preparedForWriter, seal.body(openTx(clock), undefined)) as readonly SealedEvent[];
      commit.run();
    } catch (error) {
      if (writer.inTransaction) writer.exec('ROLLBACK');
      const answer = failed(asFault(error));
      for (const { call } of batch) call.answer(answer);
      return;
    }
    for (const [i, { call }] of batch.entries()) call.answer(answers[i] as Answer); // one answer was pushed per call
    onCommitted(events);
  };

  return {
    submit,
    /** Finishes what was submitted, then closes the file. */
    close: async () => {
      while (waiting.length > 0) flush();
      closed = true;
      reader.close();
      writer.pragma('wal_checkpoint(TRUNCATE)');
      writer.close();
    },
  };
}

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
  return { now, newId: (prefix) => newId(prefix, now), nextOrder, ...txSteps };
}

/** Runs a generator to its end in this very turn of the thread. */
function drive(db: Database.Database, prepared: Prepared, steps: OpSteps<unknown>): unknown {
  let next = steps.next();
  while (!next.done) next = steps.next(execute(db, prepared, next.value));
  return next.value;
}

function execute(db: Database.Database, prepared: Prepared, { statement, params, rows }: Step): unknown {
  let ready = prepared.get(statement);
  if (!ready) {
    ready = db.prepare(textOf(statement, PLANNED_ONCE));
    prepared.set(statement, ready);
  }
  const values = valuesOf(statement.names, params);
  return rows ? ready.all(...values) : ready.run(...values);
}

/**
 * A placeholder as an expression. A bare one that a partial index or a sort may depend on makes SQLite plan the statement anew for
 * each value bound to it, which costs more than most statements themselves.
 */
const PLANNED_ONCE = () => '+?';

function asFault(error: unknown) {
  if (isFault(error)) return error;
  const code = errorCode(error);
  if (code.startsWith('SQLITE_FULL') || code === 'SQLITE_IOERR_WRITE') return fault('store.full');
  return fault('store.failed', { reason: messageOf(error), sqlite: code });
}
