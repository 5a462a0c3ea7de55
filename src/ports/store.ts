// The store as everybody sees it: named operations written as generators, carried out whole or not at all.

import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { SealedEvent } from '../domain/event.ts';
import type { Tables } from './tables.ts';

/** A statement compiled once: the i-th question mark in `sql` is the parameter `names[i]`. */
export interface Compiled {
  readonly sql: string;
  readonly names: readonly string[];
}

export interface Statement<P, R> {
  readonly compile: () => Compiled;
  /** Types only: what goes in and what each row looks like. */
  readonly types?: { readonly params: P; readonly row: R };
}

interface Compilable<R> {
  readonly compile: () => { readonly sql: string; readonly parameters: readonly unknown[] };
  readonly execute: () => Promise<readonly R[]>;
}

class Parameter {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Constants stand in the text, so that a planner can match them with the conditions of partial indexes. */
class StatementCompiler extends SqliteQueryCompiler {
  protected override appendValue(value: unknown): void {
    if (value instanceof Parameter) super.appendValue(value);
    else this.appendImmediateValue(value);
  }
}

const builder = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new StatementCompiler(),
  },
});

const parameters = new Proxy({}, { get: (_target, name) => new Parameter(String(name)) });

/** Declares a statement: `statement<{ id: string }>()((db, p) => db.selectFrom('run').selectAll().where('id', '=', p.id))`. */
export function statement<P>() {
  return <R>(build: (db: Kysely<Tables>, p: P) => Compilable<R>): Statement<P, R> => {
    let compiled: Compiled | undefined;
    return {
      compile: () => {
        if (compiled === undefined) {
          const { sql, parameters: values } = build(builder, parameters as P).compile(); // the proxy answers every name
          if (sql.split('?').length !== values.length + 1) throw new Error(`a statement may have no question mark but its parameters: ${sql}`);
          compiled = { sql, names: values.map((value) => (value as Parameter).name) }; // StatementCompiler passes nothing else
        }
        return compiled;
      },
    };
  };
}

/** The named parameters as a row whose columns are called the same. */
export function pick<P, K extends keyof P>(p: P, ...names: readonly K[]): Pick<P, K> {
  return Object.fromEntries(names.map((name) => [name, p[name]])) as Pick<P, K>; // every name was given
}

/** One step of an op, handed to the engine, which answers with rows. */
export interface Step {
  readonly statement: Compiled;
  readonly params: Readonly<Record<string, unknown>>;
  readonly rows: boolean;
}

type Steps<T> = Generator<Step, T, unknown>;

/** What an op may do. It sees the world as if it were alone: between its steps nobody else writes. Dead once the op has returned. */
export interface Tx {
  /** The store's time, the same for the whole op. */
  readonly now: number;
  readonly newId: (prefix: string) => string;
  /** Rises with every call, over all ops of a batch. */
  readonly nextOrder: () => number;
  readonly one: <P, R>(statement: Statement<P, R>, params: P) => Steps<R | undefined>;
  readonly all: <P, R>(statement: Statement<P, R>, params: P) => Steps<R[]>;
  readonly run: <P, R>(statement: Statement<P, R>, params: P) => Steps<void>;
}

export type OpSteps<R> = Steps<R>;

export interface Op<A, R> {
  readonly name: string;
  readonly kind: 'tx' | 'read';
  /** Whether a worker's credential may call it. */
  readonly worker: boolean;
  readonly body: (tx: Tx, args: A) => OpSteps<R>;
}
// biome-ignore lint/suspicious/noExplicitAny: a list of ops mixes their argument types
export type AnyOp = Op<any, any>;

export function txOp<A, R>(name: string, body: Op<A, R>['body'], options: { readonly worker?: boolean } = {}): Op<A, R> {
  return { name, kind: 'tx', worker: options.worker ?? false, body };
}

export function readOp<A, R>(name: string, body: Op<A, R>['body'], options: { readonly worker?: boolean } = {}): Op<A, R> {
  return { name, kind: 'read', worker: options.worker ?? false, body };
}

export interface Store {
  /**
   * Carries out an op. A tx op is durable when this resolves; a failing one changed nothing.
   * @throws Fault of the op, or `store.full`, `store.failed`, `store.closed`
   */
  readonly call: <A, R>(op: Op<A, R>, args: A) => Promise<R>;
  readonly close: () => Promise<void>;
}

/** What follows a commit: hints, never the truth. */
export interface StoreHints {
  readonly onEvents: (events: readonly SealedEvent[]) => void;
  /** Something another node told. */
  readonly onHint?: (hint: Readonly<Record<string, unknown>>) => void;
  /** How far the store's clock is ahead of this machine's, in milliseconds. */
  readonly onClock?: (aheadMs: number) => void;
  /** The store ended without being asked to: nothing can be durable any more. */
  readonly onLost: () => void;
}

/** Steps of a Tx, the same for every engine. */
export const txSteps: Omit<Tx, 'now' | 'newId' | 'nextOrder'> = {
  *one(wanted, params) {
    const rows = yield { statement: wanted.compile(), params: params as Record<string, unknown>, rows: true };
    return (rows as unknown[])[0] as never; // the statement's own row type
  },
  *all(wanted, params) {
    return (yield { statement: wanted.compile(), params: params as Record<string, unknown>, rows: true }) as never;
  },
  *run(wanted, params) {
    yield { statement: wanted.compile(), params: params as Record<string, unknown>, rows: false };
  },
};
