// Waking agents and telling them what happened.

import { z } from 'zod';
import { defaultAgentId } from '../../domain/config.ts';
import { HEARTBEAT_PROMPT, heartbeatStatus } from '../../domain/heartbeat.ts';
import { newUuid } from '../../kit/id.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { resolveKey } from '../sessions/methods.ts';
import { putSetting } from '../settings/ops.ts';
import { type HeartbeatEnd, lastHeartbeatEnd, wakeSession } from './ops.ts';

const MAX_EVENT_CHARS = 20_000;

export const lastHeartbeat = method({
  name: 'last-heartbeat',
  scope: 'operator.read',
  about: 'What the latest heartbeat turn came to, or null.',
  input: z.strictObject({}),
  output: z.record(z.string(), z.unknown()).nullable(),
  run: async ({ store, workspaceId }) => {
    const last = await store.call(lastHeartbeatEnd, { workspaceId });
    return last && heartbeatEvent(last);
  },
});

/** The latest heartbeat in the shape of the `heartbeat` event. */
export function heartbeatEvent({ state, text, startedAt, endedAt }: HeartbeatEnd) {
  const status = heartbeatStatus(state, text);
  return {
    ts: endedAt,
    status,
    ...(text !== '' && { preview: text.slice(0, 200) }),
    durationMs: endedAt - (startedAt ?? endedAt),
    hasMedia: false,
  };
}

export const setHeartbeats = method({
  name: 'set-heartbeats',
  scope: 'operator.admin',
  about: 'Turns heartbeat turns on or off. Events are kept for the next turn either way.',
  input: z.strictObject({ enabled: z.boolean() }),
  output: z.object({ ok: z.boolean(), enabled: z.boolean() }),
  run: async ({ store, workspaceId, principal }, { enabled }) => {
    await store.call(putSetting, { workspaceId, name: 'heartbeats', value: enabled, actor: principal.actor });
    return { ok: true, enabled };
  },
});

export const wakeMethod = method({
  name: 'wake',
  scope: 'operator.write',
  about: 'Tells the main session something: with its next turn, or with a turn of its own at once.',
  input: z.strictObject({ mode: z.enum(['now', 'next-heartbeat']), text: z.string().trim().min(1).max(MAX_EVENT_CHARS) }),
  output: z.object({ ok: z.boolean() }),
  run: async (context, { mode, text }) => {
    await wake(context, { text, now: mode === 'now' });
    return { ok: true };
  },
});

interface WakeRequest {
  readonly text: string;
  readonly now: boolean;
  readonly sessionKey?: string;
  readonly runKey?: string;
}

/** Notes the event for the session (the main one by default), and queues a turn when it cannot wait. */
export async function wake(context: MethodContext, { text, now, sessionKey, runKey }: WakeRequest): Promise<void> {
  const { config } = context.gateway.config();
  await context.store.call(wakeSession, {
    workspaceId: context.workspaceId,
    actor: context.principal.actor,
    sessionKey: resolveKey(context, sessionKey ?? 'main'),
    agentId: defaultAgentId(config),
    text,
    now: now ? { runKey: runKey ?? newUuid(), prompt: HEARTBEAT_PROMPT, timeoutMs: config.agents.defaults.timeoutSeconds * 1000 } : null,
  });
}

export const systemEvent = method({
  name: 'system-event',
  scope: 'operator.admin',
  about: 'A fact from a device: texts that begin with "Node:" update the presence list, others are told to the main session.',
  input: z.looseObject({ text: z.string().trim().min(1).max(MAX_EVENT_CHARS) }),
  output: z.object({ ok: z.boolean() }),
  run: async (context, { text, ...facts }) => {
    if (text.startsWith('Node:')) context.gateway.notePresence(text, facts);
    else await wake(context, { text, now: false });
    return { ok: true };
  },
});
