// What the two OpenAI doors share: which agent and session a request means, and a turn that streams into it.

import { z } from 'zod';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { adviceFor } from '../../domain/fault-codes.ts';
import { isTerminal, type RunOutcome, type RunView } from '../../domain/run.ts';
import { submit } from '../../features/runs/methods.ts';
import { NEVER_MS, waitForEnd } from '../../features/runs/wait.ts';
import type { Fault } from '../../kit/fault.ts';
import { newUuid } from '../../kit/id.ts';
import type { MethodContext } from '../../ports/method.ts';
import type { HttpContext, HttpWorld } from '../http-entry.ts';

export interface TurnOrder {
  readonly agentId: string;
  readonly sessionKey: string;
  readonly runKey: string;
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

/** The agent a request names by header or model (`clawdbot:<agent>`, `agent:<agent>`), else the default one. */
export function agentNamed(c: HttpContext, model: string, { gateway }: MethodContext): string {
  const { config } = gateway.config();
  const named = c.req.header('x-clawdbot-agent-id') ?? /^(?:clawdbot|agent)[:/]([a-z0-9][a-z0-9_-]*)$/i.exec(model)?.[1];
  return named?.toLowerCase() ?? defaultAgentId(config);
}

export function isAgent({ gateway }: MethodContext, agentId: string): boolean {
  return agentIds(gateway.config().config).includes(agentId);
}

/** The session a request names by header or user; otherwise one of its own. */
export function sessionNamed(c: HttpContext, agentId: string, door: 'openai' | 'openresponses', user: string | undefined): string {
  const named = c.req.header('x-clawdbot-session-key');
  if (named) return named;
  return user ? `agent:${agentId}:${door}-user:${user}` : `agent:${agentId}:${door}:${newUuid()}`;
}

/** The client's own key where it sends one: then a repeated request is the same run. */
export function runKeyNamed(c: HttpContext): string {
  const key = c.req.header('idempotency-key');
  return key ? `http:${key.slice(0, 190)}` : newUuid();
}

/** Queues the turn and passes its text on as it comes. @throws Fault when the order is refused */
export async function takeOrder(world: HttpWorld, context: MethodContext, order: TurnOrder, onText: (piece: string) => void): Promise<TurnEnd> {
  const { runKey, message, system, images, ...session } = order;
  const stop = world.feed.follow(runKey, { onText, onEnded: () => undefined });
  try {
    const { run } = await submit(context, {
      ...session,
      runKey,
      message,
      ...(system && { extraSystemPrompt: system }),
      ...(images.length > 0 && { attachments: [...images] }),
    });
    if (isTerminal(run.state)) return endOf(run);
    const ended = await waitForEnd(context, runKey, NEVER_MS);
    return ended ? endOf(ended) : { ok: false, message: 'the run is gone', status: 500 };
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

export function firstProblem({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not valid'}`;
}

export const openaiFault = (c: HttpContext, { code, message }: Fault): Response => openaiError(c, adviceFor(code).http, message);

export function openaiError(c: HttpContext, status: number, message: string): Response {
  return c.json({ error: { message, type: status < 500 ? 'invalid_request_error' : 'api_error' } }, status as 400); // a status of the fault table
}
