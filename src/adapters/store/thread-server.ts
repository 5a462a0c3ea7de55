// The store thread's inside: carries out calls from its port and from the workers' socket.

import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { SealedEvent } from '../../domain/event.ts';
import { fault } from '../../domain/fault-codes.ts';
import { MAKES_WORK } from '../../domain/run.ts';
import type { Clock } from '../../kit/clock.ts';
import { errorCode, messageOf } from '../../kit/fault.ts';
import { secretsEqual } from '../../kit/id.ts';
import { createLineSplitter } from '../../kit/lines.ts';
import type { AnyOp } from '../../ports/store.ts';
import { type Engine, failed, type Hint } from './engine.ts';
import { letGoOfLocks, takeLock } from './lock.ts';
import { openSqlite } from './sqlite/engine.ts';
import { type FromStoreThread, MAX_LINE, type StoreReply, type StoreRequest, type ToStoreThread, type ToWorkerLine, type WorkerHello } from './wire.ts';

export interface StoreThreadOptions {
  /** The SQLite file, or the PostgreSQL database in its place. */
  readonly path: string;
  readonly url?: string;
  readonly socketPath: string;
}

interface ServeOptions extends StoreThreadOptions {
  readonly port: MessagePort;
  readonly ops: readonly AnyOp[];
  readonly seal: AnyOp;
  readonly follow: AnyOp;
  readonly clock: Clock;
}

/** Opens the store and serves it until told to close. A store that cannot open is reported, never repaired by force. */
export async function serveStore({ port, path, url, socketPath, ops, seal, follow, clock }: ServeOptions): Promise<void> {
  const send = (message: FromStoreThread) => port.postMessage(message);
  const admitted = new Map<string, { readonly credential: string; readonly workspaceId: string }>();
  const workers = new Map<string, Socket>();
  let aheadMs = 0;
  let engine: Engine & { readonly tell?: (hint: Hint) => void };

  const onCommitted = (events: readonly SealedEvent[]) => {
    if (events.length === 0) return;
    if (events.some(({ body }) => MAKES_WORK.has(body.kind))) {
      for (const socket of workers.values()) writeLine(socket, { wake: true });
    }
    send({ kind: 'events', events });
  };
  const onClock = (ms: number) => {
    aheadMs = ms;
    send({ kind: 'clock', aheadMs });
    for (const socket of workers.values()) writeLine(socket, { aheadMs });
  };
  try {
    takeLock(`${path}.lock`);
    const shared = { ops, seal, clock, onCommitted };
    if (url === undefined) engine = openSqlite({ ...shared, path });
    else {
      const { openPostgres } = await import('./postgres/engine.ts'); // its client takes time to load
      engine = await openPostgres({ ...shared, url, follow, onHint: (hint) => send({ kind: 'hint', hint }), onClock });
    }
  } catch (error) {
    send({ kind: 'failed', code: errorCode(error), message: messageOf(error) });
    return;
  }

  let replies: StoreReply[] = [];
  const reply = (id: number, answer: StoreReply['answer']) => {
    if (replies.push({ id, answer }) > 1) return;
    queueMicrotask(() => {
      send({ kind: 'answers', replies });
      replies = [];
    });
  };

  const server = createServer((socket) => {
    let workerId: string | undefined;
    let workspaceId = '';
    const onLine = (line: string) => {
      if (workerId === undefined) {
        const hello = JSON.parse(line) as WorkerHello; // only our own workers reach this socket, and a wrong credential ends it
        const known = admitted.get(hello.workerId);
        if (!known || !secretsEqual(known.credential, hello.credential)) return void socket.destroy();
        ({ workspaceId } = known);
        workerId = hello.workerId;
        workers.set(workerId, socket);
        writeLine(socket, { aheadMs });
        return writeLine(socket, { wake: true });
      }
      const { id, op, args } = JSON.parse(line) as StoreRequest;
      const answer = (value: StoreReply['answer']) => writeLine(socket, { reply: { id, answer: value } });
      if (isOfAnother(args, workspaceId)) return answer(failed(fault('store.op_forbidden', { op })));
      engine.submit({ op, args, fromWorker: true, answer });
    };
    const split = createLineSplitter(onLine, MAX_LINE);
    socket.on('data', (chunk) => {
      try {
        split(chunk);
      } catch {
        socket.destroy(); // a line that is not JSON or has no end: not one of our workers
      }
    });
    const gone = () => {
      if (workerId !== undefined && workers.get(workerId) === socket) workers.delete(workerId);
    };
    socket.on('close', gone).on('error', gone);
  });

  const close = async () => {
    for (const socket of workers.values()) socket.destroy();
    server.close();
    await engine.close();
    letGoOfLocks();
    rmSync(socketPath, { force: true });
    send({ kind: 'closed' });
    port.close();
  };

  port.on('message', (message: ToStoreThread) => {
    if (message.kind === 'calls') {
      for (const { id, op, args } of message.calls) engine.submit({ op, args, fromWorker: false, answer: (answer) => reply(id, answer) });
    } else if (message.kind === 'admit') admitted.set(message.workerId, message);
    else if (message.kind === 'dismiss') {
      admitted.delete(message.workerId);
      workers.get(message.workerId)?.destroy();
    } else if (message.kind === 'tell') engine.tell?.(message.hint);
    else void close();
  });

  rmSync(socketPath, { force: true });
  server.on('error', (error) => send({ kind: 'failed', code: errorCode(error), message: messageOf(error) }));
  server.listen(socketPath, () => {
    chmodSync(socketPath, 0o600);
    send({ kind: 'ready' });
  });
}

/** Whether a worker asks for a workspace that it was not started for. */
function isOfAnother(args: unknown, workspaceId: string): boolean {
  const asked = (args as { workspaceId?: unknown } | null | undefined)?.workspaceId;
  return asked !== undefined && asked !== workspaceId;
}

function writeLine(socket: Socket, line: ToWorkerLine): void {
  if (socket.writable) socket.write(`${JSON.stringify(line)}\n`);
}
