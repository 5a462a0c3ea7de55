// Gateways, their workers and the processes those started: who lives, and what a successor must clean up.

import { type OpSteps, statement, txOp } from '../../ports/store.ts';
import { appendEvent } from '../events/ops.ts';
import { settleWorker } from '../runs/lease-ops.ts';

/** A process, told apart from a later one with the same pid by its start time. */
export interface ProcessRef {
  readonly pid: number;
  readonly pidStarted: string;
}

interface GatewayBirth extends ProcessRef {
  readonly workspaceId: string;
  readonly gatewayId: string;
}

const liveGateways = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('gateway').selectAll().where('workspace_id', '=', p.workspaceId).where('ended_at', 'is', null),
);
const insertGateway = statement<{ id: string; workspaceId: string; pid: number; pidStarted: string; now: number }>()((db, p) =>
  db.insertInto('gateway').values({ id: p.id, workspace_id: p.workspaceId, pid: p.pid, pid_started: p.pidStarted, started_at: p.now, ended_at: null }),
);
const endGatewayRow = statement<{ id: string; now: number }>()((db, p) => db.updateTable('gateway').set({ ended_at: p.now }).where('id', '=', p.id));
const workersOf = statement<{ gatewayId: string }>()((db, p) =>
  db.selectFrom('worker').selectAll().where('gateway_id', '=', p.gatewayId).where('ended_at', 'is', null),
);
const insertWorker = statement<{ id: string; workspaceId: string; gatewayId: string; pid: number; pidStarted: string; now: number }>()((db, p) =>
  db.insertInto('worker').values({
    id: p.id,
    workspace_id: p.workspaceId,
    gateway_id: p.gatewayId,
    pid: p.pid,
    pid_started: p.pidStarted,
    started_at: p.now,
    ended_at: null,
  }),
);
const endWorkerRow = statement<{ id: string; now: number }>()((db, p) => db.updateTable('worker').set({ ended_at: p.now }).where('id', '=', p.id));
const processesOf = statement<{ workerId: string }>()((db, p) => db.selectFrom('process').select(['pid', 'pid_started']).where('worker_id', '=', p.workerId));
const forgetProcesses = statement<{ workerId: string }>()((db, p) => db.deleteFrom('process').where('worker_id', '=', p.workerId));
const insertProcess = statement<{ pid: number; pidStarted: string; workspaceId: string; workerId: string; runId: string | null; now: number }>()((db, p) =>
  db
    .insertInto('process')
    .values({ pid: p.pid, pid_started: p.pidStarted, workspace_id: p.workspaceId, worker_id: p.workerId, run_id: p.runId, started_at: p.now })
    .onConflict((clash) => clash.doNothing()),
);
const deleteProcess = statement<ProcessRef>()((db, p) => db.deleteFrom('process').where('pid', '=', p.pid).where('pid_started', '=', p.pidStarted));

/**
 * Begins a gateway: voids every lease of its predecessors, puts their runs back into the queue, and answers
 * the processes they left behind, which the caller kills before it dispatches anything.
 */
export const beginGateway = txOp('workers.beginGateway', function* (tx, { workspaceId, gatewayId, pid, pidStarted }: GatewayBirth): OpSteps<{
  leftovers: ProcessRef[];
  resumed: number;
}> {
  const leftovers: ProcessRef[] = [];
  let resumed = 0;
  for (const gateway of yield* tx.all(liveGateways, { workspaceId })) {
    for (const worker of yield* tx.all(workersOf, { gatewayId: gateway.id })) {
      const processes = yield* tx.all(processesOf, { workerId: worker.id });
      leftovers.push({ pid: worker.pid, pidStarted: worker.pid_started });
      leftovers.push(...processes.map((row) => ({ pid: row.pid, pidStarted: row.pid_started })));
      resumed += yield* settleWorker(tx, worker.id, 'gateway_restart');
      yield* tx.run(forgetProcesses, { workerId: worker.id });
      yield* tx.run(endWorkerRow, { id: worker.id, now: tx.now });
    }
    yield* tx.run(endGatewayRow, { id: gateway.id, now: tx.now });
  }
  yield* tx.run(insertGateway, { id: gatewayId, workspaceId, pid, pidStarted, now: tx.now });
  yield* appendEvent(tx, { workspaceId, stream: 'gateway', actor: `gateway:${gatewayId}`, body: { kind: 'gateway.started', pid, resumed } });
  return { leftovers, resumed };
});

export const endGateway = txOp('workers.endGateway', function* (tx, args: { workspaceId: string; gatewayId: string; pid: number }): OpSteps<void> {
  yield* tx.run(endGatewayRow, { id: args.gatewayId, now: tx.now });
  yield* appendEvent(tx, {
    workspaceId: args.workspaceId,
    stream: 'gateway',
    actor: `gateway:${args.gatewayId}`,
    body: { kind: 'gateway.stopped', pid: args.pid },
  });
});

export const beginWorker = txOp(
  'workers.begin',
  function* (tx, args: ProcessRef & { workspaceId: string; gatewayId: string; workerId: string }): OpSteps<void> {
    yield* tx.run(insertWorker, { ...args, id: args.workerId, now: tx.now });
  },
);

/** Ends a worker: its runs go on with the next one. Answers the processes it left behind, to be killed. */
export const endWorker = txOp('workers.end', function* (tx, { workerId, end }: { workerId: string; end: 'died' | 'drained' }): OpSteps<{
  leftovers: ProcessRef[];
  requeued: number;
}> {
  const leftovers = (yield* tx.all(processesOf, { workerId })).map((row) => ({ pid: row.pid, pidStarted: row.pid_started }));
  const requeued = yield* settleWorker(tx, workerId, end);
  yield* tx.run(forgetProcesses, { workerId });
  yield* tx.run(endWorkerRow, { id: workerId, now: tx.now });
  return { leftovers, requeued };
});

/** A worker tells of a process group it started, before it relies on it. */
export const noteProcess = txOp(
  'workers.noteProcess',
  function* (tx, args: ProcessRef & { workspaceId: string; workerId: string; runId: string | null }): OpSteps<void> {
    yield* tx.run(insertProcess, { ...args, now: tx.now });
  },
  { worker: true },
);

export const forgetProcess = txOp(
  'workers.forgetProcess',
  function* (tx, args: ProcessRef): OpSteps<void> {
    yield* tx.run(deleteProcess, args);
  },
  { worker: true },
);
