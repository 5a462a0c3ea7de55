// The Messages API as the simulator speaks it: what it accepts, what it refuses, what it streams.

import { z } from 'zod';
import type { Conversation, Play } from './scenario.ts';

const Block = z.union([
  z.looseObject({ type: z.literal('text'), text: z.string().min(1) }),
  z.looseObject({ type: z.literal('image'), source: z.unknown() }),
  z.looseObject({ type: z.literal('tool_use'), id: z.string().min(1), name: z.string().min(1), input: z.record(z.string(), z.unknown()) }),
  z.looseObject({ type: z.literal('tool_result'), tool_use_id: z.string().min(1), content: z.union([z.string(), z.array(z.unknown())]).optional() }),
]);
const Message = z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content: z.union([z.string().min(1), z.array(Block).min(1)]) });
export const MessagesRequest = z.looseObject({
  model: z.string().min(1),
  max_tokens: z.int().min(1),
  stream: z.boolean().optional(),
  /** Notes of the system between the turns are read over: they are said to nobody. */
  messages: z
    .array(Message)
    .min(1)
    .transform((messages) => messages.filter(({ role }) => role !== 'system')),
});
type MessagesRequest = z.infer<typeof MessagesRequest>;

const blocksOf = (content: MessagesRequest['messages'][number]['content']) =>
  typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;

/** The rule of the real API that the request breaks, or undefined: pairing of calls and results first of all. */
export function problemIn({ messages }: MessagesRequest): string | undefined {
  if (messages[0]?.role !== 'user') return 'messages: first message must use the "user" role';
  for (const [i, message] of messages.entries()) {
    const calls = blocksOf(message.content).flatMap((block) => (block.type === 'tool_use' ? [block.id] : []));
    const next = messages[i + 1];
    const answered = next ? blocksOf(next.content).flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : [])) : [];
    if (message.role === 'assistant' && calls.some((id) => !answered.includes(id))) {
      return `messages.${i}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after`;
    }
    if (new Set(calls).size !== calls.length) return `messages.${i}: \`tool_use\` ids must be unique`;
    const previous = i > 0 ? messages[i - 1] : undefined;
    if (previous?.role === message.role) return `messages.${i}: roles must alternate between "user" and "assistant"`;
    const open = previous ? blocksOf(previous.content).flatMap((block) => (block.type === 'tool_use' ? [block.id] : [])) : [];
    for (const block of blocksOf(message.content)) {
      if (block.type === 'tool_result' && !open.includes(block.tool_use_id)) return `messages.${i}: unexpected \`tool_use_id\` in \`tool_result\` blocks`;
    }
  }
  return undefined;
}

/** What an agent program tells its model beside the user's words. */
const REMINDER = /^\s*<system-reminder>[\s\S]*<\/system-reminder>\s*$/;

export function readConversation({ model, messages }: MessagesRequest, bodyLength: number): Conversation {
  let step = 0;
  let user = '';
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i];
    if (!message) break;
    if (message.role === 'assistant') step += 1;
    else {
      const texts = blocksOf(message.content).flatMap((block) => (block.type === 'text' && !REMINDER.test(block.text) ? [block.text] : []));
      if (texts.length > 0) {
        user = texts.join('\n');
        break;
      }
    }
  }
  const names = new Map(
    messages.flatMap(({ content }) => blocksOf(content).flatMap((block) => (block.type === 'tool_use' ? [[block.id, block.name] as const] : []))),
  );
  const results = blocksOf(messages.at(-1)?.content ?? []).flatMap((block) =>
    block.type === 'tool_result' ? [{ tool: names.get(block.tool_use_id) ?? '', text: textOf(block.content) }] : [],
  );
  return { model, user, step, results, inputTokens: Math.ceil(bodyLength / 4) };
}

export function cacheMarksOf({ messages }: MessagesRequest): readonly number[] {
  return messages.flatMap(({ content }, i) => (blocksOf(content).some((block) => 'cache_control' in block) ? [i] : []));
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  const parts = Array.isArray(content) ? (content as { text?: unknown }[]) : []; // blocks of a tool result
  return parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}

/** The events of one reply, in order, each a chunk of the stream. */
export function* messagesStream(play: Play, { model, inputTokens }: Conversation, id: string): Generator<string> {
  const outputTokens = Math.ceil((play.text.length + JSON.stringify(play.tools).length) / 4);
  yield sse('message_start', {
    message: {
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: inputTokens, output_tokens: 1, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
    },
  });
  let index = 0;
  if (play.text !== '') {
    yield sse('content_block_start', { index, content_block: { type: 'text', text: '' } });
    for (let at = 0; at < play.text.length; at += play.stream.chunk) {
      yield sse('content_block_delta', { index, delta: { type: 'text_delta', text: play.text.slice(at, at + play.stream.chunk) } });
    }
    yield sse('content_block_stop', { index });
    index += 1;
  }
  for (const { name, input } of play.tools) {
    yield sse('content_block_start', { index, content_block: { type: 'tool_use', id: `toolu_${id}_${index}`, name, input: {} } });
    yield sse('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) } });
    yield sse('content_block_stop', { index });
    index += 1;
  }
  yield sse('message_delta', {
    delta: { stop_reason: play.tools.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null },
    usage: { output_tokens: outputTokens },
  });
  yield sse('message_stop', {});
}

function sse(type: string, data: Readonly<Record<string, unknown>>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}
