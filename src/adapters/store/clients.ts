// The two ways to a store thread: from its own process over a port, from a worker over the socket.

import { createConnection } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { fault } from '../../domain/fault-codes.ts';
import { Fault } from '../../kit/fault.ts';
import { createLineSplitter } from '../../kit/lines.ts';
import type { Store, StoreHints } from '../../ports/store.ts';
import type { Answer, Hint } from './engine.ts';
import { type FromStoreThread, MAX_LINE, type StoreRequest, type ToStoreThread, type ToWorkerLine, type WorkerHello } from './wire.ts';

/** Seconds an op took from asking to its durable answer. */
export type OpTimer = (op: string, ok: boolean, seconds: number) => void;

interface Pending {
  readonly op: string;
  readonly since: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

function createPending(onTimed: OpTimer | undefined) {
  const open = new Map<number, Pending>();
  let lastId = 0;
  return {
    add: (op: string, resolve: Pending['resolve'], reject: Pending['reject']): number => {
      lastId += 1;
      open.set(lastId, { op, since: performance.now(), resolve, reject });
      return lastId;
    },
    settle: (id: number, answer: Answer) => {
      const pending = open.get(id);
      open.delete(id);
      if (!pending) return;
      onTimed?.(pending.op, answer.ok, (performance.now() - pending.since) / 1000);
      if (answer.ok) pending.resolve(answer.value);
      else pending.reject(new Fault(answer.code, answer.message, answer.details));
    },
    failAll: () => {
      for (const { reject } of open.values()) reject(fault('store.closed'));
      open.clear();
    },
  };
}

export interface ThreadStore extends Store {
  /** Lets a worker with this credential connect to the socket. */
  readonly admit: (workerId: string, credential: string, workspaceId: string) => void;
  readonly dismiss: (workerId: string) => void;
  /** Tells the other nodes of this store, where there are any. May get lost. */
  readonly tell: (hint: Hint) => void;
}

/**
 * Waits for the thread to open its file, then speaks for it.
 * @throws Error with the SQLite code when the store cannot be opened
 */
export function connectToThread(thread: Worker, hints: StoreHints, onTimed?: OpTimer): Promise<ThreadStore> {
  const pending = createPending(onTimed);
  let calls: StoreRequest[] = [];
  const send = (message: ToStoreThread) => thread.postMessage(message);
  const flush = () => {
    send({ kind: 'calls', calls });
    calls = [];
  };
  let onClosed: () => void = () => undefined;
  let opened = false;
  let closed = false;
  const store: ThreadStore = {
    call: (op, args) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(fault('store.closed'));
        const id = pending.add(op.name, resolve as Pending['resolve'], reject);
        if (calls.push({ id, op: op.name, args }) === 1) queueMicrotask(flush);
      }),
    admit: (workerId, credential, workspaceId) => send({ kind: 'admit', workerId, credential, workspaceId }),
    dismiss: (workerId) => send({ kind: 'dismiss', workerId }),
    tell: (hint) => send({ kind: 'tell', hint }),
    close: () =>
      new Promise((resolve) => {
        closed = true;
        onClosed = resolve;
        if (calls.length > 0) flush();
        send({ kind: 'close' });
      }),
  };
  return new Promise((resolve, reject) => {
    thread.on('error', reject);
    thread.on('exit', () => {
      pending.failAll();
      if (opened && !closed) hints.onLost();
      onClosed();
    });
    thread.on('message', (message: FromStoreThread) => {
      if (message.kind === 'answers') for (const { id, answer } of message.replies) pending.settle(id, answer);
      else if (message.kind === 'events') hints.onEvents(message.events);
      else if (message.kind === 'hint') hints.onHint?.(message.hint);
      else if (message.kind === 'clock') hints.onClock?.(message.aheadMs);
      else if (message.kind === 'ready') {
        opened = true;
        resolve(store);
      } else if (message.kind === 'failed') reject(Object.assign(new Error(message.message), { code: message.code }));
    });
  });
}

interface SocketStoreOptions {
  readonly socketPath: string;
  readonly hello: WorkerHello;
  readonly onWake: () => void;
  readonly onClock: (aheadMs: number) => void;
  /** The gateway is gone: whoever holds leases must stop using them. */
  readonly onLost: () => void;
}

/** A worker's store: one socket, answers in any order. Rejects everything open when the socket is lost. */
export function connectToSocket({ socketPath, hello, onWake, onClock, onLost }: SocketStoreOptions): Promise<Store> {
  const pending = createPending(undefined);
  const socket = createConnection(socketPath);
  const onLine = (text: string) => {
    const line = JSON.parse(text) as ToWorkerLine; // written by thread-server
    if ('wake' in line) onWake();
    else if ('aheadMs' in line) onClock(line.aheadMs);
    else pending.settle(line.reply.id, line.reply.answer);
  };
  socket.on('data', createLineSplitter(onLine, MAX_LINE));
  const store: Store = {
    call: (op, args) =>
      new Promise((resolve, reject) => {
        if (!socket.writable) return reject(fault('store.closed'));
        const request: StoreRequest = { id: pending.add(op.name, resolve as Pending['resolve'], reject), op: op.name, args };
        socket.write(`${JSON.stringify(request)}\n`);
      }),
    close: () => new Promise((resolve) => socket.end(() => resolve())),
  };
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.write(`${JSON.stringify(hello)}\n`);
      resolve(store);
    });
    socket.on('error', reject);
    socket.on('close', () => {
      pending.failAll();
      onLost();
    });
  });
}
