// The HTTP door: /health, /ready, /metrics and POST /rpc/<method>.

import { type Context, Hono } from 'hono';
import type { Principal } from '../domain/authorize.ts';
import { newUuid } from '../kit/id.ts';
import type { Metrics } from '../kit/metrics.ts';
import type { LaterReply } from '../ports/method.ts';
import { checkBearer, isTrustedOrigin, type SharedSecrets } from './auth.ts';
import type { Rpc } from './rpc.ts';

interface HttpDoorOptions {
  readonly rpc: Rpc;
  readonly workspaceId: string;
  readonly secrets: () => SharedSecrets;
  readonly allowedOrigins: () => readonly string[];
  readonly metrics: Metrics;
  /** Whether the gateway can take work now, and what it lacks otherwise. */
  readonly readiness: () => { readonly ready: boolean; readonly waitingFor: readonly string[] };
  readonly beforeScrape: () => Promise<void>;
}

export function createHttpDoor({ rpc, workspaceId, secrets, allowedOrigins, metrics, readiness, beforeScrape }: HttpDoorOptions): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    if (!isTrustedOrigin(c.req.header('origin'), c.req.header('host'), allowedOrigins()))
      return c.json(errorBody('forbidden', 'this origin or host is not allowed'), 403);
    await next();
    c.header('x-content-type-options', 'nosniff');
    return undefined;
  });
  app.get('/health', (c) => c.json({ ok: true }));
  app.get('/ready', (c) => {
    const state = readiness();
    return c.json(state, state.ready ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    if (!checkBearer(secrets(), c.req.header('authorization'))) return unauthorized(c);
    await beforeScrape();
    return c.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType });
  });
  app.post('/rpc/:method', async (c) => {
    if (!checkBearer(secrets(), c.req.header('authorization'))) return unauthorized(c);
    let params: unknown;
    try {
      const text = await c.req.text();
      params = text === '' ? {} : JSON.parse(text);
    } catch {
      return c.json(errorBody('INVALID_REQUEST', 'the body is not JSON'), 400);
    }
    const principal: Principal = { workspaceId, actor: 'token:http', role: 'operator', scopes: ['operator.admin'] };
    let later: Promise<LaterReply> | undefined;
    const result = await rpc.call(c.req.param('method'), params, {
      principal,
      requestId: `http/${newUuid()}`,
      replyLater: (promise) => {
        later = promise;
      },
    });
    if (!result.ok) return c.json({ ok: false, error: result.error }, result.httpStatus as 400); // a status of the fault table
    if (!later) return c.body(`{"ok":true,"payload":${result.payload}}`, 200, { 'content-type': 'application/json' });
    const final = await later;
    return final.ok
      ? c.json({ ok: true, payload: final.payload })
      : c.json({ ok: false, payload: final.payload, error: { code: 'UNAVAILABLE', message: final.message } }, 502);
  });
  app.notFound((c) => c.json(errorBody('not_found', `nothing answers ${c.req.method} ${c.req.path}`), 404));
  return app;
}

function unauthorized(c: Context) {
  return c.json(errorBody('unauthorized', 'Unauthorized'), 401);
}

function errorBody(code: string, message: string) {
  return { ok: false, error: { code, message, type: code } };
}
