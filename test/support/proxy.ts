// A line to a server that can be cut, or fall silent.

import { connect, createServer, type Socket } from 'node:net';

export interface Proxy {
  readonly port: number;
  /** Ends every connection. */
  readonly cut: () => void;
  /** Nothing passes in either direction until `loud`. */
  readonly silence: () => void;
  readonly loud: () => void;
  readonly close: () => void;
}

export function startProxy(targetPort: number): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let silent = false;
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) {
      socket.setNoDelay(true);
      if (silent) socket.pause();
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  });
  const each = (action: (socket: Socket) => void) => {
    for (const pair of pairs) pair.forEach(action);
  };
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      resolve({
        port,
        cut: () => each((socket) => socket.destroy()),
        silence: () => {
          silent = true;
          each((socket) => socket.pause());
        },
        loud: () => {
          silent = false;
          each((socket) => socket.resume());
        },
        close: () => {
          each((socket) => socket.destroy());
          server.close();
        },
      });
    });
  });
}
