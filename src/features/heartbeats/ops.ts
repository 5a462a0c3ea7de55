// Waking a session: what it should hear, and the turn in which it looks at once.

import { PRIORITY } from '../../domain/lane.ts';
import type { RunState } from '../../domain/run.ts';
import { type OpSteps, readOp, statement, txOp } from '../../ports/store.ts';
import { enqueueRun } from '../runs/enqueue.ts';
import { openRunsOfSession } from '../runs/rows.ts';
import { noteSystemEvent } from '../sessions/system-events.ts';
import { readSetting } from '../settings/ops.ts';

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
  readonly now: { readonly runKey: string; readonly prompt: string; readonly timeoutMs: number } | null;
}

/**
 * Notes an event for a session, durable before it is acknowledged; it is told with the session's next turn.
 * With `now` such a turn is queued, unless heartbeats are off or one is waiting already. Answers whether it was.
 */
export const wakeSession = txOp('heartbeats.wake', function* (tx, { workspaceId, actor, sessionKey, agentId, text, now }: Wake): OpSteps<boolean> {
  if (text !== '') yield* noteSystemEvent(tx, { workspaceId, sessionKey, text });
  if (now === null || (yield* readSetting(tx, { workspaceId, name: 'heartbeats' })) === false) return false;
  const open = yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  if (open.some(({ state, user_seq }) => state === 'queued' && user_seq === null)) return false;
  const { runKey, prompt, timeoutMs } = now;
  const order = { workspaceId, actor, runKey, kind: 'heartbeat', sessionKey, agentId, lane: 'main', priority: PRIORITY.background, timeoutMs } as const;
  return (yield* enqueueRun(tx, { ...order, input: { message: prompt } })).created;
});

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
