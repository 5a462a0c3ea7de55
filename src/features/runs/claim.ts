// How a worker gets its work: the fairest runs that may begin, each with a fence and all that its attempt must know.

import { sql } from 'kysely';
import type { Degraded } from '../../domain/checks.ts';
import { CLOCK_STEP, DEMAND_WINDOW_MS, slotsWanted, treeLimit } from '../../domain/lane.ts';
import { LEASE_MS, type RunInput, type RunKind } from '../../domain/run.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import type { Wait } from '../../domain/wait.ts';
import { type OpSteps, statement, type Tx, txOp } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { tellMail } from '../inbox/mail.ts';
import { appendEntries, byKey, renewSession } from '../sessions/ops.ts';
import { tellSystemEvents } from '../sessions/system-events.ts';
import { readSetting } from '../settings/ops.ts';
import { collectMessages } from './collect.ts';
import { endRun } from './end.ts';
import { NOTHING_LEFT } from './report.ts';
import { appendRunEvent } from './rows.ts';

interface Claimed {
  readonly workspaceId: string;
  readonly runId: string;
  readonly runKey: string;
  readonly fence: number;
  readonly agentId: string;
  readonly input: RunInput;
  readonly deadlineAt: number;
  readonly timeoutMs: number;
  readonly attempt: number;
  /** What it stood still for before this attempt: those calls have not done their work. */
  readonly stoodStill: Wait | null;
  readonly kind: RunKind;
  readonly rootId: string;
  readonly depth: number;
  readonly role: string | null;
  readonly jobId: string | null;
}

/** A claimed turn of a conversation, with all a worker needs to begin. */
export interface TurnAssignment extends Claimed {
  readonly work: 'turn';
  readonly sessionId: string;
  readonly sessionKey: string;
  readonly settings: SessionSettings;
  readonly modelOverride: string | null;
  /** First sequence of the log that the model is shown. */
  readonly contextFrom: number;
  /** Last sequence of the session's log at the claim. */
  readonly lastSeq: number;
}

/** A claimed call of one tool, without a model. */
export interface ToolAssignment extends Claimed {
  readonly work: 'tool';
}

export type Assignment = TurnAssignment | ToolAssignment;

/** Lanes in which something is due, and how many of their slots are taken. */
const busyLanes = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .selectFrom('lane')
    .select((row) => [
      'name',
      'slots',
      'fair_clock',
      row
        .selectFrom('run')
        .select((inner) => inner.fn.countAll<number>().as('n'))
        .whereRef('run.workspace_id', '=', 'lane.workspace_id')
        .whereRef('run.lane', '=', 'lane.name')
        .where('run.state', '=', 'running')
        .as('active'),
    ])
    .where('workspace_id', '=', p.workspaceId)
    .where('name', 'not like', 'role:%')
    .where((row) =>
      row.exists(
        row
          .selectFrom('run')
          .select('run.id')
          .whereRef('run.workspace_id', '=', 'lane.workspace_id')
          .whereRef('run.lane', '=', 'lane.name')
          .where('run.state', '=', 'queued')
          .where(sql<boolean>`run.not_before + 0 <= ${p.now}`), // an expression: the index to walk is the lane's
      ),
    ),
);
/** The heads of their sessions' queues, fairest first: due, with no turn of their session under way, their tree and role within limits. */
const claimable = statement<{ workspaceId: string; lane: string; now: number; treeLimit: number; limit: number }>()((db, p) =>
  db
    .selectFrom('run as r')
    .select(['r.id', 'r.root_id', 'r.fair_tag'])
    .where('r.state', '=', 'queued')
    .where('r.workspace_id', '=', p.workspaceId)
    .where('r.lane', '=', p.lane)
    .where(sql<boolean>`r.not_before + 0 <= ${p.now}`) // an expression: the index to walk is the one in the order of the queue
    .where('r.collected_by', 'is', null)
    .where((row) =>
      row.not(
        row.exists(
          row
            .selectFrom('run as busy')
            .select('busy.id')
            .whereRef('busy.workspace_id', '=', 'r.workspace_id')
            .whereRef('busy.session_key', '=', 'r.session_key')
            .where('busy.state', 'in', ['running', 'waiting']),
        ),
      ),
    )
    .where((row) =>
      row.not(
        row.exists(
          row
            .selectFrom('run as earlier')
            .select('earlier.id')
            .whereRef('earlier.workspace_id', '=', 'r.workspace_id')
            .whereRef('earlier.session_key', '=', 'r.session_key')
            .where('earlier.state', '=', 'queued')
            .where('earlier.collected_by', 'is', null)
            .where(sql<boolean>`(earlier.queued_at, earlier.id) < (r.queued_at, r.id)`),
        ),
      ),
    )
    .where(
      sql<boolean>`(select count(*) from run as kin where kin.workspace_id = r.workspace_id and kin.lane = r.lane and kin.root_id = r.root_id and kin.state = 'running') < ${p.treeLimit}`,
    )
    .where(
      sql<boolean>`(r.role is null or not exists (select 1 from lane as cap where cap.workspace_id = r.workspace_id and cap.name = 'role:' || r.role
        and cap.slots <= (select count(*) from run as peer where peer.workspace_id = r.workspace_id and peer.role = r.role and peer.state = 'running')))`,
    )
    .orderBy('r.fair_tag')
    .orderBy('r.queued_at')
    .orderBy('r.id')
    .limit(p.limit),
);
const recentRuns = statement<{ workspaceId: string; since: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select(['root_id', 'lane', 'queued_at', 'ended_at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('queued_at', '>', p.since)
    .orderBy('queued_at', 'desc')
    .limit(500),
);
const moveClock = statement<{ workspaceId: string; lane: string; clock: number }>()((db, p) =>
  db.updateTable('lane').set({ fair_clock: p.clock }).where('workspace_id', '=', p.workspaceId).where('name', '=', p.lane),
);
/** The next instant at which something that waits becomes due. */
const nextDue = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select('not_before')
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .where('not_before', '>', p.now)
    .orderBy('not_before')
    .limit(1),
);
const takeRun = statement<{ id: string; workerId: string; until: number; now: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({
      state: 'running',
      worker_id: p.workerId,
      lease_until: p.until,
      fence: row('fence', '+', 1),
      started_at: sql<number>`coalesce(started_at, ${p.now})`,
      deadline_at: sql<number>`coalesce(deadline_at, ${p.now} + timeout_ms)`,
    }))
    .where('id', '=', p.id)
    .where('state', '=', 'queued')
    .returningAll(),
);
const clearWait = statement<{ id: string }>()((db, p) => db.updateTable('run').set({ wait: null }).where('id', '=', p.id));
const setUserSeq = statement<{ id: string; seq: number }>()((db, p) => db.updateTable('run').set({ user_seq: p.seq }).where('id', '=', p.id));
const insertAttempt = statement<{ id: string; runId: string; workspaceId: string; fence: number; workerId: string; now: number }>()((db, p) =>
  db.insertInto('attempt').values({
    id: p.id,
    run_id: p.runId,
    workspace_id: p.workspaceId,
    fence: p.fence,
    worker_id: p.workerId,
    started_at: p.now,
    ended_at: null,
    ended: null,
  }),
);
const sessionOfRun = statement<{ runId: string }>()((db, p) =>
  db
    .selectFrom('session')
    .innerJoin('run', 'run.session_id', 'session.id')
    .select(['session.id', 'session.key', 'session.last_seq', 'session.model_override', 'session.settings', 'session.context_from'])
    .where('run.id', '=', p.runId),
);
const moveToSession = statement<{ id: string; sessionId: string }>()((db, p) => db.updateTable('run').set({ session_id: p.sessionId }).where('id', '=', p.id));
export interface Claim {
  readonly runs: readonly Assignment[];
  /** Milliseconds until a run that waits for its time becomes due, or null. */
  readonly nextDueMs: number | null;
}

/** Leases up to `slots` runs to the worker, within the lanes' limits and one turn per session. */
export const claimRuns = txOp(
  'runs.claim',
  function* (tx, { workspaceId, workerId, slots }: { workspaceId: string; workerId: string; slots: number }): OpSteps<Claim> {
    const claimed: Assignment[] = [];
    const { held = [] } = ((yield* readSetting(tx, { workspaceId, name: 'degraded' })) ?? {}) as Partial<Degraded>; // written by settleAlerts
    for (const lane of yield* tx.all(busyLanes, { workspaceId, now: tx.now })) {
      if (held.includes(lane.name)) continue;
      if (claimed.length >= slots) break;
      const limit = Math.min(lane.slots - Number(lane.active ?? 0), slots - claimed.length);
      if (limit <= 0) continue;
      claimed.push(...(yield* claimFrom(tx, { workspaceId, workerId, lane, limit })));
    }
    const due = yield* tx.one(nextDue, { workspaceId, now: tx.now });
    return { runs: claimed, nextDueMs: due ? due.not_before - tx.now : null };
  },
  { worker: true },
);

interface LaneClaim {
  readonly workspaceId: string;
  readonly workerId: string;
  readonly lane: { readonly name: string; readonly slots: number; readonly fair_clock: number };
  readonly limit: number;
}

/** The next in line. A tree with several of them is looked at again after each, because it may reach its limit. */
function* claimFrom(tx: Tx, { workspaceId, workerId, lane, limit }: LaneClaim): OpSteps<Assignment[]> {
  const claimed: Assignment[] = [];
  let clock = lane.fair_clock;
  let left = limit;
  let most = lane.slots;
  while (left > 0) {
    const heads = yield* tx.all(claimable, { workspaceId, lane: lane.name, now: tx.now, treeLimit: most, limit: left });
    const ofTree = heads.find(({ id, root_id }) => id !== root_id);
    if (ofTree && most === lane.slots) {
      most = yield* limitOfTree(tx, { workspaceId, lane, rootId: ofTree.root_id });
      if (most < lane.slots) continue;
    }
    const trees = new Set<string>();
    let again = false;
    for (const { id, root_id, fair_tag } of heads) {
      again ||= trees.has(root_id);
      if (trees.has(root_id)) continue;
      trees.add(root_id);
      const run = yield* tx.one(takeRun, { id, workerId, until: tx.now + LEASE_MS, now: tx.now });
      if (!run) continue;
      clock = Math.max(clock, fair_tag) + CLOCK_STEP;
      left -= 1;
      const assignment = yield* beginAttempt(tx, run, workerId);
      if (assignment) claimed.push(assignment);
    }
    if (!again) break;
  }
  if (clock !== lane.fair_clock) yield* tx.run(moveClock, { workspaceId, lane: lane.name, clock });
  return claimed;
}

interface TreeInLane {
  readonly workspaceId: string;
  readonly lane: { readonly name: string; readonly slots: number };
  readonly rootId: string;
}

/** How many slots of a lane one tree may hold now, by what others wanted of late. */
export function* limitOfTree(tx: Tx, { workspaceId, lane: { name, slots }, rootId }: TreeInLane): OpSteps<number> {
  const recent = yield* tx.all(recentRuns, { workspaceId, since: tx.now - 2 * DEMAND_WINDOW_MS });
  const others = recent.filter(({ lane, root_id }) => lane === name && root_id !== rootId);
  const stays = others.map(({ queued_at, ended_at }) => ({ queuedAt: queued_at, endedAt: ended_at }));
  const open = new Set(others.filter(({ ended_at }) => ended_at === null).map(({ root_id }) => root_id));
  return treeLimit(slots, slotsWanted(stays, tx.now), open.size);
}

function* beginAttempt(tx: Tx, run: RunTable, workerId: string): OpSteps<Assignment | undefined> {
  const input = JSON.parse(run.input) as RunInput; // written by enqueueRun
  if (run.session_id !== null && run.user_seq === null) {
    const begun = yield* beginTurn(tx, run, input);
    if (!begun) return undefined;
  }
  const attempt = Math.ceil(run.fence / 2);
  yield* tx.run(insertAttempt, { id: tx.newId('att'), runId: run.id, workspaceId: run.workspace_id, fence: run.fence, workerId, now: tx.now });
  yield* appendRunEvent(tx, run, `worker:${workerId}`, { kind: 'run.started', attempt, worker: workerId });
  const claimed: Claimed = {
    workspaceId: run.workspace_id,
    runId: run.id,
    runKey: run.client_key,
    fence: run.fence,
    agentId: run.agent_id,
    input,
    deadlineAt: run.deadline_at ?? tx.now + run.timeout_ms,
    timeoutMs: run.timeout_ms,
    attempt,
    stoodStill: run.wait === null ? null : (JSON.parse(run.wait) as Wait), // written by suspendRun
    kind: run.kind,
    rootId: run.root_id,
    depth: run.depth,
    role: run.role,
    jobId: run.job_id,
  };
  if (run.wait !== null) yield* tx.run(clearWait, { id: run.id });
  const session = run.session_id === null ? undefined : yield* tx.one(sessionOfRun, { runId: run.id });
  if (!session) return { ...claimed, work: 'tool' };
  return {
    ...claimed,
    work: 'turn',
    sessionId: session.id,
    sessionKey: session.key,
    settings: JSON.parse(session.settings) as SessionSettings, // written by patchSession
    modelOverride: session.model_override,
    contextFrom: session.context_from,
    lastSeq: session.last_seq,
  };
}

/** Puts what the turn is about into the log. Answers false when there is nothing left to say: then the run is over. */
function* beginTurn(tx: Tx, run: RunTable, input: RunInput): OpSteps<boolean> {
  const sessionKey = run.session_key ?? '';
  const sessionId = run.kind === 'cron' ? yield* renewSessionOf(tx, run) : (run.session_id ?? '');
  const news = yield* tellSystemEvents(tx, { workspaceId: run.workspace_id, sessionKey, runId: run.id });
  if (run.kind === 'announce' && news === '') return yield* endAsNothing(tx, run);
  const mail = yield* tellMail(tx, run);
  if (run.kind === 'mail' && mail === '' && news === '') return yield* endAsNothing(tx, run);
  const said = yield* collectMessages(tx, run, input);
  const { attachments } = input;
  const text = [news, mail, said].filter((part) => part !== '').join('\n\n');
  const seq = yield* appendEntries(tx, sessionId, run.id, [{ kind: 'user', text, ...(attachments && { attachments }) }]);
  yield* tx.run(setUserSeq, { id: run.id, seq });
  return true;
}

function* endAsNothing(tx: Tx, run: RunTable): OpSteps<false> {
  const outcome = { text: '', stopReason: NOTHING_LEFT, usage: NO_USAGE, steps: 0 };
  yield* endRun(tx, run, { state: 'succeeded', attempt: 'done', actor: 'store', outcome });
  return false;
}

/** Each slot of a job begins with an empty conversation under the job's key. */
function* renewSessionOf(tx: Tx, run: RunTable): OpSteps<string> {
  const session = yield* tx.one(byKey, { workspaceId: run.workspace_id, key: run.session_key ?? '' });
  if (!session) throw new Error(`run ${run.id} has no session`);
  if (session.last_seq === 0) return session.id;
  const { id } = yield* renewSession(tx, session);
  yield* tx.run(moveToSession, { id: run.id, sessionId: id });
  return id;
}
