// Where WebSocket connections arrive: challenged here, and handed to the door of the workspace that their first frame belongs to.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { HANDSHAKE_TIMEOUT_MS, MAX_FRAME_BYTES } from '../domain/protocol.ts';
import type { Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/fault.ts';
import { newUuid } from '../kit/id.ts';
import type { Log } from '../kit/log.ts';
import { isLocal } from './auth.ts';
import type { WsDoor } from './ws.ts';

interface FrontOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The door for a connection's first frame. */
  readonly pick: (text: string) => Promise<WsDoor>;
}

export type WsFront = ReturnType<typeof createWsFront>;

export function createWsFront({ clock, log, pick }: FrontOptions) {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });

  const onConnection = (socket: WebSocket, request: IncomingMessage) => {
    const connId = newUuid();
    const nonce = newUuid();
    const local = isLocal(request.socket.remoteAddress, request.headers);
    let serve: ((text: string) => void) | undefined;
    let greeting = false;
    const late = setTimeout(() => socket.close(1000), HANDSHAKE_TIMEOUT_MS);
    socket.on('error', (error) => log.debug({ conn: connId, error: messageOf(error) }, 'a socket failed'));
    socket.on('close', () => clearTimeout(late));
    const greet = async (text: string) => {
      const door = await pick(text);
      serve = await door.admit({ socket, request, connId, nonce, local, onDecided: () => clearTimeout(late) }, text);
    };
    socket.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      if (serve) return serve(text);
      if (greeting) return;
      greeting = true;
      greet(text).catch((error: unknown) => {
        log.error({ conn: connId, error: messageOf(error) }, 'a handshake failed unexpectedly');
        socket.close(1011);
      });
    });
    socket.send(JSON.stringify({ type: 'event', event: 'connect.challenge', payload: { nonce, ts: clock.now() } }));
  };
  server.on('connection', onConnection);

  return {
    /** Takes over a socket whose origin has been checked. */
    upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      server.handleUpgrade(request, socket, head, (ws) => server.emit('connection', ws, request)),
    terminate: () => {
      server.close();
      for (const socket of server.clients) socket.terminate();
    },
  };
}
