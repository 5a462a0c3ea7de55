// PostgreSQL as the engine. One transaction writes at a time, over all nodes: every op sees the world as if it were alone, as on SQLite.
// Many ops share one COMMIT; answers go out after it. Reads run beside, each on one snapshot.

import type { SealedEvent } from '../../../domain/event.ts';
import { fault } from '../../../domain/fault-codes.ts';
import type { Clock } from '../../../kit/clock.ts';
import { isFault, messageOf } from '../../../kit/fault.ts';
import { newId } from '../../../kit/id.ts';
import { type AnyOp, type Tx, txSteps } from '../../../ports/store.ts';
import { type Answer, createAdmission, type Engine, type EngineOptions, failed, type Hint, nextOrder } from '../engine.ts';
import { asFault, type Connection, connect, drive, isPassing } from './connection.ts';
import { createFollower } from './follower.ts';
import { migrateDatabase } from './migrate.ts';
import { FIRST_PAUSE_MS, nextPause, PATIENCE_MS, type Waiting } from './patience.ts';
import { createReaders } from './readers.ts';

interface PostgresOptions extends EngineOptions {
  readonly url: string;
  readonly clock: Clock;
  /** Sealed events of all workspaces after a cursor. */
  readonly follow: AnyOp;
  /** What other nodes told. */
  readonly onHint?: (hint: Hint) => void;
  /** The database's clock is so far ahead of this machine's, in milliseconds. Told at the start and when it changes. */
  readonly onClock?: (aheadMs: number) => void;
  /** Tests let time pass: milliseconds added to the database's. */
  readonly ahead?: () => number;
}

export interface PostgresEngine extends Engine {
  /** Tells all other nodes. May get lost. */
  readonly tell: (hint: Hint) => void;
}

const MAX_BATCH = 256;
/** The lock that makes writers take turns. */
const WRITER_LOCK = 0x636c6177;
const TAKE_TURN = `SELECT pg_advisory_xact_lock(${WRITER_LOCK})`;
const TIME = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000) AS now';
const NOTE_BATCH = 'INSERT INTO writer (id, workspace_id, batch, at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET batch = $3, at = $4';
const LAST_BATCH = 'SELECT batch FROM writer WHERE id = $1';
/** Clocks that differ by less are the same clock. */
const CLOCK_TOLERANCE_MS = 100;
/** How long a closing engine tries to reach a server that is away. */
const CLOSING_MS = 3000;

/** Connects and migrates. @throws Error of the server when it cannot be reached, refuses, or holds a newer schema */
export async function openPostgres({
  url,
  ops,
  seal,
  follow,
  clock,
  onCommitted,
  onHint = () => undefined,
  onClock = () => undefined,
  ahead = () => 0,
}: PostgresOptions): Promise<PostgresEngine> {
  const id = newId('writer', clock.now());
  const admit = createAdmission(ops);
  const first = await connect({ url, name: 'clawdbot writer' });
  await migrateDatabase(first);
  const follower = await createFollower({ url, nodeId: id, clock, follow, onEvents: onCommitted, onHint });
  const waiting: Waiting[] = [];
  let writer: Connection | undefined = first;
  let working: Promise<void> | undefined;
  let batches = 0;
  let aheadMs = 0;
  let closedAt: number | undefined;

  const openTx = async (connection: Connection): Promise<Tx> => {
    const [row] = await connection.ask(TIME);
    const now = Number(row?.['now']) + ahead();
    const aheadNow = Math.round(now - clock.now());
    if (Math.abs(aheadNow - aheadMs) > CLOCK_TOLERANCE_MS) {
      aheadMs = aheadNow;
      onClock(aheadMs);
    }
    return { now, newId: (prefix) => newId(prefix, now), nextOrder, ...txSteps };
  };

  /** A connection, for as long as it takes; whoever loses patience meanwhile is answered. @throws Fault `store.closed` when none comes while it closes */
  const reach = async (reason: unknown): Promise<Connection> => {
    let cause = reason;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = nextPause(pauseMs)) {
      if (writer && !writer.isLost()) return writer;
      giveUpOn(waiting, cause);
      if (closedAt !== undefined && performance.now() - closedAt > CLOSING_MS) throw fault('store.closed');
      try {
        writer = await connect({ url, name: 'clawdbot writer' });
        return writer;
      } catch (error) {
        cause = error;
        await clock.sleep(pauseMs);
      }
    }
  };

  const giveUpOn = (calls: Waiting[], cause: unknown) => {
    const now = performance.now();
    const tired = calls.filter(({ since }) => closedAt !== undefined || now - since > PATIENCE_MS);
    for (const entry of tired) {
      calls.splice(calls.indexOf(entry), 1);
      entry.call.answer(failed(fault('store.unreachable', { reason: messageOf(cause) })));
    }
  };

  /**
   * One op inside the batch's transaction: whole, or not at all. It does not wait for the last of what it wrote, unless it is told to be
   * careful: a statement that fails is a rare thing, and then it must be known whose it was.
   * @throws what is worth another try of the whole batch
   */
  const carryOut = async (connection: Connection, tx: Tx, { op, call }: Waiting, careful: boolean): Promise<Answer> => {
    connection.send('SAVEPOINT op');
    try {
      const value = await drive(connection, op.body(tx, call.args));
      if (careful) await connection.ask('RELEASE SAVEPOINT op');
      else connection.send('RELEASE SAVEPOINT op');
      return { ok: true, value };
    } catch (error) {
      const isRefusal = isFault(error) && !connection.hasFailed();
      if (!isRefusal && (!careful || isPassing(error, connection))) throw error;
      connection.send('ROLLBACK TO SAVEPOINT op');
      connection.send('RELEASE SAVEPOINT op');
      if (!isRefusal || careful) await settle(connection); // what failed was this op's, not the next one's
      return failed(asFault(error));
    }
  };

  /** @throws what is worth another try, with nothing done; or what is not */
  const commit = async (
    connection: Connection,
    batch: readonly Waiting[],
    careful: boolean,
  ): Promise<{ answers: Answer[]; events: readonly SealedEvent[] }> => {
    connection.forget();
    connection.send('BEGIN');
    connection.send(TAKE_TURN);
    const tx = await openTx(connection);
    const answers: Answer[] = [];
    for (const entry of batch) answers.push(await carryOut(connection, tx, entry, careful));
    const events = (await drive(connection, seal.body(tx, undefined))) as readonly SealedEvent[]; // the seal's own type
    batches += 1;
    connection.send({ name: 'note_batch', text: NOTE_BATCH, values: [id, '', batches, tx.now] });
    try {
      await connection.ask('COMMIT');
    } catch (error) {
      if (!isPassing(error, connection) || !(await wasCommitted(batches, error))) throw error;
    }
    return { answers, events };
  };

  /** No answer to COMMIT came, or the server ended meanwhile: what it noted tells. */
  const wasCommitted = async (batch: number, reason: unknown): Promise<boolean> => {
    for (;;) {
      const connection = await reach(reason);
      try {
        connection.forget();
        connection.send('BEGIN');
        connection.send(TAKE_TURN); // the broken transaction, should it still run, ends first
        const [row] = await connection.ask({ text: LAST_BATCH, values: [id] });
        await connection.ask('COMMIT');
        return Number(row?.['batch'] ?? 0) >= batch;
      } catch (error) {
        if (!isPassing(error, connection)) throw error;
        await settle(connection);
      }
    }
  };

  const writeAll = async (): Promise<void> => {
    let reason: unknown;
    let pauseMs = 0;
    let careful = false;
    while (waiting.length > 0) {
      const connection = await reach(reason).catch(() => undefined);
      if (!connection) {
        for (const { call } of waiting.splice(0)) call.answer(failed(fault('store.closed')));
        return;
      }
      const batch = waiting.splice(0, MAX_BATCH);
      try {
        const { answers, events } = await commit(connection, batch, careful);
        for (const [i, { call }] of batch.entries()) call.answer(answers[i] as Answer); // one answer was pushed per call
        follower.committed(events);
        pauseMs = 0;
        careful = false;
      } catch (error) {
        connection.send('ROLLBACK');
        await settle(connection);
        if (isPassing(error, connection)) {
          reason = error;
          waiting.unshift(...batch);
          giveUpOn(waiting, error);
          if (pauseMs > 0) await clock.sleep(pauseMs);
          pauseMs = nextPause(pauseMs);
        } else if (!careful) {
          careful = true;
          waiting.unshift(...batch);
        } else {
          careful = false;
          const answer = failed(asFault(error));
          for (const { call } of batch) call.answer(answer);
        }
      }
    }
  };

  const work = () => {
    working ??= new Promise<void>((resolve) => setImmediate(resolve)).then(writeAll).finally(() => {
      working = undefined;
      if (waiting.length > 0) work();
    });
  };

  const readers = createReaders({ url, clock, now: () => clock.now() + aheadMs });
  return {
    submit: (call) => {
      if (closedAt !== undefined) return call.answer(failed(fault('store.closed')));
      const op = admit(call);
      if (!op) return;
      const entry = { call, op, since: performance.now() };
      if (op.kind === 'read') return readers.read(entry);
      waiting.push(entry);
      work();
    },
    tell: follower.tell,
    close: async () => {
      closedAt = performance.now();
      while (working) await working;
      await readers.close();
      follower.close();
      writer?.close();
    },
  };
}

/** Waits until everything sent is answered, whatever it was, and begins anew. */
async function settle(connection: Connection): Promise<void> {
  if (!connection.isLost()) await connection.ask('SELECT 1').catch(() => undefined);
  connection.forget();
}
