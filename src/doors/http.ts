// The HTTP door: health, metrics, the OpenAPI document, POST /rpc/<method>, and what existing programs call.

import { Hono } from 'hono';
import { newUuid } from '../kit/id.ts';
import type { Metrics } from '../kit/metrics.ts';
import type { AnyMethod, LaterReply } from '../ports/method.ts';
import { isTrustedOrigin } from './auth.ts';
import { forTokenHolder, type HttpApp, type HttpContext, type HttpWorld, type Refusal, readJson } from './http-entry.ts';
import { openapiDocument } from './openapi.ts';
import { addHooks, type HookSettings } from './protocol3/hooks.ts';
import { addChatCompletions } from './protocol3/openai-chat.ts';
import { addResponses } from './protocol3/openai-responses.ts';
import { addToolsInvoke } from './protocol3/tools-invoke.ts';
import type { Rpc } from './rpc.ts';

interface HttpDoorOptions {
  readonly rpc: Rpc;
  readonly world: HttpWorld;
  readonly methods: readonly AnyMethod[];
  readonly version: string;
  readonly hooks: () => HookSettings;
  readonly allowedOrigins: () => readonly string[];
  readonly metrics: Metrics;
  /** Whether the gateway can take work now, and what it lacks otherwise. */
  readonly readiness: () => { readonly ready: boolean; readonly waitingFor: readonly string[] };
  readonly beforeScrape: () => Promise<void>;
}

export function createHttpDoor({ rpc, world, methods, version, hooks, allowedOrigins, metrics, readiness, beforeScrape }: HttpDoorOptions) {
  const app: HttpApp = new Hono();
  app.use(async (c, next) => {
    const fromElsewhere = c.req.header('sec-fetch-site') === 'cross-site' && c.req.header('origin') === undefined;
    if (fromElsewhere || !isTrustedOrigin(c.req.header('origin'), c.req.header('host'), allowedOrigins()))
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
  let document: string | undefined;
  app.get('/openapi.json', (c) => {
    document ??= JSON.stringify(openapiDocument(methods, version));
    return c.body(document, 200, { 'content-type': 'application/json' });
  });
  app.get('/metrics', (c) =>
    forTokenHolder(c, world, refuse, async () => {
      await beforeScrape();
      return c.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType });
    }),
  );
  app.post('/rpc/:method', (c) =>
    forTokenHolder(c, world, refuse, async (principal) => {
      const body = await readJson(c);
      if (!body.ok) return c.json(errorBody('INVALID_REQUEST', 'the body is not JSON'), 400);
      let later: Promise<LaterReply> | undefined;
      const result = await rpc.call(c.req.param('method'), body.value, {
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
    }),
  );
  addChatCompletions(app, world);
  addResponses(app, world);
  addToolsInvoke(app, world);
  addHooks(app, world, hooks);
  app.onError((error, c) => {
    world.log.error({ path: c.req.path, error: error.stack ?? String(error) }, 'an HTTP request failed unexpectedly');
    return c.json(errorBody('UNAVAILABLE', 'unexpected error: the log has the details'), 500);
  });
  app.notFound((c) => c.json(errorBody('not_found', `nothing answers ${c.req.method} ${c.req.path}`), 404));
  return app;
}

const refuse: Refusal = (c: HttpContext, status, message) => c.json(errorBody(status === 401 ? 'unauthorized' : 'rate_limited', message), status);

function errorBody(code: string, message: string) {
  return { ok: false, error: { code, message, type: code } };
}

const MEBIBYTE = 1024 * 1024;

/** Largest body of a path. Decided before anything is read. */
export function bodyLimit(path: string): number {
  if (path.startsWith('/v1/')) return 20 * MEBIBYTE;
  return path === '/tools/invoke' ? 2 * MEBIBYTE : MEBIBYTE;
}
