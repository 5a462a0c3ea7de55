// POST /v1/chat/completions and GET /v1/models: agents for programs that speak OpenAI's chat API.

import { z } from 'zod';
import { agentIds } from '../../domain/config.ts';
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
  type TurnOrder,
  takeOrder,
  type Usage,
} from './openai-turn.ts';

const Part = z.union([
  z.object({ type: z.enum(['text', 'input_text', 'output_text']), text: z.string() }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: ImageUrl }) }),
]);
const Message = z.object({
  role: z.string(),
  content: z
    .union([z.string(), z.array(Part)])
    .nullable()
    .optional(),
});
const Body = z.looseObject({
  model: z.string().default('clawdbot'),
  messages: z.array(Message).min(1).max(10_000),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  user: z.string().max(200).nullish(),
});
type Body = z.infer<typeof Body>;
type Message = z.infer<typeof Message>;

export function addChatCompletions(app: HttpApp, world: HttpWorld): void {
  app.get('/v1/models', (c: HttpContext) =>
    forTokenHolder(c, world, openaiRefusal, (principal) => {
      const { config } = world.contextFor(principal).gateway.config();
      return c.json({ object: 'list', data: agentIds(config).map((id) => ({ id: `clawdbot:${id}`, object: 'model', created: 0, owned_by: 'clawdbot' })) });
    }),
  );
  app.all('/v1/chat/completions', async (c: HttpContext) => {
    if (c.req.method !== 'POST') return c.text('Method Not Allowed', 405, { allow: 'POST' });
    return forTokenHolder(c, world, openaiRefusal, async (principal) => {
      const context = world.contextFor(principal);
      if (!context.gateway.config().config.gateway.http.endpoints.chatCompletions.enabled) return c.text('Not Found', 404);
      const body = await readJson(c);
      if (!body.ok) return openaiError(c, 400, body.problem);
      const parsed = Body.safeParse(body.value);
      if (!parsed.success) return openaiError(c, 400, firstProblem(parsed.error));
      const order = orderFrom(c, context, parsed.data);
      if (typeof order === 'string') return openaiError(c, 400, order);
      return answer(c, world, context, parsed.data, order);
    });
  });
}

async function answer(c: HttpContext, world: HttpWorld, context: MethodContext, { model, stream, stream_options }: Body, order: TurnOrder): Promise<Response> {
  const base = { id: `chatcmpl_${newUuid()}`, created: Math.floor(context.clock.now() / 1000), model };
  const turn = (onText: (piece: string) => void) => takeOrder(world, context, order, onText);
  if (!stream) {
    try {
      const end = await turn(() => undefined);
      if (!end.ok) return openaiError(c, end.status, end.message);
      const choice = { index: 0, message: { role: 'assistant', content: end.text }, finish_reason: end.cutShort ? 'length' : 'stop' };
      return c.json({ ...base, object: 'chat.completion', choices: [choice], usage: toUsage(end.usage) });
    } catch (error) {
      if (!isFault(error)) throw error;
      return openaiFault(c, error);
    }
  }
  return eventStream(c, async (send) => {
    const chunk = (delta: unknown, finish: string | null, more: object = {}) =>
      send({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }], ...more });
    chunk({ role: 'assistant', content: '' }, null);
    try {
      const end = await turn((piece) => chunk({ content: piece }, null));
      if (end.ok) {
        chunk({}, end.cutShort ? 'length' : 'stop');
        if (stream_options?.include_usage) send({ ...base, object: 'chat.completion.chunk', choices: [], usage: toUsage(end.usage) });
      } else send({ error: { message: end.message, type: 'api_error', code: end.status } });
    } catch (error) {
      send({ error: { message: isFault(error) ? error.message : 'unexpected error', type: 'api_error' } });
      if (!isFault(error)) throw error;
    } finally {
      send('[DONE]');
    }
  });
}

/** The order of a request, or what is wrong with it. */
function orderFrom(c: HttpContext, context: MethodContext, { model, messages, user }: Body): TurnOrder | string {
  const agentId = agentNamed(c, model, context);
  if (!isAgent(context, agentId)) return `unknown agent "${agentId}"`;
  const asked = messages.findLastIndex(({ role }) => role === 'user');
  const message = messages[asked];
  if (!message || (textOf(message) === '' && imagesOf(message).length === 0)) return 'Missing user message in `messages`.';
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(textOf);
  const earlier = messages.slice(0, asked).filter(({ role }) => role === 'user' || role === 'assistant' || role === 'tool');
  const before = earlier.map((said) => `${said.role}: ${textOf(said)}`).filter((line) => !line.endsWith(': '));
  return {
    agentId,
    sessionKey: sessionNamed(c, agentId, 'openai', user ?? undefined),
    runKey: runKeyNamed(c),
    message: before.length === 0 ? textOf(message) : `The conversation so far:\n${before.join('\n')}\n\nNow:\n${textOf(message)}`,
    system: system.length === 0 ? undefined : system.join('\n\n'),
    images: imagesOf(message),
  };
}

function textOf({ content }: Message): string {
  if (typeof content === 'string') return content;
  return (content ?? []).flatMap((part) => ('text' in part ? [part.text] : [])).join('\n');
}

function imagesOf({ content }: Message) {
  return Array.isArray(content) ? content.flatMap((part) => ('image_url' in part ? [part.image_url.url] : [])) : [];
}

function toUsage({ input, output }: Usage) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
