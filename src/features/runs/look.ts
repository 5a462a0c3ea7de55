// A turn in which a session looks at what it was told: one waits at a time, and none where heartbeats are off.

import { HEARTBEAT_PROMPT } from '../../domain/heartbeat.ts';
import { PRIORITY } from '../../domain/lane.ts';
import type { OpSteps, Tx } from '../../ports/store.ts';
import { readSetting } from '../settings/ops.ts';
import { enqueueRun, hasRoom, type RunRequest } from './enqueue.ts';
import { openRunsOfSession } from './rows.ts';

export interface Look extends Pick<RunRequest, 'workspaceId' | 'actor' | 'runKey' | 'agentId' | 'timeoutMs'> {
  readonly sessionKey: string;
  readonly prompt?: string;
  readonly model?: string;
}

/** Answers whether such a turn was queued. */
export function* lookAt(tx: Tx, { prompt = HEARTBEAT_PROMPT, model, ...look }: Look): OpSteps<boolean> {
  const { workspaceId, sessionKey } = look;
  if ((yield* readSetting(tx, { workspaceId, name: 'heartbeats' })) === false) return false;
  const open = yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  if (open.some(({ state, user_seq }) => state === 'queued' && user_seq === null)) return false;
  const place = { lane: 'main', priority: PRIORITY.background } as const;
  if (!(yield* hasRoom(tx, { workspaceId, ...place }))) return false;
  return (yield* enqueueRun(tx, { ...look, ...place, kind: 'heartbeat', input: { message: prompt, ...(model !== undefined && { model }) } })).created;
}
