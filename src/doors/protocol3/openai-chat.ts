// POST /v1/chat/completions and GET /v1/models: agents for programs that speak OpenAI's chat API.

import { z } from 'zod';
import { agentIds } from '../../domain/config.ts';
import { newUuid } from '../../kit/id.ts';
import { forTokenHolder, type HttpApp, type HttpContext, type HttpWorld, openaiRefusal } from '../http-entry.ts';
import { addOpenaiPath, eventStream, ImageUrl, openaiError, orderFrom, type Said, type Turn, type TurnOrder, type Usage } from './openai-turn.ts';

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

export function addChatCompletions(app: HttpApp, world: HttpWorld): void {
  app.get('/v1/models', (c: HttpContext) =>
    forTokenHolder(c, world, openaiRefusal, (principal) => {
      const { config } = world.contextFor(principal).gateway.config();
      return c.json({ object: 'list', data: agentIds(config).map((id) => ({ id: `clawdbot:${id}`, object: 'model', created: 0, owned_by: 'clawdbot' })) });
    }),
  );
  addOpenaiPath(app, world, {
    path: '/v1/chat/completions',
    endpoint: 'chatCompletions',
    body: Body,
    order: (c, context, { model, messages, user }) => orderFrom(c, context, { model, door: 'openai', user: user ?? undefined, said: messages.map(saidIn) }),
    answer,
  });
}

async function answer(c: HttpContext, turn: Turn, { model, stream, stream_options }: Body, { askedAt }: TurnOrder): Promise<Response> {
  const base = { id: `chatcmpl_${newUuid()}`, created: Math.floor(askedAt / 1000), model };
  if (!stream) {
    const end = await turn();
    if (!end.ok) return openaiError(c, end.status, end.message);
    const choice = { index: 0, message: { role: 'assistant', content: end.text }, finish_reason: end.cutShort ? 'length' : 'stop' };
    return c.json({ ...base, object: 'chat.completion', choices: [choice], usage: toUsage(end.usage) });
  }
  return eventStream(c, async (send) => {
    const chunk = (delta: unknown, finish: string | null, more: object = {}) =>
      send({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }], ...more });
    chunk({ role: 'assistant', content: '' }, null);
    const end = await turn((piece) => chunk({ content: piece }, null));
    if (end.ok) {
      chunk({}, end.cutShort ? 'length' : 'stop');
      if (stream_options?.include_usage) send({ ...base, object: 'chat.completion.chunk', choices: [], usage: toUsage(end.usage) });
    } else send({ error: { message: end.message, type: 'api_error', code: end.status } });
    send('[DONE]');
  });
}

function saidIn({ role, content }: z.infer<typeof Message>): Said {
  const parts = typeof content === 'string' ? [{ text: content }] : (content ?? []);
  return {
    role,
    text: parts.flatMap((part) => ('text' in part ? [part.text] : [])).join('\n'),
    images: parts.flatMap((part) => ('image_url' in part ? [part.image_url.url] : [])),
  };
}

function toUsage({ input, output }: Usage) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
