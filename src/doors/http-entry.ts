// Who knocks at the HTTP door: the bearer token, the principal behind it, and refusals in the shape each caller knows.

import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import type { Principal, Scope } from '../domain/authorize.ts';
import type { Log } from '../kit/log.ts';
import type { MethodContext } from '../ports/method.ts';
import { checkBearer, type SharedSecrets } from './auth.ts';
import type { LoginGuard } from './login-guard.ts';
import type { RunFeed } from './run-feed.ts';

export type HttpApp = Hono<{ Bindings: HttpBindings }>;
export type HttpContext = Context<{ Bindings: HttpBindings }>;

export interface HttpWorld {
  readonly workspaceId: string;
  readonly secrets: () => SharedSecrets;
  readonly guard: LoginGuard;
  readonly feed: RunFeed;
  readonly log: Log;
  /** What methods get to see, for this principal. */
  readonly contextFor: (principal: Principal) => MethodContext;
}

export function addressOf(c: HttpContext): string | undefined {
  return c.env.incoming.socket.remoteAddress;
}

export type Refusal = (c: HttpContext, status: 401 | 429, message: string) => Response;

/** The refusal OpenAI's clients parse. */
export const openaiRefusal: Refusal = (c, status, message) =>
  c.json({ error: { message, type: status === 401 ? 'unauthorized' : 'rate_limit_error' } }, status);

/** Runs `use` for a token holder, refuses everybody else. */
export async function forTokenHolder(
  c: HttpContext,
  world: HttpWorld,
  refuse: Refusal,
  use: (principal: Principal) => Promise<Response> | Response,
): Promise<Response> {
  const check = checkBearer(world.secrets(), world.guard, addressOf(c), c.req.header('authorization'));
  if (check.kind === 'ok') return use(tokenPrincipal(world.workspaceId, ['operator.admin']));
  return refuseWith(c, check, refuse);
}

export function refuseWith(
  c: HttpContext,
  check: { readonly kind: 'refused' } | { readonly kind: 'wait'; readonly seconds: number },
  refuse: Refusal,
): Response {
  if (check.kind === 'refused') return refuse(c, 401, 'Unauthorized');
  c.header('retry-after', String(check.seconds));
  return refuse(c, 429, `too many failed attempts: try again in ${check.seconds} s`);
}

export function tokenPrincipal(workspaceId: string, scopes: readonly Scope[], actor = 'token:http'): Principal {
  return { workspaceId, actor, role: 'operator', scopes, bySharedSecret: true };
}

/** The body as JSON, or why it is none. */
export async function readJson(c: HttpContext): Promise<{ readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string }> {
  const text = await c.req.text();
  try {
    return { ok: true, value: text === '' ? {} : JSON.parse(text) };
  } catch (error) {
    return { ok: false, problem: String(error) };
  }
}
