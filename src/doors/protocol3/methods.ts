// Methods under the names and shapes of existing clients: agent (answers twice), agent.wait, chat.send, chat.abort.

import { z } from 'zod';
import { agentIds } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { isTerminal, type RunOutcome, type RunState, type RunView } from '../../domain/run.ts';
import { sessionOf } from '../../features/chat/methods.ts';
import { carryOutCommand, patchSession } from '../../features/chat/ops.ts';
import { abort, submit } from '../../features/runs/methods.ts';
import { NEVER_MS, waitForEnd } from '../../features/runs/wait.ts';
import { resolveKey } from '../../features/sessions/methods.ts';
import { getSession } from '../../features/sessions/ops.ts';
import { type AnyMethod, type LaterReply, type MethodContext, method } from '../../ports/method.ts';
import { type ChatCommand, commandIn } from '../chat/commands.ts';
import type { RunEvents } from './run-events.ts';

const Payload = z.record(z.string(), z.unknown());
const text = z.string();
const name = z.string().min(1);
const key = name.max(512);
const Attachment = z.strictObject({ type: text.optional(), mimeType: text.optional(), fileName: text.optional(), content: z.unknown().optional() });
const STOP_WORDS = new Set(['/stop', 'stop', 'esc', 'abort', 'wait', 'exit', 'interrupt']);
export const CHANNELS: ReadonlySet<string> = new Set(
  'last webchat whatsapp telegram discord googlechat slack signal imessage nostr msteams mattermost nextcloud-talk matrix bluebubbles line zalo zalouser tlon'.split(
    ' ',
  ),
);

/** @param events remembers under which session name a client asked */
export function protocolMethods(events: Pick<RunEvents, 'alias'>): readonly AnyMethod[] {
  const agent = method({
    name: 'agent',
    scope: 'operator.write',
    about: 'Gives an order to an agent: answers accepted at once and the result when the run has ended.',
    input: z.strictObject({
      message: name,
      agentId: name.optional(),
      to: text.optional(),
      replyTo: text.optional(),
      sessionId: text.optional(),
      sessionKey: text.optional(),
      thinking: text.optional(),
      deliver: z.boolean().optional(),
      attachments: z.array(z.unknown()).optional(),
      channel: text.optional(),
      replyChannel: text.optional(),
      accountId: text.optional(),
      replyAccountId: text.optional(),
      threadId: text.optional(),
      groupId: text.optional(),
      groupChannel: text.optional(),
      groupSpace: text.optional(),
      timeout: z.number().min(0).optional(),
      lane: text.optional(),
      extraSystemPrompt: text.optional(),
      idempotencyKey: key,
      label: text.optional(),
      spawnedBy: text.optional(),
    }),
    output: Payload,
    run: async (context, input) => {
      const { message, agentId, to, sessionId, sessionKey, timeout, lane, thinking, extraSystemPrompt, idempotencyKey, attachments, channel, replyChannel } =
        input;
      const refuse = (problem: string) => fault('request.invalid', { method: 'agent', problem });
      for (const named of [channel, replyChannel]) if (named && !CHANNELS.has(named)) throw refuse(`unknown channel: ${named}`);
      if (agentId && !agentIds(context.gateway.config().config).includes(agentId)) throw refuse(`unknown agent id "${agentId}"`);
      if (!agentId && !to && !sessionId && !sessionKey) throw fault('agent.no_session');
      if (sessionKey) events.alias(idempotencyKey, sessionKey);
      await nameSession(context, input);
      const { run } = await submit(context, {
        message,
        runKey: idempotencyKey,
        ...(thinking && { thinking }),
        ...(agentId !== undefined && { agentId }),
        ...(sessionKey !== undefined && { sessionKey }),
        ...(sessionId !== undefined && { sessionId }),
        ...(timeout !== undefined && { timeoutSeconds: timeout }),
        ...(lane !== undefined && { lane }),
        ...(extraSystemPrompt !== undefined && { extraSystemPrompt }),
        ...(attachments && { attachments: toImages(attachments) }),
        ...(input.deliver && { deliver: deliveryOf(input) }),
      });
      if (isTerminal(run.state)) return finalPayload(context, run);
      context.replyLater(finalReply(context, run.runKey));
      return { runId: run.runKey, status: 'accepted', acceptedAt: run.queuedAt };
    },
  });

  const chatSend = method({
    name: 'chat.send',
    scope: 'operator.write',
    about: 'Sends a message to a session; the answer comes as chat events.',
    input: z.strictObject({
      sessionKey: name,
      message: text,
      thinking: text.optional(),
      deliver: z.boolean().optional(),
      attachments: z.array(z.unknown()).optional(),
      timeoutMs: z.int().min(0).optional(),
      idempotencyKey: key,
    }),
    output: Payload,
    run: async (context, { sessionKey, message, attachments, thinking, timeoutMs, idempotencyKey }) => {
      let text = message;
      if (STOP_WORDS.has(message.trim().toLowerCase())) {
        const runIds = await abort(context, { sessionKey: resolveKey(context, sessionKey) }, 'stop');
        return { ok: true, aborted: runIds.length > 0, runIds };
      }
      events.alias(idempotencyKey, sessionKey);
      const command = commandIn(message);
      if (command) {
        const answered = await answerCommand(context, { sessionKey, message, idempotencyKey }, command);
        if (answered.rest === undefined) return { runId: idempotencyKey, status: answered.created ? 'started' : 'ok' };
        text = answered.rest;
      }
      const order = {
        message: text,
        sessionKey,
        runKey: idempotencyKey,
        ...(thinking && { thinking }),
        ...(timeoutMs && { timeoutSeconds: timeoutMs / 1000 }),
        ...(attachments && { attachments: toImages(attachments) }),
      };
      const { run, created } = await submit(context, order, { asMessage: true });
      const wasThere = isTerminal(run.state) ? (run.state === 'succeeded' ? 'ok' : 'error') : 'in_flight';
      return { runId: run.runKey, status: created ? 'started' : wasThere };
    },
  });

  const chatAbort = method({
    name: 'chat.abort',
    scope: 'operator.write',
    about: 'Stops the runs of a session, or one of them.',
    input: z.strictObject({ sessionKey: name, runId: key.optional() }),
    output: Payload,
    run: async (context, { sessionKey, runId }) => {
      const runIds = await abort(context, { sessionKey: resolveKey(context, sessionKey), ...(runId !== undefined && { runKey: runId }) }, 'rpc');
      return { ok: true, aborted: runIds.length > 0, runIds };
    },
  });

  const agentWait = method({
    name: 'agent.wait',
    scope: 'operator.write',
    about: 'Waits for a run to end, at most timeoutMs.',
    input: z.strictObject({ runId: key, timeoutMs: z.int().min(0).optional() }),
    output: Payload,
    run: async (context, { runId, timeoutMs = 30_000 }) => {
      const run = await waitForEnd(context, runId, timeoutMs);
      if (!run || !isTerminal(run.state)) return { runId, status: 'timeout' };
      return {
        runId,
        status: wireStatus(run.state),
        startedAt: run.startedAt,
        endedAt: run.endedAt,
        ...(run.outcome?.error && { error: run.outcome.error.message }),
      };
    },
  });

  return [agent, chatSend, chatAbort, agentWait];
}

/** Label and parent that an order may give to its session. */
async function nameSession(
  context: MethodContext,
  { sessionKey, label, spawnedBy }: { sessionKey?: string | undefined; label?: string | undefined; spawnedBy?: string | undefined },
) {
  if (!sessionKey || (!label && !spawnedBy)) return;
  await context.store.call(patchSession, { ...sessionOf(context, sessionKey), patch: { label: label || undefined, spawnedBy: spawnedBy || undefined } });
}

interface SentCommand {
  readonly sessionKey: string;
  readonly message: string;
  readonly idempotencyKey: string;
}

/** Carries the command out once, whatever is sent how often. What follows a command that begins anew goes to the agent under the client's key. */
async function answerCommand(context: MethodContext, { sessionKey, message, idempotencyKey }: SentCommand, command: ChatCommand) {
  const session = sessionOf(context, sessionKey);
  const { effect, reply, rest } = await command.run(context, session.key);
  const runKey = rest === undefined ? idempotencyKey : `${idempotencyKey}#command`;
  const { created } = await context.store.call(carryOutCommand, { ...session, runKey, command: message, effect, reply });
  return { created, rest };
}

interface Delivered {
  readonly channel?: string | undefined;
  readonly replyChannel?: string | undefined;
  readonly to?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly accountId?: string | undefined;
  readonly replyAccountId?: string | undefined;
  readonly threadId?: string | undefined;
}

function deliveryOf({ channel, replyChannel, to, replyTo, accountId, replyAccountId, threadId }: Delivered) {
  const named = replyChannel ?? channel;
  const account = replyAccountId ?? accountId;
  const target = replyTo ?? to;
  return {
    ...(named && named !== 'last' && { channel: named }),
    ...(account && { account }),
    ...(target && { to: target }),
    ...(threadId && { thread: threadId }),
  };
}

async function finalReply(context: MethodContext, runKey: string): Promise<LaterReply> {
  const run = await waitForEnd(context, runKey, NEVER_MS);
  if (!run) throw fault('run.not_found', { id: runKey });
  const payload = await finalPayload(context, run);
  if (run.state === 'succeeded' || run.state === 'cancelled') return { ok: true, payload };
  return { ok: false, payload, message: payload.summary };
}

async function finalPayload({ store, workspaceId }: MethodContext, { runKey, sessionKey, state, outcome, startedAt, endedAt }: RunView) {
  if (state !== 'succeeded' && state !== 'cancelled') return { runId: runKey, status: 'error', summary: `Error: ${outcome?.error?.message ?? state}` };
  const session = sessionKey === null ? null : await store.call(getSession, { workspaceId, key: sessionKey });
  const said = outcome?.text ?? '';
  return {
    runId: runKey,
    status: 'ok',
    summary: state === 'cancelled' ? 'aborted' : 'completed',
    result: {
      payloads: said === '' ? [] : [{ text: said, mediaUrl: null }],
      meta: {
        durationMs: (endedAt ?? 0) - (startedAt ?? 0),
        agentMeta: { sessionId: session?.id ?? '', provider: outcome?.provider ?? '', model: outcome?.model ?? '', usage: wireUsage(outcome) },
        aborted: state === 'cancelled',
      },
    },
  };
}

function wireUsage(outcome: RunOutcome | null) {
  const { input = 0, output = 0, cacheRead = 0, cacheWrite = 0, cost = 0 } = outcome?.usage ?? {};
  return { input, output, cacheRead, cacheWrite, total: input + output + cacheRead + cacheWrite, cost };
}

function wireStatus(state: RunState): 'ok' | 'error' {
  return state === 'succeeded' || state === 'cancelled' ? 'ok' : 'error';
}

const MAX_IMAGE_BYTES = 5_000_000;

/** Images as clients send them: base64, with or without a data URL. @throws Fault `request.invalid` */
function toImages(attachments: readonly unknown[]): { mimeType: string; data: string }[] {
  return attachments.map((value, i) => {
    const parsed = Attachment.safeParse(value);
    const refuse = (problem: string) => fault('request.invalid', { method: 'chat.send', problem: `attachment ${i + 1}: ${problem}` });
    if (!parsed.success || typeof parsed.data.content !== 'string') throw refuse('content must be base64 text');
    const data = parsed.data.content.replace(/^data:[^,]*,/, '');
    const mimeType = parsed.data.mimeType ?? /^data:([^;,]+)/.exec(parsed.data.content)?.[1] ?? '';
    if (!mimeType.startsWith('image/')) throw refuse('only images can be attached');
    if (data.length * 0.75 > MAX_IMAGE_BYTES) throw refuse(`larger than ${MAX_IMAGE_BYTES} bytes`);
    return { mimeType, data };
  });
}
