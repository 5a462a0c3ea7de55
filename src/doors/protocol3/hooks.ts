// POST /hooks/wake and /hooks/agent: orders of programs that hold the hook token. The token travels in headers only.

import { z } from 'zod';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { PRIORITY } from '../../domain/lane.ts';
import { resolveModel } from '../../domain/model.ts';
import { agentIdOf } from '../../domain/session.ts';
import { wake } from '../../features/heartbeats/methods.ts';
import { submitRun } from '../../features/runs/ops.ts';
import { resolveKey } from '../../features/sessions/methods.ts';
import { isFault } from '../../kit/fault.ts';
import { newUuid, secretsEqual } from '../../kit/id.ts';
import type { MethodContext } from '../../ports/method.ts';
import { guarded } from '../auth.ts';
import { addressOf, type HttpApp, type HttpContext, type HttpWorld, readJson, refuseWith, tokenPrincipal } from '../http-entry.ts';
import { CHANNELS } from './methods.ts';

export interface HookSettings {
  readonly enabled: boolean;
  readonly token?: string | undefined;
  readonly path: string;
  readonly maxBodyBytes: number;
}

const text = z.string().max(400_000);
const Wake = z.looseObject({ text: z.string().trim().min(1).max(20_000), mode: z.enum(['now', 'next-heartbeat']).default('now') });
const Order = z.looseObject({
  message: text.trim().min(1),
  name: z.string().trim().min(1).max(100).default('Hook'),
  wakeMode: z.enum(['now', 'next-heartbeat']).default('now'),
  sessionKey: z.string().trim().min(1).max(512).optional(),
  channel: z.string().default('last'),
  model: z.string().min(1).optional(),
  thinking: z.string().optional(),
  timeoutSeconds: z.number().positive().max(86_400).optional(),
});

export function addHooks(app: HttpApp, world: HttpWorld, settings: () => HookSettings): void {
  app.use(async (c: HttpContext, next) => {
    const { enabled, token, path, maxBodyBytes } = settings();
    if (!c.req.path.startsWith(`${path}/`) || !enabled || token === undefined) return next();
    if (c.req.method !== 'POST') return c.text('Method Not Allowed', 405, { allow: 'POST' });
    const given = c.req.header('x-clawdbot-token') ?? /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    const check = guarded(world.guard, addressOf(c), true, () => (given === undefined ? 'missing' : secretsEqual(given, token) ? 'ok' : 'wrong'));
    if (check.kind !== 'ok') return refuseWith(c, check, (_c, status, message) => c.text(message, status));
    if (Number(c.req.header('content-length') ?? 0) > maxBodyBytes) return fail(c, 413, 'payload too large');
    const body = await readJson(c);
    if (!body.ok) return fail(c, 400, body.problem);
    const context = world.contextFor(tokenPrincipal(world.workspaceId, ['operator.write'], 'hook'));
    const key = c.req.header('idempotency-key');
    try {
      switch (c.req.path.slice(path.length)) {
        case '/wake':
          return await wakeHook(c, context, body.value, key);
        case '/agent':
          return await agentHook(c, context, body.value, key);
        default:
          return c.text('Not Found', 404);
      }
    } catch (error) {
      if (!isFault(error)) throw error;
      return fail(c, 400, error.message);
    }
  });
}

async function wakeHook(c: HttpContext, context: MethodContext, body: unknown, key: string | undefined) {
  const parsed = Wake.safeParse(body);
  if (!parsed.success) return fail(c, 400, firstProblem(parsed.error, 'text'));
  const { text: said, mode } = parsed.data;
  await wake(context, { text: said, now: mode === 'now', ...(key !== undefined && { runKey: `hook:${key}` }) });
  return c.json({ ok: true, mode });
}

async function agentHook(c: HttpContext, context: MethodContext, body: unknown, key: string | undefined) {
  const parsed = Order.safeParse(body);
  if (!parsed.success) return fail(c, 400, firstProblem(parsed.error, 'message'));
  const { message, name, wakeMode, sessionKey, channel, model, thinking, timeoutSeconds } = parsed.data;
  if (!CHANNELS.has(channel)) return fail(c, 400, `channel must be ${[...CHANNELS].join('|')}`);
  const { config } = context.gateway.config();
  const runKey = key === undefined ? newUuid() : `hook:${key}`;
  const session = resolveKey(context, sessionKey ?? `hook:${key ?? runKey}`);
  const agentId = agentIdOf(session) ?? defaultAgentId(config);
  if (!agentIds(config).includes(agentId)) throw fault('agent.unknown', { agentId });
  const { run } = await context.store.call(submitRun, {
    workspaceId: context.workspaceId,
    actor: context.principal.actor,
    runKey,
    kind: 'hook',
    sessionKey: session,
    agentId,
    lane: 'main',
    priority: PRIORITY.interactive,
    timeoutMs: Math.round((timeoutSeconds ?? config.agents.defaults.timeoutSeconds) * 1000),
    input: {
      message,
      ...(model !== undefined && { model: nameOf(resolveModel(model, config)) }),
      ...(thinking !== undefined && { thinking }),
      report: { name: `Hook ${name}`, sessionKey: resolveKey(context, 'main'), agentId: defaultAgentId(config), as: 'event', now: wakeMode === 'now' },
    },
  });
  return c.json({ ok: true, runId: run.runKey }, 202);
}

function nameOf({ provider, model }: { readonly provider: string; readonly model: string }): string {
  return `${provider}/${model}`;
}

function firstProblem({ issues: [issue] }: z.ZodError, main: string): string {
  const at = issue?.path.join('.') ?? '';
  return at === main || at === '' ? `${main} required` : `${at}: ${issue?.message ?? 'not valid'}`;
}

function fail(c: HttpContext, status: 400 | 413, error: string) {
  return c.json({ ok: false, error }, status);
}
