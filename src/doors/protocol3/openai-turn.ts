// What the paths of OpenAI's API share: who may, which agent and session a request means, and a turn that streams into it.

import { z } from 'zod';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { adviceFor, fault } from '../../domain/fault-codes.ts';
import { isTerminal, type RunOutcome, type RunView } from '../../domain/run.ts';
import { submit } from '../../features/runs/methods.ts';
import { NEVER_MS, waitForEnd } from '../../features/runs/wait.ts';
import { isFault } from '../../kit/fault.ts';
import { newUuid } from '../../kit/id.ts';
import type { MethodContext } from '../../ports/method.ts';
import { forTokenHolder, type HttpApp, type HttpContext, type HttpWorld, openaiRefusal, readJson } from '../http-entry.ts';

export interface TurnOrder {
  readonly agentId: string;
  readonly sessionKey: string;
  readonly runKey: string;
  /** Milliseconds since 1970. */
  readonly askedAt: number;
  readonly message: string;
  readonly system: string | undefined;
  readonly images: readonly { readonly mimeType: string; readonly data: string }[];
}

export interface Usage {
  readonly input: number;
  readonly output: number;
}

export type TurnEnd =
  | { readonly ok: true; readonly text: string; readonly cutShort: boolean; readonly usage: Usage }
  | { readonly ok: false; readonly message: string; readonly status: number };

interface OpenaiPath<B> {
  readonly path: string;
  readonly endpoint: 'chatCompletions' | 'responses';
  readonly body: z.ZodType<B>;
  /** @throws Fault when the request cannot be an order */
  readonly order: (c: HttpContext, context: MethodContext, body: B) => Promise<TurnOrder> | TurnOrder;
  readonly answer: (c: HttpContext, turn: Turn, body: B, order: TurnOrder) => Promise<Response> | Response;
}
/** Queues the order and passes its text on as it comes. */
export type Turn = (onText?: (piece: string) => void) => Promise<TurnEnd>;

export function addOpenaiPath<B>(app: HttpApp, world: HttpWorld, { path, endpoint, body, order, answer }: OpenaiPath<B>): void {
  app.all(path, async (c: HttpContext) => {
    if (c.req.method !== 'POST') return c.text('Method Not Allowed', 405, { allow: 'POST' });
    return forTokenHolder(c, world, openaiRefusal, async (principal) => {
      const context = world.contextFor(principal);
      if (!context.gateway.config().config.gateway.http.endpoints[endpoint].enabled) return c.text('Not Found', 404);
      const read = await readJson(c);
      if (!read.ok) return openaiError(c, 400, read.problem);
      const parsed = body.safeParse(read.value);
      if (!parsed.success) return openaiError(c, 400, firstProblem(parsed.error));
      try {
        const asked = await order(c, context, parsed.data);
        return await answer(c, (onText) => takeOrder(world, context, asked, onText), parsed.data, asked);
      } catch (error) {
        if (!isFault(error)) throw error;
        return openaiError(c, adviceFor(error.code).http, error.message);
      }
    });
  });
}

/** What was said in a request, whichever API it came by. */
export interface Said {
  readonly role: string;
  readonly text: string;
  readonly images: TurnOrder['images'];
}

interface Request {
  readonly model: string;
  readonly said: readonly Said[];
  /** Names the sessions of this API. */
  readonly door: 'openai' | 'openresponses';
  readonly user: string | undefined;
  readonly instructions?: string | undefined;
}

/**
 * The latest user message is the order, what was said before it is told along, system messages are instructions. A session named by header
 * or user is gone on with; otherwise each request has one of its own.
 * @throws Fault
 */
export function orderFrom(c: HttpContext, { gateway, clock }: MethodContext, { model, said, door, user, instructions }: Request): TurnOrder {
  const { config } = gateway.config();
  const named = c.req.header('x-clawdbot-agent-id') ?? /^(?:clawdbot|agent)[:/]([a-z0-9][a-z0-9_-]*)$/i.exec(model)?.[1];
  const agentId = named?.toLowerCase() ?? defaultAgentId(config);
  if (!agentIds(config).includes(agentId)) throw fault('request.refused', { reason: `unknown agent "${agentId}"` });
  const asked = said.findLastIndex(({ role }) => role === 'user');
  const message = said[asked];
  if (!message || (message.text === '' && message.images.length === 0))
    throw fault('request.refused', { reason: `Missing user message in \`${door === 'openai' ? 'messages' : 'input'}\`.` });
  const earlier = said.slice(0, asked).filter(({ role, text }) => ['user', 'assistant', 'tool'].includes(role) && text !== '');
  const background = earlier.map(({ role, text }) => `${role}: ${text}`).join('\n');
  const system = [instructions ?? '', ...said.flatMap(({ role, text }) => (role === 'system' || role === 'developer' ? [text] : []))].filter(
    (text) => text !== '',
  );
  const key = c.req.header('idempotency-key');
  return {
    agentId,
    sessionKey: c.req.header('x-clawdbot-session-key') || `agent:${agentId}:${door}${user ? `-user:${user}` : `:${newUuid()}`}`,
    runKey: key ? `http:${key.slice(0, 190)}` : newUuid(),
    askedAt: clock.now(),
    message: background === '' ? message.text : `The conversation so far:\n${background}\n\nNow:\n${message.text}`,
    system: system.length === 0 ? undefined : system.join('\n\n'),
    images: message.images,
  };
}

async function takeOrder(world: HttpWorld, context: MethodContext, order: TurnOrder, onText: (piece: string) => void = () => undefined): Promise<TurnEnd> {
  const { agentId, sessionKey, runKey, message, system, images } = order;
  const stop = world.feed.follow(runKey, { onText, onEnded: () => undefined });
  try {
    const { run } = await submit(context, {
      agentId,
      sessionKey,
      runKey,
      message,
      ...(system && { extraSystemPrompt: system }),
      ...(images.length > 0 && { attachments: [...images] }),
    });
    if (isTerminal(run.state)) return endOf(run);
    const ended = await waitForEnd(context, runKey, NEVER_MS);
    return ended ? endOf(ended) : { ok: false, message: 'the run is gone', status: 500 };
  } catch (error) {
    if (isFault(error)) return { ok: false, message: error.message, status: adviceFor(error.code).http };
    world.log.error({ runKey, err: error }, 'an OpenAI turn failed unexpectedly');
    return { ok: false, message: 'unexpected error: the log has the details', status: 500 };
  } finally {
    stop();
  }
}

function endOf({ state, outcome }: RunView): TurnEnd {
  const text = outcome?.text ?? '';
  if (state === 'succeeded' || (state === 'cancelled' && text !== ''))
    return { ok: true, text, cutShort: outcome?.stopReason === 'length', usage: usageOf(outcome) };
  const { code = 'gateway.unexpected', message = state } = outcome?.error ?? {};
  return { ok: false, message, status: state === 'cancelled' ? 409 : adviceFor(code).http };
}

function usageOf(outcome: RunOutcome | null): Usage {
  const { input = 0, output = 0, cacheRead = 0, cacheWrite = 0 } = outcome?.usage ?? {};
  return { input: input + cacheRead + cacheWrite, output };
}

export const ImageUrl = z.string().transform((url, issues) => {
  const [, mimeType = '', data = ''] = /^data:(image\/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)$/.exec(url) ?? [];
  if (data !== '') return { mimeType, data };
  issues.addIssue({ code: 'custom', message: 'images must be data URLs (data:image/…;base64,…): the gateway fetches no addresses' });
  return z.NEVER;
});

const KEEP_ALIVE_MS = 15_000;

/** Server-sent events as a response that begins at once; a comment now and then tells proxies and clients that it lives. */
export function eventStream(c: HttpContext, run: (send: (data: unknown, event?: string) => void) => Promise<void>): Response {
  const encoder = new TextEncoder();
  let open = true;
  const body = new ReadableStream<Uint8Array>({
    start: async (controller) => {
      const write = (text: string) => open && controller.enqueue(encoder.encode(text));
      const beats = setInterval(() => write(': at work\n\n'), KEEP_ALIVE_MS);
      try {
        await run((data, event) =>
          write(`${event === undefined ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`),
        );
        if (open) controller.close();
      } finally {
        clearInterval(beats);
      }
    },
    cancel: () => {
      open = false; // the client left: the turn goes on and is in the session
    },
  });
  return c.body(body, 200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
}

function firstProblem({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not valid'}`;
}

export function openaiError(c: HttpContext, status: number, message: string): Response {
  return c.json({ error: { message, type: status < 500 ? 'invalid_request_error' : 'api_error' } }, status as 400); // a status of the fault table
}
