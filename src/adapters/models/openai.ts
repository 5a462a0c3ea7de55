// OpenAI-compatible providers (OpenAI, Ollama, vLLM, OpenRouter by baseUrl) through the official SDK.

import OpenAI from 'openai';
import { fault } from '../../domain/fault-codes.ts';
import type { ModelClient, ModelEndpoint, ModelMessage, ModelRequest } from '../../ports/model.ts';
import { fetchWithIdleLimit, modelFault } from './stream-guard.ts';
import { parseInput } from './tool-input.ts';

type Message = OpenAI.Chat.Completions.ChatCompletionMessageParam;

export function createOpenai({ baseUrl, headers, credential, idleMs }: ModelEndpoint): ModelClient {
  const client = new OpenAI({
    ...(baseUrl !== undefined && { baseURL: baseUrl }),
    apiKey: credential.secret,
    defaultHeaders: headers,
    fetch: fetchWithIdleLimit(idleMs),
    maxRetries: 0,
  });
  return {
    call: async (request, { signal, onText }) => {
      const texts: string[] = [];
      const calls: { id: string; name: string; json: string }[] = [];
      const usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
      let finish: string | null = null;
      try {
        const stream = await client.chat.completions.create(toChatRequest(request), { signal });
        for await (const chunk of stream) {
          const choice = chunk.choices[0];
          if (choice?.delta.content) {
            texts.push(choice.delta.content);
            onText(choice.delta.content);
          }
          for (const piece of choice?.delta.tool_calls ?? []) {
            calls[piece.index] ??= { id: piece.id ?? `call_${piece.index}`, name: '', json: '' };
            const call = calls[piece.index];
            if (!call) continue;
            if (piece.id) call.id = piece.id;
            call.name += piece.function?.name ?? '';
            call.json += piece.function?.arguments ?? '';
          }
          finish = choice?.finish_reason ?? finish;
          if (chunk.usage) {
            usage.cacheRead = chunk.usage.prompt_tokens_details?.cached_tokens ?? 0;
            usage.input = chunk.usage.prompt_tokens - usage.cacheRead;
            usage.output = chunk.usage.completion_tokens;
          }
        }
      } catch (error) {
        throw modelFault(error, idleMs);
      }
      if (finish === null) throw fault('model.network', { reason: 'the stream ended before the message did' });
      const toolCalls = calls.filter(Boolean).map(({ id, name, json }) => ({ id, name, input: parseInput(json) }));
      return { text: texts.join(''), toolCalls, stopReason: toolCalls.length > 0 ? 'tool_use' : finish === 'length' ? 'length' : 'stop', usage };
    },
  };
}

function toChatRequest({ model, system, tools, messages, maxOutputTokens }: ModelRequest) {
  return {
    model,
    max_completion_tokens: maxOutputTokens,
    stream: true as const,
    stream_options: { include_usage: true },
    messages: [{ role: 'system', content: system } as Message, ...messages.flatMap(toMessages)],
    ...(tools.length > 0 && {
      tools: tools.map(({ name, about, schema }) => ({ type: 'function' as const, function: { name, description: about, parameters: { ...schema } } })),
    }),
  };
}

/** One message of ours is several of theirs: tool results are messages of their own. */
function toMessages({ role, parts }: ModelMessage): Message[] {
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  if (role === 'assistant') {
    const calls = parts.flatMap((part) =>
      part.type === 'tool_call'
        ? [{ id: part.call.id, type: 'function' as const, function: { name: part.call.name, arguments: JSON.stringify(part.call.input) } }]
        : [],
    );
    return [{ role: 'assistant', content: text, ...(calls.length > 0 && { tool_calls: calls }) }];
  }
  const results: Message[] = parts.flatMap((part) =>
    part.type === 'tool_result' ? [{ role: 'tool' as const, tool_call_id: part.callId, content: part.text }] : [],
  );
  const images = parts.flatMap((part) =>
    part.type === 'image' ? [{ type: 'image_url' as const, image_url: { url: `data:${part.mimeType};base64,${part.data}` } }] : [],
  );
  if (images.length > 0) return [...results, { role: 'user', content: [{ type: 'text', text }, ...images] }];
  return text === '' ? results : [...results, { role: 'user', content: text }];
}
