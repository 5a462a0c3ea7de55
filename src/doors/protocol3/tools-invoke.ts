// POST /tools/invoke: one call of one tool, in the shapes existing programs know.

import { InvokeInput, invoke } from '../../features/tools/methods.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { forTokenHolder, type HttpApp, type HttpContext, type HttpWorld, openaiRefusal, readJson } from '../http-entry.ts';
import { describeIssues } from './error-text.ts';

export function addToolsInvoke(app: HttpApp, world: HttpWorld): void {
  app.all('/tools/invoke', async (c: HttpContext) => {
    if (c.req.method !== 'POST') return c.text('Method Not Allowed', 405, { allow: 'POST' });
    return forTokenHolder(c, world, openaiRefusal, async (principal) => {
      const body = await readJson(c);
      if (!body.ok) return fail(c, 400, 'invalid_request', body.problem);
      const given = body.value as { tool?: unknown } | null; // any JSON
      if (typeof given?.tool !== 'string' || given.tool.trim() === '') return fail(c, 400, 'invalid_request', 'tools.invoke requires body.tool');
      const key = c.req.header('idempotency-key');
      const parsed = InvokeInput.safeParse({ ...given, ...(key !== undefined && { idempotencyKey: key }) });
      if (!parsed.success) return fail(c, 400, 'invalid_request', describeIssues(parsed.error, given));
      try {
        return c.json(await invoke(world.contextFor(principal), parsed.data));
      } catch (error) {
        if (isFault(error, 'tool.unknown')) return fail(c, 404, 'not_found', error.message);
        if (isFault(error)) return fail(c, 400, 'tool_error', error.message);
        return fail(c, 500, 'tool_error', messageOf(error));
      }
    });
  });
}

function fail(c: HttpContext, status: 400 | 404 | 500, type: string, message: string) {
  return c.json({ ok: false, error: { type, message } }, status);
}
