// The workers of a node and the processes those started.

import { type OpSteps, statement, type Tx, txOp } from '../../ports/store.ts';
import { settleWorker } from '../runs/lease-ops.ts';

/** A process, told apart from a later one with the same pid by its start time. */
export interface ProcessRef {
  readonly pid: number;
  readonly pidStarted: string;
}

const openWorkersOf = statement<{ nodeId: string }>()((db, p) =>
  db.selectFrom('worker').selectAll().where('node_id', '=', p.nodeId).where('ended_at', 'is', null),
);
const insertWorker = statement<{ id: string; workspaceId: string; nodeId: string; pid: number; pidStarted: string; now: number }>()((db, p) =>
  db.insertInto('worker').values({
    id: p.id,
    workspace_id: p.workspaceId,
    node_id: p.nodeId,
    pid: p.pid,
    pid_started: p.pidStarted,
    started_at: p.now,
    ended_at: null,
  }),
);
const endWorkerRow = statement<{ id: string; now: number }>()((db, p) => db.updateTable('worker').set({ ended_at: p.now }).where('id', '=', p.id));
const reviveWorkerRows = statement<{ nodeId: string }>()((db, p) => db.updateTable('worker').set({ ended_at: null }).where('node_id', '=', p.nodeId));
const processesOf = statement<{ workerId: string }>()((db, p) => db.selectFrom('process').select(['pid', 'pid_started']).where('worker_id', '=', p.workerId));
const processesOfNode = statement<{ nodeId: string }>()((db, p) =>
  db
    .selectFrom('process')
    .innerJoin('worker', 'worker.id', 'process.worker_id')
    .select(['process.pid', 'process.pid_started', 'process.worker_id'])
    .where('worker.node_id', '=', p.nodeId),
);
const forgetProcesses = statement<{ workerId: string }>()((db, p) => db.deleteFrom('process').where('worker_id', '=', p.workerId));
const insertProcess = statement<{ pid: number; pidStarted: string; workspaceId: string; workerId: string; runId: string | null; now: number }>()((db, p) =>
  db
    .insertInto('process')
    .values({ pid: p.pid, pid_started: p.pidStarted, workspace_id: p.workspaceId, worker_id: p.workerId, run_id: p.runId, started_at: p.now })
    .onConflict((clash) => clash.doNothing()),
);
const deleteProcess = statement<ProcessRef & { workerId: string }>()((db, p) =>
  db.deleteFrom('process').where('pid', '=', p.pid).where('pid_started', '=', p.pidStarted).where('worker_id', '=', p.workerId),
);

/** A worker's own process stands among those it started: whoever comes after a dead node finds them all in one place. */
export const beginWorker = txOp('workers.begin', function* (tx, args: ProcessRef & { workspaceId: string; nodeId: string; workerId: string }): OpSteps<void> {
  yield* tx.run(insertWorker, { ...args, id: args.workerId, now: tx.now });
  yield* tx.run(insertProcess, { ...args, runId: null, now: tx.now });
});

/** Ends a worker: its runs go on with the next one. Answers the processes it left behind, to be killed. */
export const endWorker = txOp('workers.end', function* (tx, { workerId, end }: { workerId: string; end: 'died' | 'drained' }): OpSteps<{
  leftovers: ProcessRef[];
  requeued: number;
}> {
  const leftovers = (yield* tx.all(processesOf, { workerId })).map(refOf);
  const requeued = yield* settleWorker(tx, workerId, end);
  yield* tx.run(forgetProcesses, { workerId });
  yield* tx.run(endWorkerRow, { id: workerId, now: tx.now });
  return { leftovers, requeued };
});

/** The processes of a node that are to be killed by its successor, forgotten here. */
export function* leftoversOf(tx: Tx, nodeId: string): OpSteps<ProcessRef[]> {
  const rows = yield* tx.all(processesOfNode, { nodeId });
  for (const workerId of new Set(rows.map((row) => row.worker_id))) yield* tx.run(forgetProcesses, { workerId });
  return rows.map(refOf);
}

/** The node is gone: its workers with it. Their processes stay on record until somebody on that machine kills them. */
export function* settleWorkersOf(tx: Tx, nodeId: string): OpSteps<number> {
  let requeued = 0;
  for (const { id } of yield* tx.all(openWorkersOf, { nodeId })) {
    requeued += yield* settleWorker(tx, id, 'gateway_restart');
    yield* tx.run(endWorkerRow, { id, now: tx.now });
  }
  return requeued;
}

/** The node was only silent: its workers are there, with nothing in their hands. */
export function* reviveWorkersOf(tx: Tx, nodeId: string): OpSteps<void> {
  yield* tx.run(reviveWorkerRows, { nodeId });
}

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
  function* (tx, args: ProcessRef & { workerId: string }): OpSteps<void> {
    yield* tx.run(deleteProcess, args);
  },
  { worker: true },
);

function refOf(row: { pid: number; pid_started: string }): ProcessRef {
  return { pid: row.pid, pidStarted: row.pid_started };
}
