// The store thread: composition root of everything that touches the store's file or database.

import { parentPort, workerData } from 'node:worker_threads';
import { type StoreThreadOptions, serveStore } from '../adapters/store/thread-server.ts';
import { followEvents, sealEvents } from '../features/events/ops.ts';
import { ops } from '../features/ops-catalog.ts';
import { systemClock } from '../kit/clock.ts';

if (parentPort) void serveStore({ ...(workerData as StoreThreadOptions), port: parentPort, ops, seal: sealEvents, follow: followEvents, clock: systemClock });
