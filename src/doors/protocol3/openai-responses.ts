// POST /v1/responses: agents for programs that speak OpenAI's responses API.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import { getRun } from '../../features/runs/ops.ts';
import { newUuid } from '../../kit/id.ts';
import type { MethodContext } from '../../ports/method.ts';
import type { HttpApp, HttpContext, HttpWorld } from '../http-entry.ts';
import { addOpenaiPath, eventStream, ImageUrl, openaiError, orderFrom, type Said, type Turn, type TurnEnd, type TurnOrder } from './openai-turn.ts';

const Part = z.union([
  z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() }),
  z.object({ type: z.literal('input_image'), image_url: ImageUrl }),
]);
const Message = z.object({ type: z.literal('message').optional(), role: z.string(), content: z.union([z.string(), z.array(Part)]) });
const Item = z.union([Message, z.object({ type: z.literal('reasoning') })]);
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
  addOpenaiPath(app, world, { path: '/v1/responses', endpoint: 'responses', body: Body, order, answer });
}

async function order(c: HttpContext, context: MethodContext, { model, input, instructions, previous_response_id, user, tools }: Body): Promise<TurnOrder> {
  if (tools?.some(({ type }) => type === 'function'))
    throw fault('request.refused', { reason: 'tools: function tools of the client are not supported; agents use the tools of the gateway' });
  const said = typeof input === 'string' ? [{ role: 'user', text: input, images: [] }] : input.flatMap((item) => ('role' in item ? [saidIn(item)] : []));
  const asked = orderFrom(c, context, { model, said, door: 'openresponses', user: user ?? undefined, instructions: instructions ?? undefined });
  if (!previous_response_id) return asked;
  const previous = await context.store.call(getRun, { workspaceId: context.workspaceId, runKey: previous_response_id.replace(ID, '') });
  if (!previous?.sessionKey) throw fault('request.refused', { reason: `previous_response_id: no response "${previous_response_id}"` });
  return { ...asked, sessionKey: previous.sessionKey };
}

async function answer(c: HttpContext, turn: Turn, { model, stream, previous_response_id }: Body, { runKey, askedAt }: TurnOrder): Promise<Response> {
  const response = (status: string, more: object = {}) => ({
    id: `${ID}${runKey}`,
    object: 'response',
    created_at: Math.floor(askedAt / 1000),
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
    const end = await turn();
    return end.ok ? c.json(completed(end, end.text)) : openaiError(c, end.status, end.message);
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
    const end = await turn((delta) => {
      said += delta;
      send('response.output_text.delta', { ...at, delta, logprobs: [] });
    });
    if (end.ok) {
      send('response.output_text.done', { ...at, text: said, logprobs: [] });
      send('response.content_part.done', { ...at, part: part(said) });
      send('response.output_item.done', { output_index: 0, item: item(said, 'completed') });
      send(end.cutShort ? 'response.incomplete' : 'response.completed', { response: completed(end, said) });
    } else send('response.failed', { response: response('failed', { error: { code: 'server_error', message: end.message } }) });
    sendEvent('[DONE]');
  });
}

function part(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

/** The order of a request, or what is wrong with it. */
function saidIn({ role, content }: z.infer<typeof Message>): Said {
  const parts = typeof content === 'string' ? [{ text: content }] : content;
  return {
    role,
    text: parts.flatMap((part) => ('text' in part ? [part.text] : [])).join('\n'),
    images: parts.flatMap((part) => ('image_url' in part ? [part.image_url] : [])),
  };
}
