// What the store says of the last while, for the checks: few rows, all of them by index.

import { sql } from 'kysely';
import type { Outgoing } from '../../domain/channel.ts';
import type { StoreMeasures } from '../../domain/checks.ts';
import type { RunOutcome } from '../../domain/run.ts';
import { type OpSteps, readOp, statement } from '../../ports/store.ts';

const HOUR_MS = 3_600_000;
const TEN_MINUTES_MS = 600_000;
const SAMPLE = 500;

const dueByLane = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => ['lane', row.fn.countAll<number>().as('n'), row.fn.min('not_before').as('oldest')])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .where('not_before', '<=', p.now)
    .where('collected_by', 'is', null)
    .groupBy('lane'),
);
const recentSpawns = statement<{ workspaceId: string; since: number; limit: number }>()((db, p) =>
  db
    .selectFrom('spawn')
    .innerJoin('run', 'run.id', 'spawn.child_run_id')
    .select(['spawn.requested_at', 'spawn.decided_at', 'run.started_at', 'run.state'])
    .where('spawn.workspace_id', '=', p.workspaceId)
    .where('spawn.requested_at', '>', p.since)
    .orderBy('spawn.requested_at', 'desc')
    .limit(p.limit),
);
const recentSends = statement<{ workspaceId: string; since: number; limit: number }>()((db, p) =>
  db
    .selectFrom('outbox')
    .select(['state', 'body', 'created_at', 'settled_at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('created_at', '>', p.since)
    .orderBy('id', 'desc')
    .limit(p.limit),
);
const unsentCount = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('outbox')
    .select((row) => [row.fn.countAll<number>().as('n'), row.fn.min('created_at').as('oldest')])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued'),
);
const beats = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('heartbeat')
    .select((row) => [row.fn.countAll<number>().as('n'), row.fn.count<number>('stale_at').as('stale')])
    .where('workspace_id', '=', p.workspaceId)
    .where('settled', 'is', null),
);
const oldestMail = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select((row) => ['box', row.fn.min('arrived_at').as('oldest')])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .groupBy('box'),
);
const latestJob = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('cron_job')
    .select((row) => row.fn.min('next_at').as('next'))
    .where('workspace_id', '=', p.workspaceId)
    .where('enabled', '=', 1)
    .where('removed_at', 'is', null)
    .where('next_at', 'is not', null),
);
const recentTurns = statement<{ workspaceId: string; since: number; limit: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select(['state', 'outcome', 'ended_at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('queued_at', '>', p.since)
    .where('ended_at', 'is not', null)
    .where(sql<boolean>`kind not in ('command', 'tool', 'proof')`)
    .orderBy('queued_at', 'desc')
    .limit(p.limit),
);
const refusals = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db.selectFrom('refusal').select(['credential', 'model', 'reason']).where('workspace_id', '=', p.workspaceId).where('until', '>', p.now),
);

/** The value below which 95 of 100 lie; null of none. */
function p95(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)] ?? null;
}

interface Asked {
  readonly workspaceId: string;
  /** The owner's box: he reads it when he likes. */
  readonly ownerBox: string;
  readonly cronEnabled: boolean;
}

export const measureHealth = readOp('health.measure', function* (tx, { workspaceId, ownerBox, cronEnabled }: Asked): OpSteps<StoreMeasures> {
  const { now } = tx;
  const due = yield* tx.all(dueByLane, { workspaceId, now });
  const spawns = yield* tx.all(recentSpawns, { workspaceId, since: now - HOUR_MS, limit: SAMPLE });
  const sends = yield* tx.all(recentSends, { workspaceId, since: now - HOUR_MS, limit: SAMPLE });
  const unsent = yield* tx.one(unsentCount, { workspaceId });
  const beating = yield* tx.one(beats, { workspaceId });
  const mail = yield* tx.all(oldestMail, { workspaceId });
  const next = cronEnabled ? (yield* tx.one(latestJob, { workspaceId }))?.next : null;
  const turns = (yield* tx.all(recentTurns, { workspaceId, since: now - TEN_MINUTES_MS, limit: SAMPLE })).map(({ state, outcome }) => ({
    state,
    code: outcome === null ? undefined : (JSON.parse(outcome) as RunOutcome).error?.code, // written by endRun
  }));
  const texts = sends.filter(({ body }) => (JSON.parse(body) as Outgoing).kind !== 'reaction'); // written by putOutbox
  const oldest = due.map((row) => Number(row.oldest));
  return {
    waiting: Object.fromEntries(due.map(({ lane, n }) => [lane, Number(n)])),
    longestWaitMs: oldest.length === 0 ? 0 : Math.max(0, now - Math.min(...oldest)),
    spawnP95Ms: p95(
      spawns.flatMap(({ requested_at, decided_at, started_at, state }) =>
        started_at === null && state !== 'queued' ? [] : [(started_at ?? now) - (decided_at ?? requested_at)],
      ),
    ),
    deliveryP95Ms: p95(
      texts.filter(({ state }) => state === 'sent' || state === 'queued').map(({ created_at, settled_at }) => (settled_at ?? now) - created_at),
    ),
    unsent: Number(unsent?.n ?? 0),
    failedSends: texts.filter(({ state }) => state === 'failed').length,
    beating: Number(beating?.n ?? 0),
    stale: Number(beating?.stale ?? 0),
    inboxAges: Object.fromEntries(mail.flatMap(({ box, oldest: at }) => (box === ownerBox ? [] : [[box, now - Number(at)] as const]))),
    cronLateMs: next == null ? 0 : Math.max(0, now - Number(next)),
    answered: turns.filter(({ state }) => state === 'succeeded').length,
    modelFailures: turns.filter(({ code }) => code?.startsWith('model.')).length,
    refusals: yield* tx.all(refusals, { workspaceId, now }),
  };
});
