// A worker process of a gateway: configured by its first frame, reaches the store over the gateway's socket, ends with its gateway.

import { connectToSocket } from '../adapters/store/clients.ts';
import type { GatewayToWorker, LocalWorkerSettings, WorkerToGateway } from '../domain/worker-frame.ts';
import { createStoreClock, systemClock } from '../kit/clock.ts';
import { type RunningWorker, startWorker } from './worker-body.ts';

const send = (frame: WorkerToGateway) => {
  if (process.connected) process.send?.(frame);
};

async function configure(settings: LocalWorkerSettings): Promise<RunningWorker> {
  const clock = createStoreClock(systemClock);
  let running: RunningWorker | undefined;
  const leave = (code: number) => {
    running?.abandon();
    process.exit(code);
  };
  const store = await connectToSocket({
    socketPath: settings.storeSocket,
    hello: { workerId: settings.workerId, credential: settings.storeCredential },
    onWake: () => running?.runner.wake(),
    onClock: clock.setAhead,
    onLost: () => leave(0),
  });
  running = await startWorker({ settings, store, clock, send });
  const { log } = running;
  process.on('disconnect', () => leave(0));
  process.on('uncaughtException', (error) => {
    log.error({ worker: settings.workerId, error: error.stack }, 'the worker stops on an unexpected error; its runs go on with the next one');
    leave(1);
  });
  return running;
}

let worker: Promise<RunningWorker> | undefined;

async function onFrame(frame: GatewayToWorker): Promise<void> {
  if (frame.kind === 'ping') return send({ kind: 'pong' });
  if (frame.kind === 'configure') {
    if (worker) return (await worker).reconfigure(frame.settings);
    worker = configure(frame.settings);
    worker.catch(() => process.exit(1)); // its gateway is gone already, or starts another one
    await worker;
    send({ kind: 'ready' });
  } else if (frame.kind === 'abort') (await worker)?.runner.abort(frame.runId);
  else {
    await (await worker)?.runner.drain(frame.graceMs);
    process.disconnect();
  }
}

if (process.send) {
  // Node delivers frames in order; a failing one ends the worker, and its gateway starts another.
  process.on('message', (frame: GatewayToWorker) => void onFrame(frame));
  process.on('SIGINT', () => undefined); // the terminal's Ctrl-C reaches the whole group: the gateway decides
  process.on('SIGTERM', () => undefined);
}
