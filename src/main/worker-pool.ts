// Keeps the warm worker processes alive: starts them, hears them, replaces the dead, drains them at the end.

import { type ChildProcess, fork } from 'node:child_process';
import type { GatewayToWorker, LocalWorkerSettings, WorkerToGateway } from '../domain/worker-frame.ts';
import type { ProcessRef } from '../features/workers/ops.ts';
import type { Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/fault.ts';
import { newId, newSecret } from '../kit/id.ts';
import type { Log } from '../kit/log.ts';
import { startTimeOf } from '../kit/process-ref.ts';
import { entryPath } from './entry.ts';
import { workerEnvironment } from './environment.ts';

interface WorkerPoolOptions {
  readonly count: number;
  /** What a worker is told now; asked again for each new one and at each change. */
  readonly settings: () => Omit<LocalWorkerSettings, 'workerId' | 'storeCredential'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly onFrame: (frame: WorkerToGateway) => void;
  /** Registers the worker in the store and lets it connect. */
  readonly onBorn: (worker: ProcessRef & { readonly workerId: string; readonly credential: string }) => Promise<void>;
  /** Settles what a dead worker held. */
  readonly onGone: (workerId: string, end: 'died' | 'drained') => Promise<void>;
}

interface Member {
  readonly id: string;
  readonly credential: string;
  readonly child: ChildProcess;
  readonly startedAt: number;
  readonly gone: Promise<void>;
  /** Pings without an answer, one after another. */
  unanswered: number;
}

const LONGEST_PAUSE_MS = 5000;
/** A worker's garbage is short-lived: V8 is told to collect before it grows (119 MB after 4,000 turns instead of 333, as fast as before). */
const WORKER_FLAGS = ['--max-semi-space-size=2', '--heap-growing-percent=50'];
const DRAIN_MARGIN_MS = 3000;
const PING_EVERY_MS = 4000;
const MOST_UNANSWERED = 4;

export function startWorkerPool({ count, settings, clock, log, onFrame, onBorn, onGone }: WorkerPoolOptions) {
  const members = new Map<string, Member>();
  let stopping = false;
  let deaths = 0;
  let stillborn = 0;

  const configure = ({ id, credential, child }: Pick<Member, 'id' | 'credential' | 'child'>) =>
    tell(child, { kind: 'configure', settings: { ...settings(), workerId: id, storeCredential: credential } });

  const start = async (): Promise<void> => {
    const id = newId('worker', clock.now());
    const credential = newSecret(32);
    const child = fork(entryPath('worker'), [], { execArgv: WORKER_FLAGS, env: workerEnvironment(), stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let ready = false;
    child.on('message', (frame: WorkerToGateway) => {
      const member = members.get(id);
      if (member) member.unanswered = 0;
      ready ||= frame.kind === 'ready';
      onFrame(frame);
    });
    child.on('error', (error) => log.error({ worker: id, error: messageOf(error) }, 'a worker process failed'));
    const startedAt = clock.now();
    const gone = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        members.delete(id);
        const end = stopping ? 'drained' : 'died';
        if (end === 'died') log.warn({ worker: id, code, signal }, 'a worker died; its runs go on with the next one');
        onGone(id, end)
          .catch((error: unknown) => log.error({ worker: id, error: messageOf(error) }, 'the runs of a dead worker wait for their leases to end'))
          .finally(resolve);
        if (!stopping) replace(ready);
      });
    });
    members.set(id, { id, credential, child, startedAt, gone, unanswered: 0 });
    const pid = child.pid;
    if (pid === undefined) return;
    await onBorn({ workerId: id, credential, pid, pidStarted: startTimeOf(pid) });
    configure({ id, credential, child });
  };

  /** At once, unless workers keep dying before they are ready: then something is wrong with the machine, not with a run. */
  const replace = (wasReady: boolean) => {
    deaths += 1;
    stillborn = wasReady ? 0 : stillborn + 1;
    const pauseMs = stillborn < 3 ? 0 : Math.min(LONGEST_PAUSE_MS, 250 * 2 ** (stillborn - 3));
    void clock.sleep(pauseMs).then(() => (stopping ? undefined : begin()));
  };

  const begin = () =>
    start().catch((error: unknown) => {
      log.error({ error: messageOf(error) }, 'a worker could not be started');
    });

  for (let i = 0; i < count; i++) void begin();

  /** A worker that hangs before it holds a run has no lease that could run out. This gateway's own sleep counts as one ping. */
  const pings = setInterval(() => {
    for (const member of members.values()) {
      if (member.unanswered >= MOST_UNANSWERED) {
        log.warn({ worker: member.id }, 'a worker answers nothing; it is stopped');
        member.child.kill('SIGKILL');
      }
      member.unanswered += 1;
      tell(member.child, { kind: 'ping' });
    }
  }, PING_EVERY_MS);

  return {
    list: () => [...members.values()].map(({ id, child, startedAt }) => ({ id, pid: child.pid ?? 0, startedAt, deaths })),
    /** Tells every worker the settings of now. Runs under way keep what they began with. */
    reconfigure: () => {
      for (const member of members.values()) configure(member);
    },
    /** A hint: the next renewal of the run's lease says so too. */
    abort: (runId: string) => {
      for (const { child } of members.values()) tell(child, { kind: 'abort', runId });
    },
    /** For a worker whose leases ran out: it hangs. */
    kill: (workerId: string) => {
      members.get(workerId)?.child.kill('SIGKILL');
    },
    /** For a node that was given up: its workers hold nothing any more, new ones take their places. */
    replaceAll: () => {
      for (const { child } of members.values()) child.kill('SIGKILL');
    },
    drain: async (graceMs: number) => {
      stopping = true;
      clearInterval(pings);
      const all = Promise.all([...members.values()].map(({ gone }) => gone));
      for (const { child } of members.values()) tell(child, { kind: 'drain', graceMs });
      const late = setTimeout(() => {
        for (const { child } of members.values()) child.kill('SIGKILL');
      }, graceMs + DRAIN_MARGIN_MS);
      await all;
      clearTimeout(late);
    },
  };
}

function tell(child: ChildProcess, frame: GatewayToWorker): void {
  if (child.connected) child.send(frame);
}
