// POST /v1/responses: agents for programs that speak OpenAI's responses API.

import { z } from 'zod';
import { getRun } from '../../features/runs/ops.ts';
import { isFault } from '../../kit/fault.ts';
import { newUuid } from '../../kit/id.ts';
import type { MethodContext } from '../../ports/method.ts';
import { forTokenHolder, type HttpApp, type HttpContext, type HttpWorld, openaiRefusal, readJson } from '../http-entry.ts';
import {
  agentNamed,
  eventStream,
  firstProblem,
  ImageUrl,
  isAgent,
  openaiError,
  openaiFault,
  runKeyNamed,
  sessionNamed,
  type TurnEnd,
  type TurnOrder,
  takeOrder,
} from './openai-turn.ts';

const Part = z.union([
  z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() }),
  z.object({ type: z.literal('input_image'), image_url: ImageUrl }),
]);
const Item = z.union([
  z.object({ type: z.literal('message').optional(), role: z.string(), content: z.union([z.string(), z.array(Part)]) }),
  z.object({ type: z.literal('reasoning') }),
]);
const Body = z.looseObject({
  model: z.string().default('clawdbot'),
  input: z.union([z.string().min(1), z.array(Item).min(1)]),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  stream: z.boolean().nullish(),
  user: z.string().max(200).nullish(),
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
});
type Body = z.infer<typeof Body>;

const ID = 'resp_';

export function addResponses(app: HttpApp, world: HttpWorld): void {
  app.all('/v1/responses', async (c: HttpContext) => {
    if (c.req.method !== 'POST') return c.text('Method Not Allowed', 405, { allow: 'POST' });
    return forTokenHolder(c, world, openaiRefusal, async (principal) => {
      const context = world.contextFor(principal);
      if (!context.gateway.config().config.gateway.http.endpoints.responses.enabled) return c.text('Not Found', 404);
      const body = await readJson(c);
      if (!body.ok) return openaiError(c, 400, body.problem);
      const parsed = Body.safeParse(body.value);
      if (!parsed.success) return openaiError(c, 400, firstProblem(parsed.error));
      if (parsed.data.tools?.some(({ type }) => type === 'function'))
        return openaiError(c, 400, 'tools: function tools of the client are not supported; agents use the tools of the gateway');
      const order = await orderFrom(c, context, parsed.data);
      if (typeof order === 'string') return openaiError(c, 400, order);
      return answer(c, world, context, parsed.data, order);
    });
  });
}

async function answer(
  c: HttpContext,
  world: HttpWorld,
  context: MethodContext,
  { model, stream, previous_response_id }: Body,
  order: TurnOrder,
): Promise<Response> {
  const response = (status: string, more: object = {}) => ({
    id: `${ID}${order.runKey}`,
    object: 'response',
    created_at: Math.floor(context.clock.now() / 1000),
    status,
    model,
    output: [],
    error: null,
    previous_response_id: previous_response_id ?? null,
    ...more,
  });
  const itemId = `msg_${newUuid()}`;
  const item = (text: string, status: string) => ({
    type: 'message',
    id: itemId,
    role: 'assistant',
    status,
    content: status === 'in_progress' ? [] : [part(text)],
  });
  const completed = (end: Extract<TurnEnd, { ok: true }>, text: string) =>
    response(end.cutShort ? 'incomplete' : 'completed', {
      output: [item(text, 'completed')],
      usage: {
        input_tokens: end.usage.input,
        output_tokens: end.usage.output,
        total_tokens: end.usage.input + end.usage.output,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens_details: { reasoning_tokens: 0 },
      },
      ...(end.cutShort && { incomplete_details: { reason: 'max_output_tokens' } }),
    });
  if (!stream) {
    try {
      const end = await takeOrder(world, context, order, () => undefined);
      return end.ok ? c.json(completed(end, end.text)) : openaiError(c, end.status, end.message);
    } catch (error) {
      if (!isFault(error)) throw error;
      return openaiFault(c, error);
    }
  }
  return eventStream(c, async (sendEvent) => {
    let sequence = 0;
    const send = (type: string, fields: object) => sendEvent({ type, sequence_number: sequence++, ...fields }, type);
    const at = { item_id: itemId, output_index: 0, content_index: 0 };
    let said = '';
    send('response.created', { response: response('in_progress') });
    send('response.in_progress', { response: response('in_progress') });
    send('response.output_item.added', { output_index: 0, item: item('', 'in_progress') });
    send('response.content_part.added', { ...at, part: part('') });
    const failed = (message: string) => send('response.failed', { response: response('failed', { error: { code: 'server_error', message } }) });
    try {
      const end = await takeOrder(world, context, order, (delta) => {
        said += delta;
        send('response.output_text.delta', { ...at, delta, logprobs: [] });
      });
      if (!end.ok) return failed(end.message);
      send('response.output_text.done', { ...at, text: said, logprobs: [] });
      send('response.content_part.done', { ...at, part: part(said) });
      send('response.output_item.done', { output_index: 0, item: item(said, 'completed') });
      send(end.cutShort ? 'response.incomplete' : 'response.completed', { response: completed(end, said) });
    } catch (error) {
      failed(isFault(error) ? error.message : 'unexpected error');
      if (!isFault(error)) throw error;
    } finally {
      sendEvent('[DONE]');
    }
  });
}

function part(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

/** The order of a request, or what is wrong with it. */
async function orderFrom(
  c: HttpContext,
  context: MethodContext,
  { model, input, instructions, previous_response_id, user }: Body,
): Promise<TurnOrder | string> {
  const agentId = agentNamed(c, model, context);
  if (!isAgent(context, agentId)) return `unknown agent "${agentId}"`;
  const items: readonly Said[] = typeof input === 'string' ? [{ role: 'user', content: input }] : input.flatMap((entry) => ('role' in entry ? [entry] : []));
  const asked = items.findLastIndex(({ role }) => role === 'user');
  const message = items[asked];
  if (!message) return 'input: there is no user message';
  const system = [...(instructions ? [instructions] : []), ...items.filter(({ role }) => role === 'system' || role === 'developer').map(textOf)];
  const before = items.slice(0, asked).filter(({ role }) => role === 'user' || role === 'assistant');
  let sessionKey = sessionNamed(c, agentId, 'openresponses', user ?? undefined);
  if (previous_response_id) {
    const previous = await context.store.call(getRun, { workspaceId: context.workspaceId, runKey: previous_response_id.replace(ID, '') });
    if (!previous?.sessionKey) return `previous_response_id: no response "${previous_response_id}"`;
    sessionKey = previous.sessionKey;
  }
  return {
    agentId,
    sessionKey,
    runKey: runKeyNamed(c),
    message:
      before.length === 0
        ? textOf(message)
        : `The conversation so far:\n${before.map((said) => `${said.role}: ${textOf(said)}`).join('\n')}\n\nNow:\n${textOf(message)}`,
    system: system.length === 0 ? undefined : system.join('\n\n'),
    images: typeof message.content === 'string' ? [] : message.content.flatMap((piece) => ('image_url' in piece ? [piece.image_url] : [])),
  };
}

interface Said {
  readonly role: string;
  readonly content: string | readonly z.infer<typeof Part>[];
}

function textOf({ content }: Pick<Said, 'content'>): string {
  if (typeof content === 'string') return content;
  return content.flatMap((piece) => ('text' in piece ? [piece.text] : [])).join('\n');
}
