// Claude through the official SDK, one streamed Messages call at a time.

import Anthropic from '@anthropic-ai/sdk';
import { fault } from '../../domain/fault-codes.ts';
import type { ToolCall } from '../../domain/transcript.ts';
import type { ModelClient, ModelEndpoint, ModelMessage, ModelPart, ModelReply, ModelRequest } from '../../ports/model.ts';
import { fetchWithIdleLimit, modelFault } from './stream-guard.ts';
import { parseInput } from './tool-input.ts';

const CACHE = { type: 'ephemeral' } as const;

export function createAnthropic({ baseUrl, headers, credential, idleMs }: ModelEndpoint): ModelClient {
  const client = new Anthropic({
    ...(baseUrl !== undefined && { baseURL: baseUrl }),
    ...(credential.kind === 'token' ? { authToken: credential.secret, apiKey: null } : { apiKey: credential.secret }),
    defaultHeaders: { ...(credential.kind === 'token' && { 'anthropic-beta': 'oauth-2025-04-20' }), ...headers },
    fetch: fetchWithIdleLimit(idleMs),
    maxRetries: 0,
  });
  return {
    call: async (request, { signal, onText }) => {
      const texts: string[] = [];
      const calls: { id: string; name: string; json: string }[] = [];
      const usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
      let stop: string | null = null;
      let ended = false;
      try {
        const stream = await client.messages.create(toMessagesRequest(request), { signal });
        let openCall: { id: string; name: string; json: string } | undefined;
        for await (const event of stream) {
          if (event.type === 'content_block_start') {
            openCall = undefined;
            if (event.content_block.type === 'tool_use') {
              openCall = { id: event.content_block.id, name: event.content_block.name, json: '' };
              calls.push(openCall);
            }
          } else if (event.type === 'content_block_delta') {
            if (event.delta.type === 'text_delta') {
              texts.push(event.delta.text);
              onText(event.delta.text);
            } else if (event.delta.type === 'input_json_delta' && openCall) openCall.json += event.delta.partial_json;
          } else if (event.type === 'message_start') {
            usage.input = event.message.usage.input_tokens;
            usage.cacheRead = event.message.usage.cache_read_input_tokens ?? 0;
            usage.cacheWrite = event.message.usage.cache_creation_input_tokens ?? 0;
          } else if (event.type === 'message_delta') {
            stop = event.delta.stop_reason;
            usage.output = event.usage.output_tokens;
          } else if (event.type === 'message_stop') ended = true;
        }
      } catch (error) {
        throw modelFault(error, idleMs);
      }
      if (!ended) throw fault('model.network', { reason: 'the stream ended before the message did' });
      return { text: texts.join(''), toolCalls: calls.map(toToolCall), stopReason: toStopReason(stop, calls.length), usage };
    },
  };
}

function toMessagesRequest({ model, system, tools, messages, maxOutputTokens }: ModelRequest) {
  const lastTwoUsers = messages
    .map(({ role }, i) => (role === 'user' ? i : -1))
    .filter((i) => i >= 0)
    .slice(-2);
  return {
    model,
    max_tokens: maxOutputTokens,
    stream: true as const,
    system: [{ type: 'text' as const, text: system, cache_control: CACHE }],
    tools: tools.map(({ name, about, schema }) => ({ name, description: about, input_schema: schema as Anthropic.Tool.InputSchema })), // our schemas are JSON Schema objects
    // The marks stand at the end of the newest two user messages: the earlier one is where the last request ended.
    messages: messages.map((message, i) => toMessage(message, lastTwoUsers.includes(i))),
  };
}

function toMessage({ role, parts }: ModelMessage, cached: boolean): Anthropic.MessageParam {
  const content = parts.map(toBlock);
  const last = content.at(-1);
  if (cached && last && last.type !== 'thinking' && last.type !== 'redacted_thinking')
    content[content.length - 1] = { ...last, cache_control: CACHE } as typeof last; // the same block, marked
  return { role, content };
}

function toBlock(part: ModelPart): Anthropic.ContentBlockParam {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image':
      return { type: 'image', source: { type: 'base64', media_type: part.mimeType as 'image/png', data: part.data } }; // the provider refuses other media types itself
    case 'tool_call':
      return { type: 'tool_use', id: part.call.id, name: part.call.name, input: part.call.input };
    case 'tool_result':
      return { type: 'tool_result', tool_use_id: part.callId, content: part.text, is_error: part.isError };
  }
}

function toToolCall({ id, name, json }: { id: string; name: string; json: string }): ToolCall {
  return { id, name, input: parseInput(json) };
}

function toStopReason(stop: string | null, calls: number): ModelReply['stopReason'] {
  if (calls > 0) return 'tool_use';
  return stop === 'max_tokens' ? 'length' : 'stop';
}
