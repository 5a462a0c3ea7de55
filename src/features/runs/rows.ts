// Statements on the run table that several ops share, and a run as it is shown.

import type { EventBody } from '../../domain/event.ts';
import type { RunInput, RunOutcome, RunView } from '../../domain/run.ts';
import type { Wait } from '../../domain/wait.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { appendEvent } from '../events/ops.ts';

export const runById = statement<{ id: string }>()((db, p) => db.selectFrom('run').selectAll().where('id', '=', p.id));
/** By the client's key or by id. */
export const runByKey = statement<{ workspaceId: string; runKey: string }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('client_key', '=', p.runKey), row('id', '=', p.runKey)])),
);
export const openRunsOfSession = statement<{ workspaceId: string; sessionKey: string }>()((db, p) =>
  db
    .selectFrom('run')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('session_key', '=', p.sessionKey)
    .where('state', 'in', ['queued', 'running', 'waiting'])
    .orderBy('queued_at')
    .orderBy('id'),
);

/** Appends to the run's own stream. */
export function* appendRunEvent(tx: Tx, run: RunTable, actor: string, body: EventBody): OpSteps<void> {
  yield* appendEvent(tx, {
    workspaceId: run.workspace_id,
    stream: `run:${run.id}`,
    actor,
    sessionKey: run.session_key,
    runKey: run.client_key,
    body,
  });
}

export function viewRun(run: RunTable): RunView {
  return {
    id: run.id,
    runKey: run.client_key,
    kind: run.kind,
    sessionKey: run.session_key,
    agentId: run.agent_id,
    lane: run.lane,
    state: run.state,
    priority: run.priority,
    queuedAt: run.queued_at,
    startedAt: run.started_at,
    endedAt: run.ended_at,
    deadlineAt: run.deadline_at,
    attempts: Math.ceil(run.fence / 2),
    deaths: run.deaths,
    worker: run.worker_id,
    outcome: run.outcome === null ? null : (JSON.parse(run.outcome) as RunOutcome), // written by endRun
    rootId: run.root_id,
    parentId: run.parent_id,
    depth: run.depth,
    role: run.role,
    jobId: run.job_id,
    wait: run.state === 'waiting' && run.wait !== null ? (JSON.parse(run.wait) as Wait) : null, // written by suspendRun
  };
}

/** What a run may make its agent use is the most that its children may. */
export function toolsOf(run: Pick<RunTable, 'input'> | undefined): Pick<RunInput, 'tools'> {
  const { tools }: Partial<RunInput> = run ? (JSON.parse(run.input) as RunInput) : {}; // written by enqueueRun
  return tools ? { tools } : {};
}
