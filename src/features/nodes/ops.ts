// The nodes of a store: which gateways and distant workers live, what a successor must clean up, and what only one of them may do.

import { NODE_LEASE_MS } from '../../domain/node.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { NodeTable } from '../../ports/tables.ts';
import { appendEvent, newestEvent } from '../events/ops.ts';
import { leftoversOf, type ProcessRef, reviveWorkersOf, settleWorkersOf } from '../workers/ops.ts';

interface NodeBirth extends ProcessRef {
  readonly workspaceId: string;
  readonly nodeId: string;
  readonly kind: 'gateway' | 'worker';
  /** The place it lives in: the same over all its lives, another one for every other node. */
  readonly home: string;
  readonly host: string;
  readonly url: string | null;
  readonly version: string;
}

/** What a predecessor left behind. */
export interface Remains {
  /** Processes to be killed before anything is dispatched. */
  readonly leftovers: readonly ProcessRef[];
  /** Runs that are queued again. */
  readonly resumed: number;
}

const nodesOfHome = statement<{ home: string; kind: string }>()((db, p) =>
  db
    .selectFrom('node')
    .selectAll()
    .where('home', 'in', [p.home, '']) // rows of before there was more than one node name no home
    .where('kind', '=', p.kind)
    .where((row) =>
      row.or([
        row('ended_at', 'is', null),
        row.exists(
          row.selectFrom('worker').innerJoin('process', 'process.worker_id', 'worker.id').select('worker.id').whereRef('worker.node_id', '=', 'node.id'),
        ),
      ]),
    ),
);
const insertNode = statement<Omit<NodeTable, 'ended_at'>>()((db, p) =>
  db.insertInto('node').values({
    ...pick(p, 'id', 'workspace_id', 'pid', 'pid_started', 'started_at', 'kind', 'home', 'host', 'url', 'version', 'lease_until'),
    ended_at: null,
  }),
);
const endNodeRow = statement<{ id: string; now: number }>()((db, p) =>
  db.updateTable('node').set({ ended_at: p.now }).where('id', '=', p.id).where('ended_at', 'is', null),
);
const prolong = statement<{ id: string; until: number; url: string | null }>()((db, p) =>
  db.updateTable('node').set({ lease_until: p.until, url: p.url }).where('id', '=', p.id).where('ended_at', 'is', null).returning('id'),
);
const revive = statement<{ id: string; until: number }>()((db, p) =>
  db.updateTable('node').set({ lease_until: p.until, ended_at: null }).where('id', '=', p.id),
);
const overdueNodes = statement<{ now: number }>()((db, p) => db.selectFrom('node').selectAll().where('ended_at', 'is', null).where('lease_until', '<', p.now));
const takeLease = statement<{ name: string; workspaceId: string; owner: string; until: number; now: number }>()((db, p) =>
  db
    .insertInto('lease')
    .values({ name: p.name, workspace_id: p.workspaceId, owner: p.owner, fence: 1, lease_until: p.until })
    .onConflict((clash) =>
      clash
        .columns(['workspace_id', 'name'])
        .doUpdateSet((row) => ({
          owner: p.owner,
          lease_until: p.until,
          fence: row
            .case()
            .when('lease.owner', '=', p.owner)
            .then(row.ref('lease.fence'))
            .else(row('lease.fence', '+', 1))
            .end(),
        }))
        .where((row) => row.or([row('lease.owner', '=', p.owner), row('lease.lease_until', '<', p.now)])),
    )
    .returning('name'),
);
const letGo = statement<{ owner: string }>()((db, p) => db.deleteFrom('lease').where('owner', '=', p.owner));
const allNodes = statement<{ since: number }>()((db, p) =>
  db
    .selectFrom('node')
    .selectAll()
    .where((row) => row.or([row('ended_at', 'is', null), row('ended_at', '>', p.since)]))
    .orderBy('started_at')
    .orderBy('id'),
);
const workersPerNode = statement<Record<never, never>>()((db) =>
  db
    .selectFrom('worker')
    .select((row) => ['node_id', row.fn.countAll<number>().as('workers')])
    .where('ended_at', 'is', null)
    .groupBy('node_id'),
);
const allLeases = statement<Record<never, never>>()((db) => db.selectFrom('lease').selectAll().orderBy('workspace_id').orderBy('name'));

/**
 * Begins a node's life: voids every lease of its earlier lives, puts their runs back into the queue, and answers the processes they left
 * behind, which the caller kills before it dispatches anything.
 */
export const beginNode = txOp('nodes.begin', function* (tx, birth: NodeBirth): OpSteps<Remains> {
  const leftovers: ProcessRef[] = [];
  let resumed = 0;
  for (const before of yield* tx.all(nodesOfHome, { home: birth.home, kind: birth.kind })) {
    leftovers.push(...(yield* leftoversOf(tx, before.id)));
    resumed += yield* endLife(tx, before);
  }
  yield* tx.run(insertNode, {
    ...pick(birth, 'kind', 'home', 'host', 'url', 'version', 'pid'),
    id: birth.nodeId,
    workspace_id: birth.workspaceId,
    pid_started: birth.pidStarted,
    started_at: tx.now,
    lease_until: tx.now + NODE_LEASE_MS,
  });
  yield* tell(tx, birth.workspaceId, birth.nodeId, { kind: 'gateway.started', pid: birth.pid, resumed });
  return { leftovers, resumed };
});

export const endNode = txOp('nodes.end', function* (tx, args: { workspaceId: string; nodeId: string; pid: number }): OpSteps<void> {
  yield* tx.run(letGo, { owner: args.nodeId });
  yield* tx.run(endNodeRow, { id: args.nodeId, now: tx.now });
  yield* tell(tx, args.workspaceId, args.nodeId, { kind: 'gateway.stopped', pid: args.pid });
});

/** What one node of all does at a time, for a workspace. */
export interface Lease {
  readonly workspaceId: string;
  readonly name: string;
}

export interface Kept {
  /** Others gave this node up for dead: its runs go on elsewhere, and its workers are to be replaced. */
  readonly wasGivenUp: boolean;
  /** The leases it holds until the next call, of those it asked for. */
  readonly leases: readonly Lease[];
  /** Nodes that are given up for dead now, and how many runs go on elsewhere. */
  readonly givenUp: readonly { readonly nodeId: string; readonly host: string; readonly requeued: number }[];
}

/** Called every second or two: this node lives. Takes the leases that are free, and gives up nodes that were silent too long. */
export const keepNode = txOp(
  'nodes.keep',
  function* (tx, args: { workspaceId: string; nodeId: string; url: string | null; leases: readonly Lease[] }): OpSteps<Kept> {
    const until = tx.now + NODE_LEASE_MS;
    const alive = yield* tx.one(prolong, { id: args.nodeId, until, url: args.url });
    if (!alive) {
      yield* tx.run(revive, { id: args.nodeId, until });
      yield* reviveWorkersOf(tx, args.nodeId);
    }
    const givenUp: { nodeId: string; host: string; requeued: number }[] = [];
    for (const silent of yield* tx.all(overdueNodes, { now: tx.now })) {
      givenUp.push({ nodeId: silent.id, host: silent.host, requeued: yield* endLife(tx, silent) });
    }
    const leases: Lease[] = [];
    for (const lease of args.leases) {
      const held = yield* tx.one(takeLease, { ...lease, owner: args.nodeId, until, now: tx.now });
      if (held) leases.push(lease);
    }
    return { wasGivenUp: alive === undefined, leases, givenUp };
  },
);

/** The node's leases are free, its workers gone, its runs queued again. */
function* endLife(tx: Tx, { id }: NodeTable): OpSteps<number> {
  const requeued = yield* settleWorkersOf(tx, id);
  yield* tx.run(letGo, { owner: id });
  yield* tx.run(endNodeRow, { id, now: tx.now });
  return requeued;
}

export interface NodeView {
  readonly id: string;
  readonly kind: string;
  readonly host: string;
  readonly pid: number;
  readonly url: string | null;
  readonly version: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Milliseconds since it was last heard of. */
  readonly silentMs: number;
  readonly workers: number;
}

export interface ClusterView {
  /** Number of the newest event. */
  readonly head: number;
  readonly nodes: readonly NodeView[];
  readonly leases: readonly { readonly workspaceId: string; readonly name: string; readonly owner: string; readonly fence: number; readonly forMs: number }[];
}

const RECENTLY_MS = 3_600_000;

/** Who lives, and who died within the last hour. */
export const viewCluster = readOp('nodes.view', function* (tx, _: Record<never, never>): OpSteps<ClusterView> {
  const workers = new Map((yield* tx.all(workersPerNode, {})).map((row) => [row.node_id, row.workers]));
  const nodes = yield* tx.all(allNodes, { since: tx.now - RECENTLY_MS });
  return {
    head: yield* newestEvent(tx),
    nodes: nodes.map((node) => ({
      ...pick(node, 'id', 'kind', 'host', 'pid', 'url', 'version'),
      startedAt: node.started_at,
      endedAt: node.ended_at,
      silentMs: Math.max(0, tx.now - (node.lease_until - NODE_LEASE_MS)),
      workers: workers.get(node.id) ?? 0,
    })),
    leases: (yield* tx.all(allLeases, {})).map((row) => ({
      ...pick(row, 'name', 'owner', 'fence'),
      workspaceId: row.workspace_id,
      forMs: row.lease_until - tx.now,
    })),
  };
});

function tell(
  tx: Tx,
  workspaceId: string,
  nodeId: string,
  body: { kind: 'gateway.started' | 'gateway.stopped'; pid: number; resumed?: number },
): OpSteps<void> {
  return appendEvent(tx, { workspaceId, stream: 'gateway', actor: `gateway:${nodeId}`, body });
}
