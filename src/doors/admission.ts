// Bounds what strangers can hold: sockets that have not shown who they are are few, and not for long.

import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';

interface AdmissionOptions {
  readonly http: HttpServer;
  readonly maxUnknown: number;
  readonly maxUnknownPerAddress: number;
  /** How long a socket above the bound waits for a place before it is closed. */
  readonly waitMs: number;
  /** How long a socket may take until its first request is complete. */
  readonly firstRequestMs: number;
}

const UNKNOWN = Symbol('unknown');
type Watched = Socket & { [UNKNOWN]?: () => void };

/** Marks the socket as known: it no longer counts against the bound. */
export function markKnown(socket: Socket): void {
  (socket as Watched)[UNKNOWN]?.(); // set by admit below, absent on sockets of other servers
}

/** A TCP server that hands sockets on to the HTTP server as there is room for them. */
export function createAdmission({ http, maxUnknown, maxUnknownPerAddress, waitMs, firstRequestMs }: AdmissionOptions): Server {
  const perAddress = new Map<string, number>();
  const waiting: { readonly socket: Socket; readonly timer: NodeJS.Timeout }[] = [];
  let unknown = 0;

  const hasRoom = (address: string) => unknown < maxUnknown && (isLoopbackAddress(address) || (perAddress.get(address) ?? 0) < maxUnknownPerAddress);

  const admit = (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    unknown += 1;
    perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
    const late = setTimeout(() => socket.destroy(), firstRequestMs);
    let counted = true;
    const known = () => {
      if (!counted) return;
      counted = false;
      clearTimeout(late);
      unknown -= 1;
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
      letNextIn();
    };
    (socket as Watched)[UNKNOWN] = known; // the mark of this module on its sockets
    socket.once('close', known);
    http.emit('connection', socket);
    socket.resume();
  };
  const letNextIn = () => {
    const next = waiting.findIndex(({ socket }) => hasRoom(socket.remoteAddress ?? ''));
    if (next === -1) return;
    const [entry] = waiting.splice(next, 1);
    if (!entry) return;
    clearTimeout(entry.timer);
    if (!entry.socket.destroyed) admit(entry.socket);
  };
  const wait = (socket: Socket) => {
    const leave = () => {
      const at = waiting.findIndex((entry) => entry.socket === socket);
      if (at !== -1) waiting.splice(at, 1);
    };
    const timer = setTimeout(() => {
      leave();
      socket.destroy();
    }, waitMs);
    waiting.push({ socket, timer });
    socket.once('close', () => {
      clearTimeout(timer);
      leave();
    });
  };

  return createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    if (hasRoom(socket.remoteAddress ?? '')) admit(socket);
    else wait(socket);
  });
}

function isLoopbackAddress(address: string): boolean {
  return /^(::1|(::ffff:)?127\.)/.test(address);
}
