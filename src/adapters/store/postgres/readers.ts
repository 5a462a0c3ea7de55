// Reads, beside the writer: each op on one snapshot, over a few connections.

import { fault } from '../../../domain/fault-codes.ts';
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/fault.ts';
import { type Store, txSteps } from '../../../ports/store.ts';
import { failed, settle } from '../engine.ts';
import { asFault, type Connection, connect, drive, isPassing } from './connection.ts';
import { FIRST_PAUSE_MS, nextPause, READ_PATIENCE_MS, type Waiting } from './patience.ts';

interface ReadersOptions {
  readonly url: string;
  readonly clock: Clock;
  /** The database's time, as far as it is known here. */
  readonly now: () => number;
}

const READERS = 3;

/** A few connections that only read. */
export function createReaders({ url, clock, now }: ReadersOptions) {
  const waiting: Waiting[] = [];
  const busy = new Set<Promise<void>>();

  const answerOne = async (connection: Connection, { op, call }: Waiting): Promise<void> => {
    connection.forget();
    connection.send('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    try {
      const value = await drive(connection, op.body({ now: now(), newId: () => '', nextOrder: () => 0, ...txSteps }, call.args));
      call.answer({ ok: true, value });
    } catch (error) {
      if (isPassing(error, connection)) throw error;
      call.answer(failed(asFault(error)));
    } finally {
      connection.send('COMMIT');
    }
  };

  const idle: Connection[] = [];
  const readAll = async (): Promise<void> => {
    let connection: Connection | undefined;
    for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = nextPause(pauseMs)) {
        try {
          connection = connection && !connection.isLost() ? connection : (idle.pop() ?? (await connect({ url, name: 'clawdbot reader' })));
          await answerOne(connection, entry);
          break;
        } catch (error) {
          connection?.close();
          connection = undefined;
          if (performance.now() - entry.since > READ_PATIENCE_MS) {
            entry.call.answer(failed(isPassing(error, undefined) ? fault('store.unreachable', { reason: messageOf(error) }) : asFault(error)));
            break;
          }
          await clock.sleep(pauseMs);
        }
      }
    }
    if (connection && !connection.isLost()) idle.push(connection);
  };

  return {
    read: (entry: Waiting) => {
      waiting.push(entry);
      if (busy.size >= READERS) return;
      const reading = readAll().finally(() => busy.delete(reading));
      busy.add(reading);
    },
    close: async () => {
      await Promise.all(busy);
      for (const connection of idle) connection.close();
    },
  };
}

/** Read ops on a database, for the command line. Changes nothing. */
export function openPostgresReader(url: string, clock: Clock): Store {
  const readers = createReaders({ url, clock, now: clock.now });
  return {
    call: (op, args) =>
      new Promise((resolve, reject) => {
        if (op.kind !== 'read') return reject(fault('store.op_forbidden', { op: op.name }));
        const answer = settle(resolve as (value: unknown) => void, reject);
        readers.read({ op, call: { op: op.name, args, fromWorker: false, answer }, since: performance.now() });
      }),
    close: readers.close,
  };
}
