// Scheduled jobs in the store: each slot is decided once, and its run is queued in the same step.

import { type CronSpec, dueSlots, nextSlot } from '../../domain/cron.ts';
import { fault } from '../../domain/fault-codes.ts';
import { isTerminal, type RunOutcome } from '../../domain/run.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { CronJobTable, CronSlotTable } from '../../ports/tables-work.ts';
import { runById } from '../runs/rows.ts';
import { type CronHome, fireSlot } from './fire.ts';
import {
  findJob,
  type InWorkspace,
  type JobView,
  jobById,
  jobsByName,
  latestSlots,
  type Named,
  type SlotView,
  specOf,
  tellJob,
  viewJob,
  viewSlot,
} from './rows.ts';

const allJobs = statement<InWorkspace>()((db, p) =>
  db.selectFrom('cron_job').selectAll().where('workspace_id', '=', p.workspaceId).where('removed_at', 'is', null).orderBy('created_at').orderBy('id'),
);
const putJob = statement<Omit<CronJobTable, 'removed_at'>>()((db, p) =>
  db
    .insertInto('cron_job')
    .values({ ...pick(p, 'id', 'workspace_id', 'name', 'enabled', 'spec', 'created_at', 'updated_at', 'cursor_at', 'next_at'), removed_at: null })
    .onConflict((clash) =>
      clash.column('id').doUpdateSet({ name: p.name, enabled: p.enabled, spec: p.spec, updated_at: p.updated_at, cursor_at: p.cursor_at, next_at: p.next_at }),
    ),
);
const moveCursor = statement<{ id: string; cursor: number; next: number | null }>()((db, p) =>
  db.updateTable('cron_job').set({ cursor_at: p.cursor, next_at: p.next }).where('id', '=', p.id),
);
const buryJob = statement<{ id: string; now: number }>()((db, p) =>
  db.updateTable('cron_job').set({ removed_at: p.now, next_at: null, enabled: 0 }).where('id', '=', p.id),
);
const setEnabled = statement<{ id: string; spec: string }>()((db, p) => db.updateTable('cron_job').set({ enabled: 0, spec: p.spec }).where('id', '=', p.id));
const dueJobs = statement<InWorkspace & { now: number; limit: number }>()((db, p) =>
  db
    .selectFrom('cron_job')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('next_at', '<=', p.now)
    .where('next_at', 'is not', null)
    .where('removed_at', 'is', null)
    .orderBy('next_at')
    .orderBy('id')
    .limit(p.limit),
);
const nextJob = statement<InWorkspace>()((db, p) =>
  db
    .selectFrom('cron_job')
    .select('next_at')
    .where('workspace_id', '=', p.workspaceId)
    .where('next_at', 'is not', null)
    .where('removed_at', 'is', null)
    .orderBy('next_at')
    .limit(1),
);
const insertSlot = statement<CronSlotTable>()((db, p) =>
  db
    .insertInto('cron_slot')
    .values(pick(p, 'job_id', 'scheduled_for', 'workspace_id', 'state', 'reason', 'run_id', 'session_id', 'decided_at', 'settled_at'))
    .onConflict((clash) => clash.columns(['job_id', 'scheduled_for']).doNothing())
    .returning('job_id'),
);
const setSlot = statement<Pick<CronSlotTable, 'job_id' | 'scheduled_for' | 'state' | 'reason' | 'run_id' | 'settled_at'>>()((db, p) =>
  db
    .updateTable('cron_slot')
    .set({ state: p.state, reason: p.reason, run_id: p.run_id, settled_at: p.settled_at })
    .where('job_id', '=', p.job_id)
    .where('scheduled_for', '=', p.scheduled_for),
);
const openSlots = statement<InWorkspace>()((db, p) =>
  db.selectFrom('cron_slot').selectAll().where('workspace_id', '=', p.workspaceId).where('settled_at', 'is', null).orderBy('scheduled_for').limit(500),
);
const settleSlot = statement<{ jobId: string; at: number; now: number; sessionId: string | null }>()((db, p) =>
  db.updateTable('cron_slot').set({ settled_at: p.now, session_id: p.sessionId }).where('job_id', '=', p.jobId).where('scheduled_for', '=', p.at),
);

interface NewJob extends InWorkspace {
  readonly actor: string;
  readonly id: string;
  readonly spec: CronSpec;
  /** Set when an owner's edit means that slots before it are nobody's business any more. */
  readonly restart: boolean;
  /** Last slot that a predecessor ran, epoch ms. */
  readonly cursor?: number | undefined;
  readonly createdAt?: number | undefined;
  /** One that is there already stays as it is. */
  readonly onlyNew?: boolean;
}

/** Adds a job, or puts another in its place under the same id. A removed job does not come back. @throws Fault `cron.removed` */
export const putCronJob = txOp(
  'cron.put',
  function* (tx, { workspaceId, actor, id, spec, restart, cursor, createdAt, onlyNew = false }: NewJob): OpSteps<JobView> {
    const before = yield* tx.one(jobById, { workspaceId, id });
    if (before?.removed_at != null) throw fault('cron.removed', { id });
    if (before && onlyNew) return yield* viewJob(tx, before);
    const from = cursor ?? (before && !restart ? before.cursor_at : spec.schedule.kind === 'at' ? Math.min(tx.now, spec.schedule.atMs - 1) : tx.now);
    yield* tx.run(putJob, {
      id,
      workspace_id: workspaceId,
      name: spec.name,
      enabled: spec.enabled ? 1 : 0,
      spec: JSON.stringify(spec),
      created_at: before?.created_at ?? createdAt ?? tx.now,
      updated_at: tx.now,
      cursor_at: from,
      next_at: spec.enabled ? nextSlot(spec.schedule, from) : null,
    });
    yield* tellJob(tx, workspaceId, actor, { kind: 'cron', jobId: id, action: before ? 'updated' : 'added' });
    return yield* viewJob(tx, yield* findJob(tx, { workspaceId, name: id }));
  },
  { worker: true },
);

export const removeCronJob = txOp(
  'cron.remove',
  function* (tx, { workspaceId, name, actor }: Named & { actor: string }): OpSteps<boolean> {
    const byId = yield* tx.one(jobById, { workspaceId, id: name });
    const [job] = byId?.removed_at === null ? [byId] : yield* tx.all(jobsByName, { workspaceId, name });
    if (!job) return false;
    yield* tx.run(buryJob, { id: job.id, now: tx.now });
    yield* tellJob(tx, workspaceId, actor, { kind: 'cron', jobId: job.id, action: 'removed' });
    return true;
  },
  { worker: true },
);

const JOBS_AT_ONCE = 25;

export interface Tick {
  readonly decided: number;
  /** When the next slot is, epoch ms. At or before now when more jobs are due than one step takes. */
  readonly nextAt: number | null;
}

/** Decides every slot that is due, jobs of the same instant by priority, and moves the cursors past them. */
export const tickCron = txOp('cron.tick', function* (tx, home: CronHome): OpSteps<Tick> {
  const { workspaceId } = home;
  const due = yield* tx.all(dueJobs, { workspaceId, now: tx.now, limit: JOBS_AT_ONCE });
  let decided = 0;
  for (const job of due) {
    const spec = specOf(job);
    const graceMs = (spec.graceMinutes ?? home.graceMinutes) * 60_000;
    for (const { at, decision, reason } of dueSlots(spec, { cursor: job.cursor_at, now: tx.now, graceMs })) {
      decided += 1;
      yield* decideSlot(tx, home, { job, spec, at, missed: decision === 'missed' ? reason : null, actor: 'cron' });
    }
    yield* tx.run(moveCursor, { id: job.id, cursor: tx.now, next: nextSlot(spec.schedule, tx.now) });
  }
  return { decided, nextAt: (yield* tx.one(nextJob, { workspaceId }))?.next_at ?? null };
});

interface Slot {
  readonly job: CronJobTable;
  readonly spec: CronSpec;
  readonly at: number;
  readonly missed: string | null;
  readonly actor: string;
}

/** One slot, once: a second scheduler finds it taken. Answers the key of its run, if it has one. */
function* decideSlot(tx: Tx, home: CronHome, { job, spec, at, missed, actor }: Slot): OpSteps<string | null> {
  const slot = { job_id: job.id, scheduled_for: at, workspace_id: job.workspace_id, session_id: null, decided_at: tx.now };
  const base = { ...slot, run_id: null, settled_at: tx.now };
  if (missed !== null) {
    yield* tx.one(insertSlot, { ...base, state: 'missed', reason: missed });
    return null;
  }
  if (!(yield* tx.one(insertSlot, { ...base, state: 'run', reason: null, settled_at: null }))) return null;
  const fired = yield* fireSlot(tx, home, { jobId: job.id, spec, at, createdAt: job.created_at, since: job.cursor_at, actor });
  const settled = fired.kind === 'queued' ? null : tx.now;
  yield* tx.run(setSlot, {
    job_id: job.id,
    scheduled_for: at,
    state: fired.kind === 'skipped' ? 'skipped' : 'run',
    reason: fired.kind === 'skipped' ? fired.reason : null,
    run_id: fired.kind === 'queued' ? fired.runId : null,
    settled_at: settled,
  });
  yield* tellJob(tx, job.workspace_id, actor, { kind: 'cron', jobId: job.id, action: 'started', runAtMs: at });
  if (settled !== null) yield* finish(tx, job, { at, actor, status: fired.kind === 'skipped' ? 'skipped' : 'ok', summary: fired.said, startedAt: tx.now });
  return fired.kind === 'queued' ? fired.runKey : null;
}

interface Finished {
  readonly at: number;
  readonly actor: string;
  readonly status: 'ok' | 'error' | 'skipped';
  readonly summary: string;
  readonly startedAt: number;
  readonly error?: string | undefined;
}

/** What the end of a slot does to its job: a one-shot job that has done its work is off, or gone. */
function* finish(tx: Tx, job: CronJobTable, { at, actor, status, summary, startedAt, error }: Finished): OpSteps<void> {
  const spec = specOf(job);
  if (spec.schedule.kind === 'at' && status === 'ok' && job.removed_at === null) {
    if (spec.deleteAfterRun) yield* tx.run(buryJob, { id: job.id, now: tx.now });
    else yield* tx.run(setEnabled, { id: job.id, spec: JSON.stringify({ ...spec, enabled: false }) });
  }
  yield* tellJob(tx, job.workspace_id, actor, {
    kind: 'cron',
    jobId: job.id,
    action: 'finished',
    status,
    runAtMs: at,
    durationMs: tx.now - startedAt,
    summary: summary.slice(0, 2000),
    ...(error !== undefined && { error }),
    ...(job.next_at !== null && { nextRunAtMs: job.next_at }),
  });
}

/** Gives the ends of runs their effect on their jobs. Asked after each such end and at the start; doing it twice changes nothing. */
export const settleCron = txOp('cron.settle', function* (tx, { workspaceId }: InWorkspace): OpSteps<number> {
  let settled = 0;
  for (const slot of yield* tx.all(openSlots, { workspaceId })) {
    const run = slot.run_id === null ? undefined : yield* tx.one(runById, { id: slot.run_id });
    if (!run || !isTerminal(run.state)) continue;
    const job = yield* tx.one(jobById, { workspaceId, id: slot.job_id });
    yield* tx.run(settleSlot, { jobId: slot.job_id, at: slot.scheduled_for, now: tx.now, sessionId: run.session_id });
    const { text, error } = JSON.parse(run.outcome ?? '{"text":""}') as RunOutcome; // written by endRun
    const status = run.state === 'succeeded' ? 'ok' : 'error';
    const startedAt = run.started_at ?? slot.decided_at;
    if (job)
      yield* finish(tx, job, {
        at: slot.scheduled_for,
        actor: 'cron',
        status,
        summary: text,
        startedAt,
        error: error?.message ?? (status === 'error' ? run.state : undefined),
      });
    settled += 1;
  }
  return settled;
});

export type Forced = { readonly ran: false } | { readonly ran: true; readonly runKey: string | null };

/** Runs a job now: with `force` whatever its schedule says, otherwise only when it is due. */
export const runCronJob = txOp(
  'cron.run',
  function* (tx, { home, name, force, actor }: { home: CronHome; name: string; force: boolean; actor: string }): OpSteps<Forced> {
    const { workspaceId } = home;
    const job = yield* findJob(tx, { workspaceId, name });
    const spec = specOf(job);
    if (!force && (job.next_at === null || job.next_at > tx.now)) return { ran: false };
    if (!force) {
      const [latest] = dueSlots({ ...spec, catchUp: 'run-latest' }, { cursor: job.cursor_at, now: tx.now, graceMs: Number.MAX_SAFE_INTEGER }).slice(-1);
      yield* tx.run(moveCursor, { id: job.id, cursor: tx.now, next: nextSlot(spec.schedule, tx.now) });
      return { ran: true, runKey: yield* decideSlot(tx, home, { job, spec, at: latest?.at ?? tx.now, missed: null, actor }) };
    }
    const taken = (yield* tx.all(latestSlots, { jobId: job.id, limit: 1 }))[0]?.scheduled_for ?? 0;
    return { ran: true, runKey: yield* decideSlot(tx, home, { job, spec: { ...spec, onlyIf: [] }, at: Math.max(tx.now, taken + 1), missed: null, actor }) };
  },
  { worker: true },
);

export const getCronJob = readOp(
  'cron.get',
  function* (tx, named: Named): OpSteps<JobView> {
    return yield* viewJob(tx, yield* findJob(tx, named));
  },
  { worker: true },
);

export const listCronJobs = readOp(
  'cron.list',
  function* (tx, args: InWorkspace): OpSteps<JobView[]> {
    const views: JobView[] = [];
    for (const job of yield* tx.all(allJobs, args)) views.push(yield* viewJob(tx, job));
    return views;
  },
  { worker: true },
);

/** How many jobs are on, and when the next slot is. */
export const nextCronSlot = readOp(
  'cron.next',
  function* (tx, args: InWorkspace): OpSteps<{ jobs: number; nextAt: number | null }> {
    const jobs = (yield* tx.all(allJobs, args)).length;
    return { jobs, nextAt: (yield* tx.one(nextJob, args))?.next_at ?? null };
  },
  { worker: true },
);

/** The latest slots of a job, oldest first. */
export const cronSlots = readOp(
  'cron.slots',
  function* (tx, { limit, ...named }: Named & { limit: number }): OpSteps<{ job: JobView; slots: SlotView[] }> {
    const job = yield* findJob(tx, named);
    const slots: SlotView[] = [];
    for (const slot of (yield* tx.all(latestSlots, { jobId: job.id, limit })).reverse()) slots.push(yield* viewSlot(tx, slot));
    return { job: yield* viewJob(tx, job), slots };
  },
  { worker: true },
);
