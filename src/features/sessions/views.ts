// Sessions and messages in the shapes of the original's answers and files.

import type { Config } from '../../domain/config.ts';
import { sessionKind } from '../../domain/session.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import type { Entry } from '../../domain/transcript.ts';
import type { SessionTable } from '../../ports/tables.ts';

export function settingsOf({ settings }: Pick<SessionTable, 'settings'>): SessionSettings {
  return JSON.parse(settings) as SessionSettings; // written by chat/ops
}

/** A row of sessions.list. */
export function sessionRow(row: SessionTable, config: Config) {
  return { key: row.key, kind: sessionKind(row.key), ...sessionEntry(row, config) };
}

/** What sessions.json holds under a session's key. */
export function sessionEntry(row: SessionTable, config: Config) {
  const [modelProvider = '', ...model] = (row.last_model ?? '').split('/');
  const [providerOverride, ...modelOverride] = (row.model_override ?? '').split('/');
  return {
    ...(row.label !== null && { label: row.label }),
    chatType: sessionKind(row.key) === 'group' ? 'group' : 'direct',
    updatedAt: row.updated_at,
    sessionId: row.id,
    systemSent: row.last_seq > 0,
    abortedLastRun: row.aborted_last_run === 1,
    ...settingsOf(row),
    ...(row.spawned_by !== null && { spawnedBy: row.spawned_by }),
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    totalTokens: row.context_tokens,
    ...(row.last_model !== null && { modelProvider, model: model.join('/') }),
    ...(row.model_override !== null && { providerOverride, modelOverride: modelOverride.join('/') }),
    contextTokens: config.agents.defaults.contextTokens,
  };
}

const INJECTED_USAGE = { input: 0, output: 0, totalTokens: 0 };

/** Words of the gateway or of a client, as clients know them. */
export function injectedMessage(text: string, timestamp: number) {
  return { role: 'assistant', content: [{ type: 'text', text }], timestamp, stopReason: 'injected', usage: INJECTED_USAGE };
}

/** An entry in the shape that transcripts of the original have. */
export function toMessage({ body, at }: Entry): Readonly<Record<string, unknown>> {
  switch (body.kind) {
    case 'user':
      return { role: 'user', content: [{ type: 'text', text: body.text }], timestamp: at };
    case 'note':
      return injectedMessage(body.text, at);
    case 'compaction':
      return injectedMessage(
        `The older part of this conversation is summarised for the model from here on; it can still be read and searched.\n\n${body.text}`,
        at,
      );
    case 'tool_result':
      return {
        role: 'toolResult',
        toolCallId: body.callId,
        toolName: body.toolName,
        content: [{ type: 'text', text: body.text }],
        ...(body.details && { details: body.details }),
        isError: body.isError,
        timestamp: at,
      };
    case 'assistant':
      if (body.stopReason === 'injected') return injectedMessage(body.text, at);
      return {
        role: 'assistant',
        content: [
          ...(body.text === '' ? [] : [{ type: 'text', text: body.text }]),
          ...body.toolCalls.map(({ id, name, input }) => ({ type: 'toolCall', id, name, arguments: input })),
        ],
        provider: body.provider,
        model: body.model,
        usage: {
          input: body.usage.input,
          output: body.usage.output,
          cacheRead: body.usage.cacheRead,
          cacheWrite: body.usage.cacheWrite,
          totalTokens: body.usage.input + body.usage.output + body.usage.cacheRead + body.usage.cacheWrite,
          cost: { total: body.usage.cost },
        },
        stopReason: body.stopReason === 'tool_use' ? 'toolUse' : body.stopReason,
        timestamp: at,
      };
  }
}

/** The newest messages that fit the limit of one answer. */
export function withinBytes(messages: readonly Readonly<Record<string, unknown>>[], limit: number): readonly Readonly<Record<string, unknown>>[] {
  let bytes = 0;
  let first = messages.length;
  while (first > 0) {
    bytes += JSON.stringify(messages[first - 1]).length;
    if (bytes > limit) break;
    first -= 1;
  }
  return messages.slice(first);
}
