// What can be asked about scheduled jobs, by id and by name, in the shapes existing clients parse.

import { z } from 'zod';
import { agentIds, type Config, defaultAgentId } from '../../domain/config.ts';
import { CRON_CHECKS, type CronSpec, nextSlot, normaliseJob, parseJob } from '../../domain/cron.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type Phases, WORKSPACE_PARTS, type WorkspacePart } from '../../domain/phase.ts';
import { localTime, localZone } from '../../kit/cron-time.ts';
import { newUuid, uuidOf } from '../../kit/id.ts';
import { method } from '../../ports/method.ts';
import type { Store } from '../../ports/store.ts';
import { NEVER_MS, waitForEnd } from '../runs/wait.ts';
import type { CronHome } from './fire.ts';
import { cronSlots, getCronJob, listCronJobs, nextCronSlot, putCronJob, removeCronJob, runCronJob } from './ops.ts';
import type { JobView, SlotView } from './rows.ts';

const Payload = z.record(z.string(), z.unknown());
const Named = { id: z.string().min(1).max(200).optional(), jobId: z.string().min(1).max(200).optional() };

/** Jobs of old whose work is code now, by the part of the workspace that does it. */
const JOBS_OF_PARTS: Readonly<Partial<Record<WorkspacePart, readonly string[]>>> = {
  'spawn-queue': ['spawn-processor', 'spawn-queue-processor', 'spawn-queue', 'process-spawn-queue'],
  heartbeats: ['proactive-scheduler', 'heartbeat-monitor', 'heartbeat-check'],
};

export function cronHome(config: Config, workspaceId: string, phases?: Phases): CronHome {
  const parts = WORKSPACE_PARTS.filter((part) => phases?.[part] === 'on');
  return {
    workspaceId,
    defaultAgentId: defaultAgentId(config),
    agentIds: agentIds(config),
    mainKey: config.session.mainKey,
    timeoutMs: config.agents.defaults.timeoutSeconds * 1000,
    graceMinutes: config.cron.graceMinutes,
    zone: zoneOf(config),
    held: parts.flatMap((part) => JOBS_OF_PARTS[part] ?? []),
  };
}

function zoneOf(config: Config): string {
  return config.agents.defaults.userTimezone ?? localZone();
}

/** A job in the shape of the original's file and answers. */
export function jobEntry({ id, spec, createdAt, updatedAt, enabled, nextAt, runningAt, last }: JobView) {
  return {
    id,
    ...spec,
    enabled,
    createdAtMs: createdAt,
    updatedAtMs: updatedAt,
    state: {
      ...(nextAt !== null && { nextRunAtMs: nextAt }),
      ...(runningAt !== null && { runningAtMs: runningAt }),
      ...(last && { lastRunAtMs: last.startedAt, lastStatus: statusOf(last), lastDurationMs: (last.endedAt ?? last.startedAt) - last.startedAt }),
      ...(last?.error && { lastError: last.error }),
    },
  };
}

/** The same with the next slots in the owner's words. */
export function shownJob(job: JobView) {
  const { schedule } = job.spec;
  const zone = schedule.kind === 'cron' ? schedule.tz : undefined;
  const slots: number[] = [];
  for (let at = job.nextAt; at !== null && slots.length < 3; at = nextSlot(schedule, at)) slots.push(at);
  return { ...jobEntry(job), nextLocal: slots.map((at) => localTime(at, zone ?? localZone())) };
}

function statusOf({ state, error }: SlotView): 'ok' | 'error' | 'skipped' {
  return state === 'run' ? (error === null ? 'ok' : 'error') : 'skipped';
}

function nameOf({ id, jobId }: { id?: string | undefined; jobId?: string | undefined }): string {
  const name = id ?? jobId;
  if (name === undefined) throw fault('request.refused', { reason: 'id required' });
  return name;
}

export const cronList = method({
  name: 'cron.list',
  scope: 'operator.read',
  about: 'Scheduled jobs, the next one first.',
  input: z.strictObject({ includeDisabled: z.boolean().optional() }),
  output: Payload,
  run: async ({ store, workspaceId }, { includeDisabled = false }) => {
    const jobs = (await store.call(listCronJobs, { workspaceId })).filter(({ enabled }) => enabled || includeDisabled);
    const last = Number.MAX_SAFE_INTEGER;
    return { jobs: jobs.sort((a, b) => (a.nextAt ?? last) - (b.nextAt ?? last)).map(shownJob) };
  },
});

export const cronStatus = method({
  name: 'cron.status',
  scope: 'operator.read',
  about: 'Whether the scheduler is on, how many jobs there are, and when the next slot is.',
  input: z.strictObject({}),
  output: Payload,
  run: async ({ store, workspaceId, gateway }) => {
    const { enabled } = gateway.config().config.cron;
    const { jobs, nextAt } = await store.call(nextCronSlot, { workspaceId });
    return { enabled, storePath: `${gateway.stateDir}/cron/jobs.json`, jobs, nextWakeAtMs: enabled ? nextAt : null };
  },
});

export const cronAdd = method({
  name: 'cron.add',
  scope: 'operator.admin',
  about: `Adds a job. schedule: at, every or cron (with an IANA zone, kept with the job); a main job tells the main session, an isolated one takes a turn in a fresh session. onlyIf: ${CRON_CHECKS.join(', ')}.`,
  input: z.looseObject({
    name: z.string().optional(),
    idempotencyKey: z.string().min(1).max(512).optional().describe('Asked again with the same key it is the same job.'),
  }),
  output: Payload,
  run: ({ store, workspaceId, principal, gateway, clock }, { idempotencyKey, ...input }) =>
    addJob({ store, workspaceId, actor: principal.actor, config: gateway.config().config, now: clock.now() }, input, idempotencyKey),
});

export interface CronAsker {
  readonly store: Store;
  readonly workspaceId: string;
  readonly actor: string;
  readonly config: Config;
  readonly now: number;
}

/** @throws Fault `cron.invalid`, `agent.unknown` */
export async function addJob({ store, workspaceId, actor, config, now }: CronAsker, input: unknown, key?: string) {
  const spec = readJob(normaliseJob(input), config, now);
  const id = key === undefined ? newUuid() : uuidOf(`${workspaceId}:cron:${key}`);
  return shownJob(await store.call(putCronJob, { workspaceId, actor, id, spec, restart: true, onlyNew: key !== undefined }));
}

/** @throws Fault `cron.*`, `agent.unknown` */
export async function updateJob({ store, workspaceId, actor, config, now }: CronAsker, name: string, patch: unknown) {
  const before = await store.call(getCronJob, { workspaceId, name });
  const spec = readJob(merge({ ...before.spec, enabled: before.enabled }, normaliseJob(patch)), config, now);
  const restart = JSON.stringify(spec.schedule) !== JSON.stringify(before.spec.schedule) || (spec.enabled && !before.enabled);
  return shownJob(await store.call(putCronJob, { workspaceId, actor, id: before.id, spec, restart }));
}

/** A job as it is stored. @throws Fault `cron.invalid`, `agent.unknown` */
export function readJob(written: Record<string, unknown>, config: Config, now: number): CronSpec {
  const { id: _id, createdAtMs: _created, updatedAtMs: _updated, state: _state, nextLocal: _next, ...rest } = written;
  const spec = parseJob(rest, { zone: zoneOf(config), now });
  if (spec.agentId !== undefined && !agentIds(config).includes(spec.agentId)) throw fault('agent.unknown', { agentId: spec.agentId });
  return spec;
}

export const cronUpdate = method({
  name: 'cron.update',
  scope: 'operator.admin',
  about: 'Changes fields of a job. A new schedule begins now: slots before it are not made up.',
  input: z.looseObject({ ...Named, patch: Payload }),
  output: Payload,
  run: ({ store, workspaceId, principal, gateway, clock }, { patch, ...named }) =>
    updateJob({ store, workspaceId, actor: principal.actor, config: gateway.config().config, now: clock.now() }, nameOf(named), patch),
});

/** A payload of the same kind is changed field by field, one of another kind takes its place; null takes a field away. */
function merge(before: Readonly<Record<string, unknown>>, patch: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(patch)) {
    const [old, now] = [before[name], value] as [Record<string, unknown> | undefined, Record<string, unknown> | null]; // looked at below
    const sameKind = (name === 'payload' || name === 'isolation') && old && now && (now['kind'] === undefined || now['kind'] === old['kind']);
    if (value === null) delete merged[name];
    else merged[name] = sameKind ? Object.fromEntries(Object.entries({ ...old, ...now }).filter(([, field]) => field !== null)) : value;
  }
  return merged;
}

export const cronRemove = method({
  name: 'cron.remove',
  scope: 'operator.admin',
  about: 'Removes a job for good. A run that has begun goes on.',
  input: z.looseObject(Named),
  output: Payload,
  run: async ({ store, workspaceId, principal }, named) => ({
    ok: true,
    removed: await store.call(removeCronJob, { workspaceId, name: nameOf(named), actor: principal.actor }),
  }),
});

export const cronRun = method({
  name: 'cron.run',
  scope: 'operator.admin',
  about: 'Runs a job now (force), or only if it is due, as its schedule would, and answers when the run has ended.',
  input: z.looseObject({ ...Named, mode: z.enum(['due', 'force']).optional(), wait: z.boolean().optional() }),
  output: Payload,
  run: async (context, { mode = 'due', wait = true, ...named }) => {
    const { store, workspaceId, principal, gateway } = context;
    const home = cronHome(gateway.config().config, workspaceId);
    const forced = await store.call(runCronJob, { home, name: nameOf(named), force: mode === 'force', actor: principal.actor });
    if (!forced.ran) return { ok: true, ran: false, reason: 'not-due' };
    if (forced.runKey !== null && wait) await waitForEnd(context, forced.runKey, NEVER_MS);
    return { ok: true, ran: true };
  },
});

export const cronRuns = method({
  name: 'cron.runs',
  scope: 'operator.read',
  about: 'The slots of a job and what came of them, oldest first: run, skipped with the reason, missed.',
  input: z.looseObject({ ...Named, limit: z.int().min(1).max(5000).optional() }),
  output: Payload,
  run: async ({ store, workspaceId }, { limit = 50, ...named }) => {
    const { job, slots } = await store.call(cronSlots, { workspaceId, name: nameOf(named), limit });
    const ended = slots.filter(({ endedAt }) => endedAt !== null);
    return { entries: ended.map((slot) => slotEntry(job, slot)) };
  },
});

export function slotEntry(job: JobView, slot: SlotView) {
  const { scheduledFor, state, reason, startedAt, endedAt, text, error, sessionId } = slot;
  const summary = state === 'run' ? text || (job.spec.payload.kind === 'systemEvent' ? job.spec.payload.text : '') : (reason ?? '');
  return {
    ts: endedAt ?? startedAt,
    jobId: job.id,
    action: 'finished',
    status: statusOf(slot),
    ...(error !== null && { error }),
    ...(summary !== '' && { summary }),
    ...(state === 'missed' && { missed: true }),
    ...(sessionId !== null && { sessionId }),
    scheduledForMs: scheduledFor,
    runAtMs: startedAt,
    durationMs: (endedAt ?? startedAt) - startedAt,
    ...(job.nextAt !== null && { nextRunAtMs: job.nextAt }),
  };
}
