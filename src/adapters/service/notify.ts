// What a service manager wants to hear of the gateway: that it is ready, that it lives, that it goes.

import { spawn } from 'node:child_process';

export interface Notifier {
  readonly ready: () => void;
  readonly stopping: () => void;
}

/** Speaks through systemd-notify: Node has no datagram sockets. Silent where nobody listens. */
export function createNotifier({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdog, PATH }: Readonly<Record<string, string | undefined>>): Notifier {
  if (socket === undefined) return { ready: () => undefined, stopping: () => undefined };
  let timer: NodeJS.Timeout | undefined;
  const tell = (...args: readonly string[]) => {
    const child = spawn('systemd-notify', args, { env: { NOTIFY_SOCKET: socket, PATH: PATH ?? '/usr/bin:/bin' }, stdio: 'ignore' });
    child.on('error', () => undefined); // not installed: the manager's own time limits say the rest
    child.unref();
  };
  return {
    ready: () => {
      tell('--ready', `--pid=${process.pid}`);
      const everyMs = Number(watchdog) / 1000 / 3;
      if (everyMs > 0) timer = setInterval(() => tell('WATCHDOG=1'), everyMs).unref();
    },
    stopping: () => {
      clearInterval(timer);
      tell('STOPPING=1');
    },
  };
}
