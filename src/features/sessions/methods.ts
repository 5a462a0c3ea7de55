// What can be asked about sessions.

import { z } from 'zod';
import { agentIds, type Config, defaultAgentId } from '../../domain/config.ts';
import { modelChain } from '../../domain/model.ts';
import { canonicalSessionKey, sessionKind } from '../../domain/session.ts';
import type { Entry } from '../../domain/transcript.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import type { Store } from '../../ports/store.ts';
import { listSessions, readLatestEntries } from './ops.ts';

const MAX_HISTORY_BYTES = 6 * 1024 * 1024;
const MINUTE_MS = 60_000;

export const sessionsList = method({
  name: 'sessions.list',
  scope: 'operator.read',
  about: 'Sessions, the latest first.',
  input: z.strictObject({
    limit: z.int().min(1).max(1000).optional(),
    activeMinutes: z.int().min(1).optional().describe('Only sessions active within this many minutes.'),
    includeGlobal: z.boolean().optional(),
    includeUnknown: z.boolean().optional(),
    includeDerivedTitles: z.boolean().optional(),
    includeLastMessage: z.boolean().optional(),
    label: z.string().optional(),
    spawnedBy: z.string().optional(),
    agentId: z.string().optional(),
    search: z.string().optional(),
  }),
  output: z.record(z.string(), z.unknown()),
  run: ({ store, workspaceId, gateway, clock }, input) =>
    answerSessions({ store, workspaceId, config: gateway.config().config, stateDir: gateway.stateDir, now: clock.now() }, input),
});

interface SessionsWorld {
  readonly store: Store;
  readonly workspaceId: string;
  readonly config: Config;
  readonly stateDir: string;
  readonly now: number;
}

interface SessionsQuery {
  readonly limit?: number | undefined;
  readonly activeMinutes?: number | undefined;
  readonly agentId?: string | undefined;
  readonly label?: string | undefined;
  readonly search?: string | undefined;
}

/** The answer of sessions.list; the command line gives it from the file when no gateway runs. */
export async function answerSessions(
  { store, workspaceId, config, stateDir, now }: SessionsWorld,
  { limit = 200, activeMinutes, agentId, label, search }: SessionsQuery,
) {
  const since = activeMinutes === undefined ? 0 : now - activeMinutes * MINUTE_MS;
  const { rows } = await store.call(listSessions, { workspaceId, since, limit });
  const shown = rows.filter(
    (row) =>
      (agentId === undefined || row.agent_id === agentId) && (label === undefined || row.label === label) && (search === undefined || row.key.includes(search)),
  );
  const primary = modelChain(config, defaultAgentId(config), null)[0];
  const { contextTokens } = config.agents.defaults;
  return {
    ts: now,
    path: agentIds(config).length > 1 ? '(multiple)' : `${stateDir}/agents/${defaultAgentId(config)}/sessions/sessions.json`,
    count: shown.length,
    defaults: { modelProvider: primary?.provider ?? '', model: primary?.model ?? '', contextTokens },
    sessions: shown.map((row) => {
      const [modelProvider = '', ...model] = (row.last_model ?? '').split('/');
      return {
        key: row.key,
        kind: sessionKind(row.key),
        ...(row.label !== null && { label: row.label }),
        chatType: 'direct',
        updatedAt: row.updated_at,
        sessionId: row.incarnation,
        systemSent: row.last_seq > 0,
        abortedLastRun: row.aborted_last_run === 1,
        inputTokens: row.input_tokens,
        outputTokens: row.output_tokens,
        totalTokens: row.context_tokens,
        ...(row.last_model !== null && { modelProvider, model: model.join('/') }),
        contextTokens,
      };
    }),
  };
}

export const chatHistory = method({
  name: 'chat.history',
  scope: 'operator.read',
  about: 'The latest messages of a session, oldest first.',
  input: z.strictObject({ sessionKey: z.string().min(1), limit: z.int().min(1).max(1000).optional() }),
  output: z.record(z.string(), z.unknown()),
  run: (context, { sessionKey, limit = 200 }) => answerHistory(context, { written: sessionKey, key: resolveKey(context, sessionKey), limit }),
});

/** The answer of chat.history, also without a gateway. */
export async function answerHistory(
  { store, workspaceId }: Pick<SessionsWorld, 'store' | 'workspaceId'>,
  { written, key, limit }: { written: string; key: string; limit: number },
) {
  const { session, entries } = await store.call(readLatestEntries, { workspaceId, key, limit });
  return { sessionKey: written, ...(session && { sessionId: session.incarnation }), messages: withinBytes(entries.map(toMessage)), thinkingLevel: 'off' };
}

/** The canonical key of what a client wrote. @throws Fault `session.key_invalid` */
export function resolveKey({ gateway }: Pick<MethodContext, 'gateway'>, sessionKey: string, agentId?: string): string {
  const { config } = gateway.config();
  return canonicalSessionKey(sessionKey, { defaultAgentId: agentId ?? defaultAgentId(config), mainKey: config.session.mainKey });
}

/** An entry in the shape that transcripts of the original have. */
function toMessage({ body, at }: Entry): Record<string, unknown> {
  switch (body.kind) {
    case 'user':
      return { role: 'user', content: [{ type: 'text', text: body.text }], timestamp: at };
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
function withinBytes(messages: readonly Record<string, unknown>[]): readonly Record<string, unknown>[] {
  let bytes = 0;
  let first = messages.length;
  while (first > 0) {
    bytes += JSON.stringify(messages[first - 1]).length;
    if (bytes > MAX_HISTORY_BYTES) break;
    first -= 1;
  }
  return messages.slice(first);
}
