// One connection to PostgreSQL. Statements travel without waiting for each other; what went wrong first is what is told.

import pg from 'pg';
import { fault } from '../../../domain/fault-codes.ts';
import { errorCode, isFault, messageOf } from '../../../kit/fault.ts';
import type { Compiled, OpSteps, Step } from '../../../ports/store.ts';
import { textOf, valuesOf } from '../engine.ts';

const CONNECT_TIMEOUT_MS = 5000;
/** A frozen process may hold the writer's lock this long before PostgreSQL ends its transaction. */
const IDLE_IN_TRANSACTION_MS = 2000;
/** Longer than a frozen holder can last. */
const LOCK_TIMEOUT_MS = 15_000;
const INT8 = 20;
const NUMERIC = 1700;

/** Sums and counts come as numbers: nothing here exceeds 2^53. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format as 'text')),
};

export interface Query {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

export type Row = Readonly<Record<string, unknown>>;

export interface Connection {
  /** Sends a statement whose rows nobody reads. Its failure shows with the next `ask`. */
  readonly send: (query: Query | string) => void;
  /** Rows of a statement. @throws the first failure since the last `forget` */
  readonly ask: (query: Query | string) => Promise<readonly Row[]>;
  /** Whether something has failed since the last `forget`, as far as it is known yet. */
  readonly hasFailed: () => boolean;
  /** A new beginning after a failure that was dealt with. */
  readonly forget: () => void;
  readonly isLost: () => boolean;
  readonly close: () => void;
}

interface ConnectOptions {
  readonly url: string;
  readonly name: string;
  readonly onNotice?: (payload: string) => void;
  readonly onLost?: () => void;
  /** A transaction may stand idle for as long as it likes. */
  readonly patient?: boolean;
}

/** @throws Error when the server cannot be reached within 5 s, or refuses */
export async function connect({ url, name, onNotice, onLost, patient = false }: ConnectOptions): Promise<Connection> {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: patient ? 0 : IDLE_IN_TRANSACTION_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    types,
  });
  let lost = false;
  let failure: { readonly error: unknown } | undefined;
  const gone = () => {
    if (lost) return;
    lost = true;
    onLost?.();
  };
  client.on('error', gone);
  client.on('end', gone);
  if (onNotice) client.on('notification', ({ payload }) => onNotice(payload ?? ''));
  await client.connect();

  const carryOut = async (query: Query | string): Promise<readonly Row[]> => {
    try {
      const { rows } = await client.query(query as string); // both shapes are accepted
      return rows as readonly Row[];
    } catch (error) {
      failure ??= { error };
      throw failure.error;
    }
  };
  return {
    send: (query) => {
      void carryOut(query).catch(() => undefined);
    },
    ask: async (query) => {
      const rows = await carryOut(query);
      if (failure) throw failure.error;
      return rows;
    },
    hasFailed: () => failure !== undefined,
    forget: () => {
      failure = undefined;
    },
    isLost: () => lost,
    close: () => {
      lost = true;
      client.end().catch(() => undefined);
    },
  };
}

/** Runs the generator of an op to its end, waiting only where it reads. */
export async function drive(connection: Connection, steps: OpSteps<unknown>): Promise<unknown> {
  let next = steps.next();
  while (!next.done) {
    const step = next.value;
    if (step.rows) next = steps.next(await connection.ask(queryOf(step)));
    else {
      connection.send(queryOf(step));
      next = steps.next(undefined);
    }
  }
  return next.value;
}

interface Prepared {
  readonly name: string;
  readonly text: string;
  readonly names: readonly string[];
}

const prepared = new Map<Compiled, Prepared>();

/** Parameters are numbered by name: where one stands twice, PostgreSQL learns its type from either place. */
function queryOf({ statement, params }: Step): Query {
  let ready = prepared.get(statement);
  if (!ready) {
    const names = [...new Set(statement.names)];
    ready = { name: `s${prepared.size + 1}`, text: textOf(statement, (name) => `$${names.indexOf(name) + 1}`), names };
    prepared.set(statement, ready);
  }
  return { name: ready.name, text: ready.text, values: valuesOf(ready.names, params) };
}

const AGAIN: ReadonlySet<string> = new Set(['40001', '40P01', '55P03', '25P03', '57P01', '57P02', '57P03', '53300', '25006']);

/** Whether the same may succeed after a while: the server is away, or another transaction was in the way. */
export function isPassing(error: unknown, connection: Connection | undefined): boolean {
  const code = errorCode(error);
  return (
    connection?.isLost() === true ||
    AGAIN.has(code) ||
    code.startsWith('08') ||
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/.test(code) ||
    /Connection terminated|timeout expired|connection timeout/i.test(messageOf(error))
  );
}

/** A failure as the caller of an op hears it. */
export function asFault(error: unknown) {
  if (isFault(error)) return error;
  const code = errorCode(error);
  if (code === '53100') return fault('store.full');
  return fault('store.failed', { reason: messageOf(error), sqlstate: code });
}
