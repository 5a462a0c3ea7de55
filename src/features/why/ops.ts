// Why something stands where it stands: its state, whose move it is, since when, and what happens next by itself.

import { sql } from 'kysely';
import { isTerminal, type RunOutcome } from '../../domain/run.ts';
import type { Wait } from '../../domain/wait.ts';
import type { Why } from '../../domain/why.ts';
import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { jobById, jobsByName, viewJob } from '../cron/rows.ts';
import { limitOfTree } from '../runs/claim.ts';
import { openRunsOfSession, runById, runByKey } from '../runs/rows.ts';
import { byKey, sessionById, sessionWithLabel } from '../sessions/ops.ts';
import { spawnNamed, viewSpawn } from '../spawns/rows.ts';
import { whyOfTeam } from './team.ts';

interface Named {
  readonly workspaceId: string;
  readonly id: string;
}

const latestEvent = statement<{ stream: string; workspaceId: string }>()((db, p) =>
  db.selectFrom('event').select(['body', 'at']).where('workspace_id', '=', p.workspaceId).where('stream', '=', p.stream).orderBy('seq', 'desc').limit(1),
);
const laneOf = statement<{ workspaceId: string; lane: string }>()((db, p) =>
  db.selectFrom('lane').select('slots').where('workspace_id', '=', p.workspaceId).where('name', '=', p.lane),
);
const activeIn = statement<{ workspaceId: string; lane: string; rootId: string | null }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('workspace_id', '=', p.workspaceId)
    .where('lane', '=', p.lane)
    .where('state', '=', 'running')
    .where(sql<boolean>`(root_id = ${p.rootId} or ${p.rootId} is null)`),
);
const aheadOf = statement<{ workspaceId: string; lane: string; tag: number; queuedAt: number; id: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('workspace_id', '=', p.workspaceId)
    .where('lane', '=', p.lane)
    .where('state', '=', 'queued')
    .where(sql<boolean>`(fair_tag, queued_at, id) < (${p.tag}, ${p.queuedAt}, ${p.id})`),
);
const anyWorker = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('worker').select('id').where('workspace_id', '=', p.workspaceId).where('ended_at', 'is', null).limit(1),
);

const DEEPEST = 3;

/** Null when nothing has this id, key, name or label. */
export const explain = readOp('why.explain', function* (tx, named: Named): OpSteps<Why | null> {
  const { workspaceId, id } = named;
  const spawn = yield* tx.one(spawnNamed, { workspaceId, name: id });
  const run = yield* tx.one(runByKey, { workspaceId, runKey: id });
  if (spawn && !(run && run.id !== spawn.child_run_id))
    return yield* whySpawn(tx, spawn.id, workspaceId, run ?? (yield* tx.one(runById, { id: spawn.child_run_id })));
  if (run) return yield* whyRun(tx, run, DEEPEST);
  const job = (yield* tx.one(jobById, { workspaceId, id })) ?? (yield* tx.all(jobsByName, { workspaceId, name: id }))[0];
  if (job && job.removed_at === null) return yield* whyJob(tx, job);
  const ofTeam = yield* whyOfTeam(tx, named, (inTx, one) => whyRun(inTx, one, DEEPEST));
  if (ofTeam) return ofTeam;
  const labelled = yield* sessionWithLabel(tx, { workspaceId, label: id });
  const session = (yield* tx.one(byKey, { workspaceId, key: labelled?.key ?? id })) ?? (yield* tx.one(sessionById, { workspaceId, id }));
  if (!session) return null;
  const [head] = yield* tx.all(openRunsOfSession, { workspaceId, sessionKey: session.key });
  return {
    kind: 'session',
    id: session.id,
    name: session.key,
    state: session.archived_at !== null ? 'archived' : head ? head.state : 'idle',
    owner: head ? 'the gateway' : 'you',
    waitingFor: head ? `run ${head.client_key}` : 'the next message',
    since: head ? head.queued_at : session.updated_at,
    lastProgress: { what: 'last activity', at: session.updated_at },
    next: null,
    because: head ? [yield* whyRun(tx, head, DEEPEST)] : [],
  };
});

function* whySpawn(tx: Tx, id: string, workspaceId: string, run: RunTable | undefined): OpSteps<Why> {
  const row = yield* tx.one(spawnNamed, { workspaceId, name: id });
  if (!row) throw new Error(`spawn ${id} is gone`);
  const view = yield* viewSpawn(tx, row);
  const base = {
    kind: 'spawn',
    id,
    name: view.label ?? view.childSessionKey,
    state: view.status,
    lastProgress: { what: 'requested', at: view.requestedAt },
  } as const;
  if (view.status === 'awaiting_grant')
    return {
      ...base,
      owner: 'a person',
      waitingFor: `a grant: clawdbot approvals resolve grant-${id} grant`,
      since: view.requestedAt,
      next: { action: 'expire', at: row.deadline_at },
      because: [],
    };
  if (!run)
    return {
      ...base,
      owner: 'nobody',
      waitingFor: null,
      since: row.decided_at,
      next: view.error === null ? null : { action: view.error, at: null },
      because: [],
    };
  const told = view.delivery === 'pending' ? 'its result waits for the next turn of the session that asked' : null;
  return {
    ...base,
    owner: 'its run',
    waitingFor: isTerminal(run.state) ? told : `run ${run.client_key}`,
    since: run.queued_at,
    next: null,
    because: [yield* whyRun(tx, run, DEEPEST)],
  };
}

function* whyJob(tx: Tx, job: Parameters<typeof viewJob>[1]): OpSteps<Why> {
  const view = yield* viewJob(tx, job);
  const runKey = view.runningAt === null ? undefined : view.open?.runKey;
  const run = runKey ? yield* tx.one(runByKey, { workspaceId: job.workspace_id, runKey }) : undefined;
  const { last } = view;
  return {
    kind: 'job',
    id: job.id,
    name: job.name,
    state: run ? 'running' : view.enabled ? 'scheduled' : 'disabled',
    owner: view.enabled ? 'the scheduler' : 'you',
    waitingFor: run
      ? `run ${run.client_key}`
      : view.nextAt === null
        ? view.enabled
          ? 'nothing: it has no slot left'
          : 'somebody who switches it on'
        : 'its next slot',
    since: run ? run.queued_at : (last?.endedAt ?? view.updatedAt),
    lastProgress: last && {
      what: `slot ${new Date(last.scheduledFor).toISOString()}: ${last.error ?? last.reason ?? 'ok'}`,
      at: last.endedAt ?? last.startedAt,
    },
    next: view.nextAt === null ? null : { action: 'run', at: view.nextAt },
    because: run ? [yield* whyRun(tx, run, DEEPEST)] : [],
  };
}

function* whyRun(tx: Tx, run: RunTable, depth: number): OpSteps<Why> {
  const event = yield* tx.one(latestEvent, { workspaceId: run.workspace_id, stream: `run:${run.id}` });
  const base = {
    kind: 'run',
    id: run.id,
    name: run.client_key,
    state: run.state,
    lastProgress: event ? { what: (JSON.parse(event.body) as { kind: string }).kind, at: event.at } : null, // written by appendEvent
  } as const;
  if (isTerminal(run.state)) {
    const { error, stopReason, collectedBy } = JSON.parse(run.outcome ?? '{}') as Partial<RunOutcome>; // written by endRun
    const how = collectedBy ? `answered together with ${collectedBy}` : (error?.message ?? stopReason ?? run.state);
    return { ...base, owner: 'nobody', waitingFor: null, since: run.ended_at, next: { action: `none: ${how}`, at: null }, because: [] };
  }
  if (run.state === 'running')
    return {
      ...base,
      owner: `worker ${run.worker_id ?? ''}, attempt ${Math.ceil(run.fence / 2)}`,
      waitingFor: run.abort_reason === null ? 'its model or tools' : `its worker to stop it (${run.abort_reason})`,
      since: run.started_at,
      next: { action: 'time it out', at: run.deadline_at },
      because: [],
    };
  if (run.state === 'waiting') return { ...base, ...(yield* whyWaiting(tx, run, depth)) };
  return { ...base, ...(yield* whyQueued(tx, run, depth)) };
}

type Rest = Pick<Why, 'owner' | 'waitingFor' | 'since' | 'next' | 'because'>;

function* whyWaiting(tx: Tx, run: RunTable, depth: number): OpSteps<Rest> {
  const wait = JSON.parse(run.wait ?? '{"on":[]}') as Wait; // written by suspendRun
  const because: Why[] = [];
  if (depth > 0)
    for (const target of wait.on) {
      const on = target.startsWith('run:') ? yield* tx.one(runById, { id: target.slice('run:'.length) }) : undefined;
      if (on && !isTerminal(on.state)) because.push(yield* whyRun(tx, on, depth - 1));
    }
  const [words, owner] = {
    children: [`${wait.all ? 'all of' : 'one of'} ${wait.on.length} sub-agents`, 'the sub-agents'],
    reply: ['the answer of another agent', 'the other agent'],
    approval: [`your answer to a command: clawdbot approvals list`, 'a person'],
    budget: [`money for ${wait.on.map((target) => target.slice('budget:'.length)).join(', ')}: clawdbot usage`, 'the owner'],
  }[wait.for] as [string, string];
  return {
    owner,
    waitingFor: words,
    since: run.wait_since,
    next: { action: wait.for === 'budget' ? 'look at the budget again' : 'go on without it', at: run.wait_until },
    because,
  };
}

function* whyQueued(tx: Tx, run: RunTable, depth: number): OpSteps<Rest> {
  const { workspace_id: workspaceId, lane } = run;
  const rest = (owner: string, waitingFor: string, next: Why['next'], because: readonly Why[] = []): Rest => ({
    owner,
    waitingFor,
    since: run.queued_at,
    next,
    because,
  });
  if (run.collected_by !== null) {
    const collector = yield* tx.one(runById, { id: run.collected_by });
    return rest(
      'the run that collected it',
      `run ${collector?.client_key ?? run.collected_by}, which answers this message with its own`,
      null,
      collector && depth > 0 ? [yield* whyRun(tx, collector, depth - 1)] : [],
    );
  }
  const others = run.session_key === null ? [] : yield* tx.all(openRunsOfSession, { workspaceId, sessionKey: run.session_key });
  const before = others.filter(
    (other) => other.id !== run.id && (other.state !== 'queued' || other.queued_at < run.queued_at || (other.queued_at === run.queued_at && other.id < run.id)),
  );
  const [head] = before.toSorted((a, b) => Number(a.state === 'queued') - Number(b.state === 'queued'));
  if (head)
    return rest(
      'its session',
      `run ${head.client_key} of its session, position ${before.length}`,
      { action: 'begin when that has ended', at: null },
      depth > 0 ? [yield* whyRun(tx, head, depth - 1)] : [],
    );
  if (run.not_before > tx.now)
    return rest('the clock', run.deaths > 0 ? `its pause after ${run.deaths} deaths of its worker` : 'more messages, to be answered together', {
      action: 'begin',
      at: run.not_before,
    });
  const slots = Number((yield* tx.one(laneOf, { workspaceId, lane }))?.slots ?? 0);
  const active = Number((yield* tx.one(activeIn, { workspaceId, lane, rootId: null }))?.count ?? 0);
  const ahead = Number((yield* tx.one(aheadOf, { workspaceId, lane, tag: run.fair_tag, queuedAt: run.queued_at, id: run.id }))?.count ?? 0);
  if (active >= slots)
    return rest(`the lane ${lane}`, `a slot of the lane ${lane}: ${active} of ${slots} are taken, position ${ahead + 1}`, {
      action: 'begin when a slot is free',
      at: null,
    });
  const kin = Number((yield* tx.one(activeIn, { workspaceId, lane, rootId: run.root_id }))?.count ?? 0);
  if (kin >= (yield* limitOfTree(tx, { workspaceId, lane: { name: lane, slots }, rootId: run.root_id })))
    return rest('its tree of work', `a run of its tree to end: ${kin} hold slots of the lane ${lane}, and the rest is for others`, {
      action: 'begin when one has ended',
      at: null,
    });
  if (!(yield* tx.one(anyWorker, { workspaceId }))) return rest('the gateway', 'a worker to start', { action: 'begin at once', at: null });
  return rest('the workers', `a worker to take it, position ${ahead + 1} in the lane ${lane}`, { action: 'begin at once', at: null });
}
