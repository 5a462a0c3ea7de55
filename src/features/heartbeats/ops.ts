// Waking a session: what it should hear, and the turn in which it looks at once.

import type { RunState } from '../../domain/run.ts';
import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';
import { lookAt } from '../runs/look.ts';
import { openRunsOfSession } from '../runs/rows.ts';
import { hasUntoldEvents, noteSystemEvent } from '../sessions/system-events.ts';
import { readSetting, writeSetting } from '../settings/ops.ts';

const latestHeartbeat = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select(['state', 'outcome', 'started_at', 'ended_at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('kind', '=', 'heartbeat')
    .where('ended_at', 'is not', null)
    .orderBy('ended_at', 'desc')
    .limit(1),
);

interface Wake {
  readonly workspaceId: string;
  readonly actor: string;
  readonly sessionKey: string;
  readonly agentId: string;
  /** Empty for a wake that tells nothing. */
  readonly text: string;
  /** The order of the turn that looks at once, or null to wait for the next turn. */
  readonly now: { readonly runKey: string; readonly prompt?: string; readonly timeoutMs: number } | null;
}

/**
 * Notes an event for a session, durable before it is acknowledged; it is told with the session's next turn.
 * With `now` such a turn is queued, unless heartbeats are off or one is waiting already. Answers whether it was.
 */
export const wakeSession = txOp(
  'heartbeats.wake',
  function* (tx, { workspaceId, actor, sessionKey, agentId, text, now }: Wake): OpSteps<boolean> {
    if (text !== '') yield* noteSystemEvent(tx, { workspaceId, sessionKey, text });
    return now !== null && (yield* lookAt(tx, { workspaceId, actor, sessionKey, agentId, ...now }));
  },
  { worker: true },
);

const latestBeat = statement<{ workspaceId: string; sessionKey: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => row.fn.max('queued_at').as('at'))
    .where('workspace_id', '=', p.workspaceId)
    .where('session_key', '=', p.sessionKey)
    .where('kind', '=', 'heartbeat'),
);
const otherWorkSince = statement<{ workspaceId: string; agentId: string; since: number }>()((db, p) =>
  db
    .selectFrom('run')
    .select('id')
    .where('workspace_id', '=', p.workspaceId)
    .where('queued_at', '>=', p.since)
    .where('agent_id', '=', p.agentId)
    .where('kind', '<>', 'heartbeat')
    .limit(1),
);

export interface Beat {
  readonly workspaceId: string;
  readonly agentId: string;
  readonly sessionKey: string;
  readonly everyMs: number;
  readonly prompt: string;
  readonly model: string | undefined;
  readonly timeoutMs: number;
  readonly runKey: string;
  /** Of HEARTBEAT.md, or null when it asks for nothing. */
  readonly fileHash: string | null;
  readonly always: boolean;
}

export type BeatReason = 'too-soon' | 'busy' | 'nothing-to-do' | 'off' | 'queued';

/**
 * Decides whether an agent's heart beats now: not within the interval of the last one, whatever caused that; not while it works;
 * and only when there is something to look at: untold events, or a HEARTBEAT.md while something has happened since.
 */
export const beatHeart = txOp('heartbeats.beat', function* (tx, beat: Beat): OpSteps<{ reason: BeatReason; nextMs: number }> {
  const { workspaceId, agentId, sessionKey, everyMs, fileHash, always, model, ...order } = beat;
  const last = Number((yield* tx.one(latestBeat, { workspaceId, sessionKey }))?.at ?? 0);
  const answer = (reason: BeatReason, nextMs = everyMs) => ({ reason, nextMs });
  if (tx.now - last < everyMs) return answer('too-soon', last + everyMs - tx.now);
  if ((yield* tx.all(openRunsOfSession, { workspaceId, sessionKey })).length > 0) return answer('busy', Math.min(everyMs, BUSY_MS));
  const setting = { workspaceId, name: `heartbeat:${agentId}` } as const;
  const before = (yield* readSetting(tx, setting)) as { hash: string | null; at: number } | undefined; // written below
  const changed = fileHash !== null && (before?.hash !== fileHash || (yield* tx.one(otherWorkSince, { workspaceId, agentId, since: before.at })) !== undefined);
  if (!(yield* hasUntoldEvents(tx, { workspaceId, sessionKey })) && !changed && !(always && fileHash !== null)) return answer('nothing-to-do');
  if (!(yield* lookAt(tx, { ...order, workspaceId, actor: 'heartbeat', sessionKey, agentId, ...(model !== undefined && { model }) }))) return answer('off');
  yield* writeSetting(tx, { ...setting, value: { hash: fileHash, at: tx.now }, actor: 'heartbeat' });
  return answer('queued');
});

/** How long a heartbeat that found its agent at work waits. */
const BUSY_MS = 60_000;

export interface HeartbeatEnd {
  readonly state: RunState;
  readonly text: string;
  readonly startedAt: number | null;
  readonly endedAt: number;
}

export const lastHeartbeatEnd = readOp('heartbeats.last', function* (tx, args: { workspaceId: string }): OpSteps<HeartbeatEnd | null> {
  const row = yield* tx.one(latestHeartbeat, args);
  if (!row) return null;
  const { text } = JSON.parse(row.outcome ?? '{"text":""}') as { text: string }; // written by endRun
  return { state: row.state, text, startedAt: row.started_at, endedAt: row.ended_at ?? 0 };
});
