// Spawns as they are found and shown.

import { fault } from '../../domain/fault-codes.ts';
import { isTerminal, type RunOutcome, type RunState } from '../../domain/run.ts';
import { explainDenial, type SpawnOrder, type SpawnStatus } from '../../domain/spawn.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { SpawnTable } from '../../ports/tables-work.ts';
import { runById } from '../runs/rows.ts';

/** A spawn with its child, as methods answer it. */
export interface SpawnView {
  readonly id: string;
  readonly requestKey: string;
  readonly status: SpawnStatus;
  readonly rule: string | null;
  /** Why it was denied, and what to do. */
  readonly error: string | null;
  readonly requester: string;
  readonly parentRunId: string | null;
  readonly parentSessionKey: string | null;
  readonly childSessionKey: string;
  readonly childRunId: string;
  /** The child's run by the key that clients know. */
  readonly runId: string;
  readonly agentId: string;
  readonly role: string | null;
  readonly label: string | null;
  readonly depth: number;
  readonly task: string;
  readonly childPolicy: string;
  readonly requestedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly runState: RunState | null;
  readonly result: { readonly text: string; readonly error: string | null; readonly usage: RunOutcome['usage'] } | null;
  /** Whether the parent's transcript holds the result: `none` when nobody is to be told. */
  readonly delivery: 'none' | 'pending' | 'delivered';
  /** What settles it next: `run:<id>` or `approval:<id>`; null when it is over. */
  readonly target: string | null;
}

/** By its id, its key, its child's session key or its child's run. */
export const spawnNamed = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db
    .selectFrom('spawn')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) =>
      row.or([
        row('id', '=', p.name),
        row('request_key', '=', p.name),
        row('child_run_id', '=', p.name),
        row('child_run_id', 'in', row.selectFrom('run').select('id').where('workspace_id', '=', p.workspaceId).where('client_key', '=', p.name)),
        row('child_session_key', '=', p.name),
      ]),
    )
    .limit(1),
);
const toldBy = statement<{ resultOf: string }>()((db, p) => db.selectFrom('system_event').select('run_id').where('result_of', '=', p.resultOf).limit(1));

/** @throws Fault `spawn.not_found` */
export function* findSpawn(tx: Tx, { workspaceId, name }: { workspaceId: string; name: string }): OpSteps<SpawnTable> {
  const spawn = yield* tx.one(spawnNamed, { workspaceId, name });
  if (!spawn) throw fault('spawn.not_found', { name });
  return spawn;
}

/** The question whose answer grants a request. */
export function approvalOf({ id }: Pick<SpawnTable, 'id'>): string {
  return `grant-${id}`;
}

export function* viewSpawn(tx: Tx, spawn: SpawnTable): OpSteps<SpawnView> {
  const run = yield* tx.one(runById, { id: spawn.child_run_id });
  const { task, childPolicy, report, runKey } = JSON.parse(spawn.request) as SpawnOrder & { runKey: string }; // written by requestSpawn
  const outcome = run?.outcome == null ? null : (JSON.parse(run.outcome) as RunOutcome); // written by endRun
  const told = outcome === null ? undefined : yield* tx.one(toldBy, { resultOf: spawn.child_run_id });
  return {
    id: spawn.id,
    requestKey: spawn.request_key,
    status: statusOf(spawn, run),
    rule: spawn.rule,
    error: spawn.rule === null ? null : explainDenial(spawn.rule),
    requester: spawn.requester,
    parentRunId: spawn.parent_run_id,
    parentSessionKey: spawn.parent_session_key,
    childSessionKey: spawn.child_session_key,
    childRunId: spawn.child_run_id,
    runId: runKey,
    agentId: spawn.agent_id,
    role: spawn.role,
    label: spawn.label,
    depth: spawn.depth,
    task,
    childPolicy,
    requestedAt: spawn.requested_at,
    startedAt: run?.started_at ?? null,
    endedAt: run?.ended_at ?? null,
    runState: run?.state ?? null,
    result: outcome && { text: outcome.text, error: outcome.error?.message ?? null, usage: outcome.usage },
    delivery: report === undefined || childPolicy === 'detach' ? 'none' : told?.run_id ? 'delivered' : 'pending',
    target: targetOf(spawn, run),
  };
}

function statusOf({ state }: SpawnTable, run: RunTable | undefined): SpawnStatus {
  if (!run || state === 'cancelled') return state;
  if (isTerminal(run.state)) return 'settled';
  if (run.state === 'waiting') return 'waiting';
  return run.started_at === null ? 'queued' : 'started';
}

function targetOf(spawn: SpawnTable, run: RunTable | undefined): string | null {
  if (run) return isTerminal(run.state) ? null : `run:${run.id}`;
  return spawn.state === 'awaiting_grant' ? `approval:${approvalOf(spawn)}` : null;
}
