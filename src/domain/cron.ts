// Scheduled jobs: what one looks like, when its slots are, and what becomes of those that were missed.

import { z } from 'zod';
import { checkCronExpression, cronInstantsBefore, isTimeZone, nextCronInstant } from '../kit/cron-time.ts';
import { messageOf } from '../kit/fault.ts';
import { fault } from './fault-codes.ts';
import { PRIORITY } from './lane.ts';

const text = z.string().max(200_000);
/** Up to the year 2200: beyond it dates stop being dates. */
const instant = z.number().int().min(0).max(Date.UTC(2200, 0));
const TEN_YEARS_MS = 315_360_000_000;
const Schedule = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('at'), atMs: instant }),
  z.looseObject({ kind: z.literal('every'), everyMs: z.number().int().min(1000).max(TEN_YEARS_MS), anchorMs: instant.optional() }),
  z.looseObject({ kind: z.literal('cron'), expr: z.string().trim().min(1).max(200), tz: z.string().optional() }),
]);
export type Schedule = z.infer<typeof Schedule>;

const Payload = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('systemEvent'), text: text.min(1) }),
  z.looseObject({
    kind: z.literal('agentTurn'),
    message: text.min(1),
    model: z.string().optional(),
    thinking: z.string().optional(),
    timeoutSeconds: z.number().positive().max(86_400).optional(),
    deliver: z.boolean().optional(),
    channel: z.string().optional(),
    to: z.string().optional(),
    bestEffortDeliver: z.boolean().optional(),
  }),
]);

/** A condition in code that decides whether a slot has work at all. */
export const CRON_CHECKS = [
  'system-events',
  'messages',
  'inbox',
  'spawn-queue',
  'stale-heartbeats',
  'progress',
  'tasks',
  'ready-tasks',
  'submitted-tasks',
] as const;
export type CronCheck = (typeof CRON_CHECKS)[number];
const CATCH_UP = ['run-latest', 'run-all', 'skip'] as const;
const JOB_PRIORITY = { urgent: PRIORITY.urgent, normal: PRIORITY.cron, low: PRIORITY.background } as const;

/** A job as its owner wrote it; fields that nobody knows are kept. */
export const CronSpec = z.looseObject({
  name: z.string().trim().min(1).max(200),
  description: z.string().optional(),
  agentId: z.string().optional(),
  enabled: z.boolean().default(true),
  deleteAfterRun: z.boolean().optional(),
  schedule: Schedule,
  sessionTarget: z.enum(['main', 'isolated']),
  wakeMode: z.enum(['now', 'next-heartbeat']).default('next-heartbeat'),
  payload: Payload,
  isolation: z
    .looseObject({ postToMainPrefix: z.string().optional(), postToMainMode: z.enum(['summary', 'full']).optional(), postToMainMaxChars: z.number().optional() })
    .optional(),
  catchUp: z.enum(CATCH_UP).optional().describe('Slots that were missed: the latest runs (default), all run, none runs.'),
  graceMinutes: z.number().min(0).max(5_256_000).optional().describe('A slot missed by more than this is not made up.'),
  onlyIf: z.array(z.enum(CRON_CHECKS)).optional().describe('Checks of which one must say that there is work; otherwise the slot costs nothing.'),
  priority: z.enum(['urgent', 'normal', 'low']).optional(),
});
export type CronSpec = z.infer<typeof CronSpec>;

/** Accepts what existing clients send: wrapped, with at as ISO text, the kind left out, older names. */
export function normaliseJob(written: unknown): Record<string, unknown> {
  let job = asObject(written);
  for (const wrapper of ['data', 'job']) if (job['schedule'] === undefined && isObject(job[wrapper])) job = asObject(job[wrapper]);
  const normal = { ...job };
  if (isObject(job['schedule'])) normal['schedule'] = normaliseSchedule(asObject(job['schedule']));
  if (isObject(job['payload'])) normal['payload'] = normalisePayload(asObject(job['payload']));
  if (typeof job['onlyIf'] === 'string') normal['onlyIf'] = [job['onlyIf']];
  return normal;
}

function normaliseSchedule({ at, ...schedule }: Record<string, unknown>): Record<string, unknown> {
  const atMs = schedule['atMs'] ?? (typeof at === 'string' ? Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(at) ? at : `${at}Z`) : at);
  const kind =
    schedule['kind'] ?? (atMs !== undefined ? 'at' : schedule['everyMs'] !== undefined ? 'every' : schedule['expr'] !== undefined ? 'cron' : undefined);
  return { ...schedule, ...(kind !== undefined && { kind }), ...(atMs !== undefined && { atMs: typeof atMs === 'string' ? Date.parse(atMs) : atMs }) };
}

function normalisePayload({ provider, ...payload }: Record<string, unknown>): Record<string, unknown> {
  const kind = payload['kind'] ?? (payload['message'] !== undefined ? 'agentTurn' : payload['text'] !== undefined ? 'systemEvent' : undefined);
  return { ...payload, ...(kind !== undefined && { kind }), ...(provider !== undefined && payload['channel'] === undefined && { channel: provider }) };
}

/**
 * A job that can run: checked, with its zone or anchor settled for good.
 * @throws Fault `cron.invalid`
 */
export function parseJob(written: unknown, { zone, now }: { readonly zone: string; readonly now: number }): CronSpec {
  const parsed = CronSpec.safeParse(written);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw fault('cron.invalid', { reason: `${issue?.path.join('.') || 'job'}: ${issue?.message ?? 'not valid'}` });
  }
  const spec = parsed.data;
  if (spec.sessionTarget === 'main' && spec.payload.kind !== 'systemEvent')
    throw fault('cron.invalid', { reason: 'main cron jobs require payload.kind="systemEvent"' });
  if (spec.sessionTarget === 'isolated' && spec.payload.kind !== 'agentTurn')
    throw fault('cron.invalid', { reason: 'isolated cron jobs require payload.kind="agentTurn"' });
  return { ...spec, schedule: settleSchedule(spec.schedule, zone, now) };
}

function settleSchedule(schedule: Schedule, zone: string, now: number): Schedule {
  if (schedule.kind === 'every') return { ...schedule, anchorMs: schedule.anchorMs ?? now };
  if (schedule.kind === 'at') return schedule;
  const tz = schedule.tz?.trim() || zone;
  if (!isTimeZone(tz)) throw fault('cron.invalid', { reason: `"${tz}" is no time zone: use an IANA name such as Europe/London` });
  try {
    checkCronExpression(schedule.expr, tz);
  } catch (error) {
    throw fault('cron.invalid', { reason: `TypeError: ${messageOf(error)}` });
  }
  return { ...schedule, tz };
}

/** The first slot after an instant, or null. */
export function nextSlot(schedule: Schedule, after: number): number | null {
  if (schedule.kind === 'at') return schedule.atMs > after ? schedule.atMs : null;
  if (schedule.kind === 'cron') return nextCronInstant(schedule.expr, schedule.tz ?? 'UTC', after);
  const { everyMs, anchorMs = 0 } = schedule;
  return anchorMs + Math.max(1, Math.floor((after - anchorMs) / everyMs) + 1) * everyMs;
}

/** Slots that are looked at one by one after a long pause; older ones are counted as missed together with the oldest of these. */
const MOST_SLOTS = 100;

/** The slots after `cursor` up to `now`, oldest first, at most the latest hundred. */
function slotsSince(schedule: Schedule, cursor: number, now: number): number[] {
  if (schedule.kind === 'at') return schedule.atMs > cursor && schedule.atMs <= now ? [schedule.atMs] : [];
  if (schedule.kind === 'cron') return cronInstantsBefore(schedule.expr, schedule.tz ?? 'UTC', now + 1, MOST_SLOTS).filter((at) => at > cursor && at <= now);
  const slots: number[] = [];
  const { everyMs, anchorMs = 0 } = schedule;
  for (let at = anchorMs + Math.floor((now - anchorMs) / everyMs) * everyMs; at > cursor && at > anchorMs && slots.length < MOST_SLOTS; at -= everyMs)
    slots.push(at);
  return slots.reverse();
}

export interface DueSlot {
  readonly at: number;
  readonly decision: 'run' | 'missed';
  readonly reason: string | null;
}

/** A slot this young is not late: it is run even where missed ones are skipped. */
const ON_TIME_MS = 60_000;

/** What becomes of every slot since the cursor. A one-shot job is made up however late; others within the window of grace. */
export function dueSlots(
  { schedule, catchUp = 'run-latest' }: CronSpec,
  { cursor, now, graceMs }: { cursor: number; now: number; graceMs: number },
): DueSlot[] {
  const slots = slotsSince(schedule, cursor, now);
  const latest = slots.at(-1);
  return slots.map((at): DueSlot => {
    const late = now - at;
    const missed = (reason: string): DueSlot => ({ at, decision: 'missed', reason });
    if (schedule.kind !== 'at' && late > Math.max(graceMs, ON_TIME_MS)) return missed('later than its window of grace');
    if (late > ON_TIME_MS && catchUp === 'skip') return missed('missed slots of this job are skipped');
    if (catchUp !== 'run-all' && at !== latest) return missed('only the latest slot is made up');
    return { at, decision: 'run', reason: null };
  });
}

export function jobPriority({ priority = 'normal' }: CronSpec): number {
  return JOB_PRIORITY[priority];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}
