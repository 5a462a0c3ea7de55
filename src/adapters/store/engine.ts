// What the engines have in common: calls that wait for an answer, statements as text, faults.

import type { SealedEvent } from '../../domain/event.ts';
import { fault } from '../../domain/fault-codes.ts';
import { Fault } from '../../kit/fault.ts';
import type { AnyOp, Compiled, Store } from '../../ports/store.ts';

export interface Call {
  readonly op: string;
  readonly args: unknown;
  readonly fromWorker: boolean;
  readonly answer: (answer: Answer) => void;
}

export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> };

export interface Engine {
  /** Answers once: a tx op when it is durable, or when nothing of it happened. */
  readonly submit: (call: Call) => void;
  /** Finishes what was submitted, then lets go of the store. */
  readonly close: () => Promise<void>;
}

/** Something that may get lost, for every node of a store. JSON of a few kB at most. */
export type Hint = Readonly<Record<string, unknown>>;

export interface EngineOptions {
  readonly ops: readonly AnyOp[];
  /** Numbers the events of a batch just before its COMMIT. */
  readonly seal: AnyOp;
  /** After a COMMIT and its answers: the events it made public, in their order. */
  readonly onCommitted: (events: readonly SealedEvent[]) => void;
}

let order = 0;

/** Rises within this process. Only rows of one batch are compared by it. */
export function nextOrder(): number {
  order += 1;
  return order;
}

/** The values of a statement's parameters. U+0000 is replaced by its picture: PostgreSQL refuses it and some SQLite builds cut the text there. */
export function valuesOf(names: readonly string[], params: Readonly<Record<string, unknown>>): unknown[] {
  return names.map((name) => {
    const value = params[name];
    if (typeof value === 'string') return value.includes('\u0000') ? value.replaceAll('\u0000', '\u2400') : value;
    return value === undefined ? null : value;
  });
}

/** A statement's text with its i-th parameter written by `placeholder`. */
export function textOf({ sql, names }: Compiled, placeholder: (name: string) => string): string {
  return sql
    .split('?')
    .map((part, i) => (i === 0 ? part : placeholder(names[i - 1] ?? '') + part)) // one name per question mark: ports/store.ts
    .join('');
}

/** The op a call may carry out; otherwise the call is answered here. */
export function createAdmission(ops: readonly AnyOp[]): (call: Call) => AnyOp | undefined {
  const catalog = new Map(ops.map((op) => [op.name, op]));
  return (call) => {
    const op = catalog.get(call.op);
    if (op && (op.worker || !call.fromWorker)) return op;
    call.answer(failed(op ? fault('store.op_forbidden', { op: call.op }) : fault('store.op_unknown', { op: call.op })));
    return undefined;
  };
}

/** An answer as the end of a promise. */
export function settle(resolve: (value: unknown) => void, reject: (error: Error) => void): Call['answer'] {
  return (answer) => (answer.ok ? resolve(answer.value) : reject(new Fault(answer.code, answer.message, answer.details)));
}

/** An engine of this very process, as its other parts see it. */
export function storeOver(engine: Engine): Store {
  return {
    call: (op, args) =>
      new Promise((resolve, reject) => {
        const answer = settle(resolve as (value: unknown) => void, reject); // the op's own result type
        engine.submit({ op: op.name, args, fromWorker: false, answer });
      }),
    close: engine.close,
  };
}

export function failed({ code, message, details }: { code: string; message: string; details: Readonly<Record<string, unknown>> }): Answer {
  return { ok: false, code, message, details };
}
