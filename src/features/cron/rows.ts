// Jobs and slots as they are stored and shown, and how a job is found.

import type { CronSpec } from '../../domain/cron.ts';
import type { CronEvent } from '../../domain/event.ts';
import { fault } from '../../domain/fault-codes.ts';
import { isTerminal, type RunOutcome, type RunState } from '../../domain/run.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { CronJobTable, CronSlotTable } from '../../ports/tables-work.ts';
import { appendEvent } from '../events/ops.ts';
import { runById } from '../runs/rows.ts';

export interface InWorkspace {
  readonly workspaceId: string;
}
export interface Named extends InWorkspace {
  /** Id or name. */
  readonly name: string;
}

export const jobById = statement<InWorkspace & { id: string }>()((db, p) =>
  db.selectFrom('cron_job').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id),
);
export const jobsByName = statement<Named>()((db, p) =>
  db.selectFrom('cron_job').selectAll().where('workspace_id', '=', p.workspaceId).where('name', '=', p.name).where('removed_at', 'is', null).limit(2),
);
export const latestSlots = statement<{ jobId: string; limit: number }>()((db, p) =>
  db.selectFrom('cron_slot').selectAll().where('job_id', '=', p.jobId).orderBy('scheduled_for', 'desc').limit(p.limit),
);

export interface JobView {
  readonly id: string;
  readonly spec: CronSpec;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly enabled: boolean;
  readonly nextAt: number | null;
  readonly runningAt: number | null;
  /** The slot under way. */
  readonly open: SlotView | null;
  readonly last: SlotView | null;
}

/** One slot and what came of it. */
export interface SlotView {
  readonly scheduledFor: number;
  readonly state: CronSlotTable['state'];
  readonly reason: string | null;
  readonly runKey: string | null;
  readonly runState: RunState | null;
  readonly sessionId: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly text: string;
  readonly error: string | null;
}

export function specOf({ spec }: Pick<CronJobTable, 'spec'>): CronSpec {
  return JSON.parse(spec) as CronSpec; // written by putCronJob
}

export function* tellJob(tx: Tx, workspaceId: string, actor: string, body: CronEvent): OpSteps<void> {
  yield* appendEvent(tx, { workspaceId, stream: `cron:${body.jobId}`, actor, body });
}

/** @throws Fault `cron.unknown`, `cron.ambiguous` */
export function* findJob(tx: Tx, { workspaceId, name }: Named): OpSteps<CronJobTable> {
  const byId = yield* tx.one(jobById, { workspaceId, id: name });
  if (byId && byId.removed_at === null) return byId;
  const [job, other] = yield* tx.all(jobsByName, { workspaceId, name });
  if (!job) throw fault('cron.unknown', { id: name });
  if (other) throw fault('cron.ambiguous', { name });
  return job;
}

const RECENT = 5;

export function* viewJob(tx: Tx, job: CronJobTable): OpSteps<JobView> {
  const slots: SlotView[] = [];
  for (const slot of yield* tx.all(latestSlots, { jobId: job.id, limit: RECENT })) if (slot.state !== 'missed') slots.push(yield* viewSlot(tx, slot));
  const open = slots.find(({ runState }) => runState !== null && !isTerminal(runState));
  return {
    id: job.id,
    spec: specOf(job),
    createdAt: job.created_at,
    updatedAt: job.updated_at,
    enabled: job.enabled === 1,
    nextAt: job.next_at,
    runningAt: open ? open.startedAt : null,
    open: open ?? null,
    last: slots.find((slot) => slot !== open && slot.endedAt !== null) ?? null,
  };
}

export function* viewSlot(tx: Tx, slot: CronSlotTable): OpSteps<SlotView> {
  const run = slot.run_id === null ? undefined : yield* tx.one(runById, { id: slot.run_id });
  const outcome = run?.outcome == null ? undefined : (JSON.parse(run.outcome) as RunOutcome); // written by endRun
  return {
    scheduledFor: slot.scheduled_for,
    state: slot.state,
    reason: slot.reason,
    runKey: run?.client_key ?? null,
    runState: run?.state ?? null,
    sessionId: slot.session_id ?? run?.session_id ?? null,
    startedAt: run?.started_at ?? slot.decided_at,
    endedAt: run ? run.ended_at : slot.settled_at,
    text: outcome?.text ?? '',
    error: outcome?.error?.message ?? (run && isTerminal(run.state) && run.state !== 'succeeded' ? run.state : null),
  };
}
