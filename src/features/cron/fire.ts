// What a slot sets going: a turn in a fresh session of the job, or an event for the main one. Asks its checks first.

import { type Address, DEFAULT_ACCOUNT } from '../../domain/channel.ts';
import { type CronCheck, type CronSpec, jobPriority } from '../../domain/cron.ts';
import { STALE_AFTER_MS } from '../../domain/heartbeat-file.ts';
import type { Report } from '../../domain/run.ts';
import type { Blocked, TaskState } from '../../domain/task.ts';
import { slugOf } from '../../domain/team.ts';
import { localTime } from '../../kit/cron-time.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import { routeOf } from '../channels/answers.ts';
import { hasMail } from '../inbox/mail.ts';
import { enqueueRun, hasRoom } from '../runs/enqueue.ts';
import { lookAt } from '../runs/look.ts';
import { openRunsOfSession } from '../runs/rows.ts';
import { byKey } from '../sessions/ops.ts';
import { hasUntoldEvents, noteSystemEvent } from '../sessions/system-events.ts';

/** What of the configuration a schedule needs. */
export interface CronHome {
  readonly workspaceId: string;
  readonly defaultAgentId: string;
  readonly agentIds: readonly string[];
  readonly mainKey: string;
  readonly timeoutMs: number;
  readonly graceMinutes: number;
  readonly zone: string;
  /** Names of jobs whose work the gateway does itself, in small letters with dashes. */
  readonly held: readonly string[];
}

interface Firing {
  readonly jobId: string;
  readonly spec: CronSpec;
  readonly at: number;
  readonly createdAt: number;
  /** When the job was looked at before. */
  readonly since: number;
  readonly actor: string;
}

type Fired =
  | { readonly kind: 'queued'; readonly runId: string; readonly runKey: string; readonly said: string }
  | { readonly kind: 'told'; readonly said: string }
  | { readonly kind: 'skipped'; readonly reason: string; readonly said: string };

interface Checked {
  readonly workspaceId: string;
  readonly sessionKey: string;
  readonly agentId: string;
  readonly jobName: string;
  /** When the job was looked at before. */
  readonly since: number;
}

/** Each tells of what has come since the job was looked at before: what nobody can settle does not wake anybody twice. */
const spawnToGrant = statement<{ workspaceId: string; since: number }>()((db, p) =>
  db
    .selectFrom('spawn')
    .select('id')
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'awaiting_grant')
    .where('requested_at', '>=', p.since)
    .limit(1),
);
const staleBeat = statement<{ workspaceId: string; before: number; since: number }>()((db, p) =>
  db
    .selectFrom('heartbeat')
    .select('task')
    .where('workspace_id', '=', p.workspaceId)
    .where('settled', 'is', null)
    .where('seen_at', '<', p.before)
    .where('seen_at', '>=', p.since)
    .limit(1),
);
const newProgress = statement<{ workspaceId: string; since: number }>()((db, p) =>
  db
    .selectFrom('file_version')
    .select('seq')
    .where('workspace_id', '=', p.workspaceId)
    .where('path', 'like', 'scheduler/progress/%')
    .where('at', '>=', p.since)
    .limit(1),
);
const changedIn = (states: readonly TaskState[]) =>
  statement<{ workspaceId: string; since: number }>()((db, p) =>
    db.selectFrom('task').select('id').where('workspace_id', '=', p.workspaceId).where('state', 'in', states).where('updated_at', '>=', p.since).limit(1),
  );
const taskToMove = changedIn(['ready', 'submitted', 'blocked']);
const readyTask = changedIn(['ready']);
const submittedTask = changedIn(['submitted', 'in_validation']);
const blockedTasks = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('task').select('blocked').where('workspace_id', '=', p.workspaceId).where('state', '=', 'blocked').limit(1000),
);

/** The registered checks: code that says whether there is work, at no cost. */
const CHECKS: Readonly<Record<CronCheck, (tx: Tx, of: Checked) => OpSteps<boolean>>> = {
  'system-events': hasUntoldEvents,
  *messages(tx, of) {
    const open = yield* tx.all(openRunsOfSession, of);
    return open.some(({ kind, state, user_seq }) => kind === 'turn' && state === 'queued' && user_seq === null);
  },
  inbox: hasMail,
  *'spawn-queue'(tx, { workspaceId, since }) {
    return (yield* tx.one(spawnToGrant, { workspaceId, since })) !== undefined;
  },
  *'stale-heartbeats'(tx, { workspaceId, since }) {
    return (yield* tx.one(staleBeat, { workspaceId, before: tx.now - STALE_AFTER_MS, since: since - STALE_AFTER_MS })) !== undefined;
  },
  *progress(tx, { workspaceId, since }) {
    return (yield* tx.one(newProgress, { workspaceId, since })) !== undefined;
  },
  *'ready-tasks'(tx, of) {
    return (yield* tx.one(readyTask, of)) !== undefined;
  },
  *'submitted-tasks'(tx, of) {
    return (yield* tx.one(submittedTask, of)) !== undefined;
  },
  *tasks(tx, { workspaceId, since }) {
    if (yield* tx.one(taskToMove, { workspaceId, since })) return true;
    const blocked = (yield* tx.all(blockedTasks, { workspaceId })).map((row) => JSON.parse(row.blocked ?? '{}') as Partial<Blocked>); // written by tasks/ops
    return blocked.some(({ recheckAt = Number.POSITIVE_INFINITY }) => recheckAt >= since && recheckAt <= tx.now);
  },
};

const SUMMARY_CHARS = 2000;
const FULL_CHARS = 8000;

export function* fireSlot(tx: Tx, home: CronHome, firing: Firing): OpSteps<Fired> {
  const { workspaceId } = home;
  const { spec } = firing;
  const agentId = spec.agentId ?? home.defaultAgentId;
  const skipped = (reason: string): Fired => ({ kind: 'skipped', reason, said: reason });
  if (home.held.includes(slugOf(spec.name)) && firing.actor === 'cron') return skipped('held: the gateway does the work of this job itself');
  if (!home.agentIds.includes(agentId)) return skipped(`unknown agent id "${agentId}"`);
  const mainSession = `agent:${agentId}:${home.mainKey}`;
  const { onlyIf = [] } = spec;
  if (onlyIf.length > 0) {
    let work = false;
    const of = { workspaceId, sessionKey: mainSession, agentId, jobName: spec.name, since: firing.since };
    for (const check of onlyIf) work ||= yield* CHECKS[check](tx, of);
    if (!work) return skipped(`nothing to do (${onlyIf.join(', ')})`);
  }
  return spec.payload.kind === 'systemEvent'
    ? yield* tellMain(tx, home, firing, agentId, mainSession)
    : yield* queueTurn(tx, home, firing, agentId, mainSession);
}

function* tellMain(tx: Tx, { workspaceId, timeoutMs }: CronHome, { jobId, spec, at, actor }: Firing, agentId: string, sessionKey: string): OpSteps<Fired> {
  const said = spec.payload.kind === 'systemEvent' ? spec.payload.text : '';
  yield* noteSystemEvent(tx, { workspaceId, sessionKey, text: said });
  if (spec.wakeMode === 'now') yield* lookAt(tx, { workspaceId, actor, runKey: `cron:${jobId}:${at}`, sessionKey, agentId, timeoutMs });
  return { kind: 'told', said };
}

function* queueTurn(tx: Tx, home: CronHome, { jobId, spec, at, actor }: Firing, agentId: string, mainSession: string): OpSteps<Fired> {
  const { payload, isolation = {}, schedule } = spec;
  if (payload.kind !== 'agentTurn') throw new Error(`job ${jobId} has no turn`);
  const { workspaceId } = home;
  const sessionKey = `agent:${agentId}:cron:${jobId}`;
  const open = yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  const skipped = (reason: string): Fired => ({ kind: 'skipped', reason, said: reason });
  const waits = open.some(({ state, user_seq }) => state === 'queued' && user_seq === null);
  if (waits && spec.catchUp !== 'run-all') return skipped('an earlier slot of this job still waits');
  const priority = jobPriority(spec);
  if (!(yield* hasRoom(tx, { workspaceId, lane: 'cron', priority }))) return skipped('too much work waits in the lane "cron"');
  const report: Report = {
    name: isolation.postToMainPrefix ?? 'Cron',
    sessionKey: mainSession,
    agentId,
    as: 'event',
    now: spec.wakeMode === 'now',
    maxChars: isolation.postToMainMode === 'full' ? (isolation.postToMainMaxChars ?? FULL_CHARS) : SUMMARY_CHARS,
  };
  const deliver = payload.deliver === true || payload.to !== undefined ? yield* addressOf(tx, workspaceId, payload, mainSession) : undefined;
  const zone = (schedule.kind === 'cron' && schedule.tz) || home.zone;
  const { run } = yield* enqueueRun(tx, {
    workspaceId,
    actor,
    runKey: `cron:${jobId}:${at}`,
    kind: 'cron',
    sessionKey,
    agentId,
    lane: 'cron',
    priority,
    timeoutMs: payload.timeoutSeconds === undefined ? home.timeoutMs : payload.timeoutSeconds * 1000,
    input: {
      message: `[cron:${jobId} ${spec.name}] ${payload.message}\nCurrent time: ${localTime(tx.now, zone)}`,
      ...(payload.model !== undefined && { model: payload.model }),
      ...(payload.thinking !== undefined && { thinking: payload.thinking }),
      ...(deliver && { deliver: { to: deliver } }),
      report,
    },
    jobId,
  });
  return { kind: 'queued', runId: run.id, runKey: run.runKey, said: '' };
}

/** Where the answer of a job goes besides the main session: a named conversation, or where the people of the main session spoke last. */
function* addressOf(
  tx: Tx,
  workspaceId: string,
  { channel = 'last', to }: { channel?: string | undefined; to?: string | undefined },
  key: string,
): OpSteps<Address | undefined> {
  if (to !== undefined) return { channel: channel === 'last' ? 'slack' : channel, account: DEFAULT_ACCOUNT, place: to, thread: null };
  const session = yield* tx.one(byKey, { workspaceId, key });
  return session ? yield* routeOf(tx, session.id) : undefined;
}
