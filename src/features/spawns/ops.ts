// Spawns in the store: a request, its child session and its queued run are one step.

import type { Role, Spawner, SpawnRights } from '../../domain/role.ts';
import { isRole } from '../../domain/role.ts';
import { isTerminal } from '../../domain/run.ts';
import { decideSpawn, type SpawnFact, type SpawnLimits, type SpawnOrder, type SpawnState } from '../../domain/spawn.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { SpawnTable } from '../../ports/tables-work.ts';
import { openApproval } from '../approvals/ops.ts';
import { appendEvent } from '../events/ops.ts';
import { stopRuns } from '../runs/end.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { runById, toolsOf } from '../runs/rows.ts';
import { archiveSession, ensureSession, nameSession } from '../sessions/ops.ts';
import { fitsAbove } from '../usage/ledger.ts';
import { settleTarget } from '../waits/ops.ts';
import { approvalOf, findSpawn, type SpawnView, viewSpawn } from './rows.ts';

export interface SpawnRequest {
  readonly workspaceId: string;
  readonly actor: string;
  /** The requester's key: the same key twice is the same spawn and the same child. */
  readonly requestKey: string;
  /** The run that asks. Null when a person or a program asks. */
  readonly parentRunId: string | null;
  /** Role of the asking agent, when it has one. */
  readonly spawnerRole: Role | null;
  /** Somebody without proof says that he has this role: it narrows what he may ask for, down from what a plain sub-agent may. */
  readonly claimedRole?: Role | null;
  readonly agentId: string;
  readonly agentAllowed: boolean;
  readonly role: Role | null;
  readonly label: string | null;
  readonly order: SpawnOrder;
  readonly limits: SpawnLimits;
  /** Whom each role may start, by the owner's policy. */
  readonly rights: SpawnRights;
  readonly cleanup: 'keep' | 'delete';
  /** Names for the child, drawn by the caller. */
  readonly childSessionKey: string;
  readonly childRunKey: string;
}

const insertSpawn = statement<SpawnTable>()((db, p) =>
  db
    .insertInto('spawn')
    .values(
      pick(
        p,
        'id',
        'workspace_id',
        'request_key',
        'state',
        'rule',
        'requester',
        'parent_run_id',
        'parent_session_key',
        'child_run_id',
        'child_session_key',
        'agent_id',
        'role',
        'depth',
        'label',
        'request',
        'requested_at',
        'decided_at',
        'decided_by',
        'deadline_at',
        'cleanup',
      ),
    ),
);
const spawnByKey = statement<{ workspaceId: string; key: string }>()((db, p) =>
  db.selectFrom('spawn').selectAll().where('workspace_id', '=', p.workspaceId).where('request_key', '=', p.key),
);
const recentSpawns = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db.selectFrom('spawn').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('requested_at', 'desc').orderBy('id', 'desc').limit(p.limit),
);
const spawnsOfRun = statement<{ runId: string }>()((db, p) =>
  db.selectFrom('spawn').selectAll().where('parent_run_id', '=', p.runId).orderBy('requested_at').orderBy('id'),
);
const openChildren = statement<{ runId: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select(['id', 'role'])
    .where('parent_id', '=', p.runId)
    .where('kind', '=', 'spawn')
    .where('state', 'in', ['queued', 'running', 'waiting']),
);
const spawnsSince = statement<{ rootId: string; since: number; limit: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select('id')
    .where('root_id', '=', p.rootId)
    .where('queued_at', '>', p.since)
    .where('parent_id', 'is not', null)
    .where('kind', '=', 'spawn')
    .limit(p.limit),
);
const decideRow = statement<{ id: string; state: SpawnState; by: string; now: number }>()((db, p) =>
  db
    .updateTable('spawn')
    .set({ state: p.state, decided_at: p.now, decided_by: p.by })
    .where('id', '=', p.id)
    .where('state', '=', 'awaiting_grant')
    .returningAll(),
);
const cancelRow = statement<{ id: string }>()((db, p) => db.updateTable('spawn').set({ state: 'cancelled' }).where('id', '=', p.id));
const GRANT_WITHIN_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Asks for a sub-agent. Never fails for what the policy says: that is an answer. @throws Fault `lane.full` */
export const requestSpawn = txOp(
  'spawns.request',
  function* (tx, request: SpawnRequest): OpSteps<SpawnView> {
    const { workspaceId, requestKey, parentRunId, role, limits, order } = request;
    const before = yield* tx.one(spawnByKey, { workspaceId, key: requestKey });
    if (before) return yield* viewSpawn(tx, before);
    const parent = parentRunId === null ? undefined : yield* tx.one(runById, { id: parentRunId });
    const children = parent ? yield* tx.all(openChildren, { runId: parent.id }) : [];
    const decision =
      parentRunId !== null && (!parent || isTerminal(parent.state))
        ? ({ kind: 'deny', rule: 'parent' } as const)
        : decideSpawn({
            rights: request.rights,
            spawner: request.claimedRole === undefined ? spawnerOf(parent, request.spawnerRole) : (request.claimedRole ?? 'plain'),
            role,
            depth: (parent?.depth ?? 0) + 1,
            openChildren: children.length,
            openInRole: children.filter((child) => child.role === role).length,
            inLastMinute: parent && limits.perMinute > 0 ? (yield* tx.all(spawnsSince, sinceAMinute(tx, parent, limits))).length : 0,
            agentAllowed: request.agentAllowed,
            limits,
            budgetFits: !parent || !order.budget || (yield* fitsAbove(tx, parent.id, order.budget)),
          });
    const spawn: SpawnTable = {
      id: tx.newId('spawn'),
      workspace_id: workspaceId,
      request_key: requestKey,
      state: decision.kind === 'queue' ? 'queued' : decision.kind === 'ask' ? 'awaiting_grant' : 'denied',
      rule: decision.kind === 'deny' ? decision.rule : null,
      requester: request.actor,
      parent_run_id: parent?.id ?? null,
      parent_session_key: order.report?.sessionKey ?? parent?.session_key ?? null,
      child_run_id: tx.newId('run'),
      child_session_key: request.childSessionKey,
      agent_id: request.agentId,
      role,
      depth: (parent?.depth ?? 0) + 1,
      label: request.label,
      request: JSON.stringify({ ...order, runKey: request.childRunKey }),
      requested_at: tx.now,
      decided_at: decision.kind === 'ask' ? null : tx.now,
      decided_by: decision.kind === 'ask' ? null : 'policy',
      deadline_at: decision.kind === 'ask' ? tx.now + GRANT_WITHIN_MS : null,
      cleanup: request.cleanup,
    };
    yield* tx.run(insertSpawn, spawn);
    if (decision.kind === 'queue') yield* begin(tx, spawn, parent);
    if (decision.kind === 'ask') {
      const asked = { task: order.task.slice(0, 2000), agentId: request.agentId, role, label: request.label, spawn: spawn.id };
      yield* openApproval(tx, { workspaceId, id: approvalOf(spawn), kind: 'spawn', request: asked, owner: `spawn:${spawn.id}`, timeoutMs: GRANT_WITHIN_MS });
    }
    yield* tell(tx, spawn, request.actor, 'spawn.requested');
    return yield* viewSpawn(tx, spawn);
  },
  { worker: true },
);

function sinceAMinute(tx: Tx, { root_id }: RunTable, { perMinute }: SpawnLimits) {
  return { rootId: root_id, since: tx.now - MINUTE_MS, limit: perMinute };
}

/** A run without a role acts for the owner at the top of a tree, and is a plain sub-agent below. */
function spawnerOf(parent: RunTable | undefined, role: Role | null): Spawner {
  if (!parent) return 'owner';
  if (parent.role !== null && isRole(parent.role)) return parent.role;
  return role ?? (parent.depth === 0 ? 'owner' : 'plain');
}

/** The child's session and run. */
function* begin(tx: Tx, spawn: SpawnTable, parent: RunTable | undefined): OpSteps<void> {
  const { runKey, task, model, thinking, timeoutMs, priority, budget, childPolicy, report, extraSystemPrompt, commands, work } = JSON.parse(
    spawn.request,
  ) as SpawnOrder & {
    runKey: string;
  }; // written by requestSpawn
  const { workspace_id: workspaceId, child_session_key: key, agent_id: agentId } = spawn;
  const session = yield* ensureSession(tx, { workspaceId, key, agentId });
  yield* nameSession(tx, session, { label: spawn.label, spawnedBy: spawn.parent_session_key });
  yield* enqueueRun(tx, {
    workspaceId,
    actor: spawn.requester,
    runKey,
    id: spawn.child_run_id,
    kind: 'spawn',
    sessionKey: key,
    agentId,
    lane: 'subagent',
    priority,
    timeoutMs,
    input: {
      message: task,
      ...(model !== undefined && { model }),
      ...(thinking !== undefined && { thinking }),
      ...(extraSystemPrompt !== undefined && { extraSystemPrompt }),
      ...(budget && { budget }),
      ...(commands && { commands }),
      ...(work && { work }),
      ...toolsOf(parent),
      ...(report && childPolicy !== 'detach' && { report }),
      ...(spawn.cleanup === 'delete' && { archive: true }),
    },
    parent: { runId: parent?.id ?? null, rootId: parent?.root_id ?? spawn.child_run_id, depth: spawn.depth, childPolicy },
    role: spawn.role,
  });
}

/** Grants or refuses a request that waits, with the approval that asked for it already decided. */
export function* decideRequest(tx: Tx, { spawnId, granted, by }: { spawnId: string; granted: boolean; by: string }): OpSteps<void> {
  const state = granted ? 'queued' : by === 'deadline' ? 'expired' : 'denied';
  const spawn = yield* tx.one(decideRow, { id: spawnId, state, by, now: tx.now });
  if (!spawn) return;
  const parent = spawn.parent_run_id === null ? undefined : yield* tx.one(runById, { id: spawn.parent_run_id });
  if (granted) yield* begin(tx, spawn, parent);
  yield* tell(tx, spawn, by, 'spawn.decided');
}

/** Takes back a request, or stops its child with all that the child started. Answers false when it was over. */
export const cancelSpawn = txOp('spawns.cancel', function* (tx, { workspaceId, name, actor }: { workspaceId: string; name: string; actor: string }): OpSteps<{
  spawn: SpawnView;
  cancelled: boolean;
}> {
  const spawn = yield* findSpawn(tx, { workspaceId, name });
  const run = yield* tx.one(runById, { id: spawn.child_run_id });
  const open = run ? !isTerminal(run.state) : spawn.state === 'awaiting_grant';
  if (open) {
    yield* tx.run(cancelRow, { id: spawn.id });
    if (run) yield* stopRuns(tx, [run], actor, 'cancelled');
    else yield* settleTarget(tx, `approval:${approvalOf(spawn)}`);
    yield* tell(tx, { ...spawn, state: 'cancelled' }, actor, 'spawn.decided');
  }
  return { spawn: yield* viewSpawn(tx, yield* findSpawn(tx, { workspaceId, name })), cancelled: open };
});

const doneSessions = statement<{ workspaceId: string; before: number; limit: number }>()((db, p) =>
  db
    .selectFrom('session')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('archived_at', 'is', null)
    .where('updated_at', '<', p.before)
    .where('key', 'like', 'agent:%:subagent:%')
    .where((row) =>
      row.not(
        row.exists(
          row
            .selectFrom('run')
            .select('run.id')
            .whereRef('run.workspace_id', '=', 'session.workspace_id')
            .whereRef('run.session_key', '=', 'session.key')
            .where('run.state', 'in', ['queued', 'running', 'waiting']),
        ),
      ),
    )
    .limit(p.limit),
);
const AT_ONCE = 200;

/** Takes sessions of sub-agents off the lists that have had no work for a while. Their transcripts stay readable by id. */
export const tidySessions = txOp('spawns.tidy', function* (tx, { workspaceId, idleMs }: { workspaceId: string; idleMs: number }): OpSteps<number> {
  const done = yield* tx.all(doneSessions, { workspaceId, before: tx.now - idleMs, limit: AT_ONCE });
  for (const session of done) yield* archiveSession(tx, session);
  return done.length;
});

export const getSpawn = readOp('spawns.get', function* (tx, named: { workspaceId: string; name: string }): OpSteps<SpawnView> {
  return yield* viewSpawn(tx, yield* findSpawn(tx, named));
});

export const listSpawns = readOp('spawns.list', function* (tx, args: { workspaceId: string; limit: number }): OpSteps<SpawnView[]> {
  const views: SpawnView[] = [];
  for (const spawn of yield* tx.all(recentSpawns, args)) views.push(yield* viewSpawn(tx, spawn));
  return views;
});

/** The children of a run: all of them, or those that are named. @throws Fault `spawn.not_found` */
export const childrenOf = readOp(
  'spawns.children',
  function* (tx, { workspaceId, runId, names }: { workspaceId: string; runId: string; names: readonly string[] }): OpSteps<SpawnView[]> {
    const rows: SpawnTable[] = [];
    if (names.length === 0) rows.push(...(yield* tx.all(spawnsOfRun, { runId })));
    for (const name of names) rows.push(yield* findSpawn(tx, { workspaceId, name }));
    const views: SpawnView[] = [];
    for (const row of rows) views.push(yield* viewSpawn(tx, row));
    return views;
  },
  { worker: true },
);

function* tell(tx: Tx, spawn: SpawnTable, actor: string, kind: 'spawn.requested' | 'spawn.decided'): OpSteps<void> {
  const fact: SpawnFact = {
    id: spawn.id,
    state: spawn.state,
    rule: spawn.rule,
    childSessionKey: spawn.child_session_key,
    childRunId: spawn.child_run_id,
    label: spawn.label,
    agentId: spawn.agent_id,
    role: spawn.role,
  };
  yield* appendEvent(tx, { workspaceId: spawn.workspace_id, stream: `spawn:${spawn.id}`, actor, body: { kind, spawn: fact } });
}
