// The chat completions API as the simulator speaks it, for OpenAI-compatible clients.

import { z } from 'zod';
import type { Conversation, Play } from './scenario.ts';

const Message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() })), z.null()]).optional(),
  tool_calls: z.array(z.looseObject({ id: z.string(), function: z.looseObject({ name: z.string(), arguments: z.string() }) })).optional(),
  tool_call_id: z.string().optional(),
});
export const ChatRequest = z.looseObject({ model: z.string().min(1), stream: z.boolean().optional(), messages: z.array(Message).min(1) });
type ChatRequest = z.infer<typeof ChatRequest>;

const textOf = (content: ChatRequest['messages'][number]['content']) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('');

/** Every tool call must be answered by tool messages right after it. */
export function problemInChat({ messages }: ChatRequest): string | undefined {
  let open: string[] = [];
  for (const [i, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!open.includes(message.tool_call_id ?? '')) return `messages[${i}]: a tool message must answer a preceding tool call`;
      open = open.filter((id) => id !== message.tool_call_id);
    } else {
      if (open.length > 0) return `messages[${i}]: tool calls without an answer: ${open.join(', ')}`;
      open = (message.tool_calls ?? []).map(({ id }) => id);
    }
  }
  return open.length > 0 ? `tool calls without an answer: ${open.join(', ')}` : undefined;
}

export function readChat({ model, messages }: ChatRequest, bodyLength: number): Conversation {
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  const names = new Map(messages.flatMap(({ tool_calls }) => (tool_calls ?? []).map((call) => [call.id, call.function.name] as const)));
  const lastAssistant = messages.findLastIndex(({ role }) => role === 'assistant');
  return {
    model,
    user: textOf(messages[lastUser]?.content),
    step: messages.slice(lastUser + 1).filter(({ role }) => role === 'assistant').length,
    results: messages
      .slice(lastAssistant + 1)
      .flatMap(({ role, tool_call_id, content }) => (role === 'tool' ? [{ tool: names.get(tool_call_id ?? '') ?? '', text: textOf(content) }] : [])),
    inputTokens: Math.ceil(bodyLength / 4),
  };
}

export function* chatStream(play: Play, { model, inputTokens }: Conversation, id: string): Generator<string> {
  const chunk = (delta: unknown, finish: string | null = null) =>
    data({ id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created: 0, model, choices: [{ index: 0, delta, finish_reason: finish }] });
  yield chunk({ role: 'assistant', content: '' });
  for (let at = 0; at < play.text.length; at += play.stream.chunk) yield chunk({ content: play.text.slice(at, at + play.stream.chunk) });
  for (const [index, { name, input }] of play.tools.entries()) {
    yield chunk({ tool_calls: [{ index, id: `call_${id}_${index}`, type: 'function', function: { name, arguments: '' } }] });
    yield chunk({ tool_calls: [{ index, function: { arguments: JSON.stringify(input) } }] });
  }
  yield chunk({}, play.tools.length > 0 ? 'tool_calls' : 'stop');
  const completion = Math.ceil(play.text.length / 4);
  yield data({
    id: `chatcmpl-${id}`,
    object: 'chat.completion.chunk',
    created: 0,
    model,
    choices: [],
    usage: { prompt_tokens: inputTokens, completion_tokens: completion, total_tokens: inputTokens + completion },
  });
  yield 'data: [DONE]\n\n';
}

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
