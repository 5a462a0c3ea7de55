// What can be asked about sessions. Reading changes nothing.

import { z } from 'zod';
import { agentIds, type Config, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { modelChain } from '../../domain/model.ts';
import { canonicalSessionKey } from '../../domain/session.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import type { Store } from '../../ports/store.ts';
import type { SessionTable } from '../../ports/tables.ts';
import { getSession, getSessionById, listSessions, readLatestEntries, type SessionGist, sessionGist } from './ops.ts';
import { sessionRow, settingsOf, toMessage, withinBytes } from './views.ts';

const MAX_HISTORY_BYTES = 6 * 1024 * 1024;
const MINUTE_MS = 60_000;
const TITLE_CHARS = 60;
const Payload = z.record(z.string(), z.unknown());

const ListInput = z.strictObject({
  limit: z.int().min(1).max(1000).optional(),
  activeMinutes: z.int().min(1).optional().describe('Only sessions active within this many minutes.'),
  includeGlobal: z.boolean().optional(),
  includeUnknown: z.boolean().optional(),
  includeDerivedTitles: z.boolean().optional().describe('Add a title made of the first message.'),
  includeLastMessage: z.boolean().optional().describe('Add the beginning of the last message.'),
  label: z.string().optional(),
  spawnedBy: z.string().optional(),
  agentId: z.string().optional(),
  search: z.string().max(200).optional().describe('Part of a key, label or id.'),
});

export const sessionsList = method({
  name: 'sessions.list',
  scope: 'operator.read',
  about: 'Sessions, the latest first.',
  input: ListInput,
  output: Payload,
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

/** The answer of sessions.list; the command line gives it from the file when no gateway runs. */
export async function answerSessions(
  { store, workspaceId, config, stateDir, now }: SessionsWorld,
  { limit = 200, activeMinutes, includeDerivedTitles, includeLastMessage, agentId, label, spawnedBy, search }: z.infer<typeof ListInput>,
) {
  const since = activeMinutes === undefined ? 0 : now - activeMinutes * MINUTE_MS;
  const filter = { agentId: agentId ?? null, label: label ?? null, spawnedBy: spawnedBy ?? null, search: search ?? null };
  const { rows } = await store.call(listSessions, { workspaceId, since, limit, filter });
  const gists = includeDerivedTitles || includeLastMessage ? await store.call(sessionGist, { ids: rows.map(({ id }) => id) }) : [];
  const primary = modelChain(config, defaultAgentId(config), null)[0];
  return {
    ts: now,
    path: agentIds(config).length > 1 ? '(multiple)' : `${stateDir}/agents/${defaultAgentId(config)}/sessions/sessions.json`,
    count: rows.length,
    defaults: { modelProvider: primary?.provider ?? '', model: primary?.model ?? '', contextTokens: config.agents.defaults.contextTokens },
    sessions: rows.map((row, i) => ({ ...sessionRow(row, config), ...gistOf(gists[i], { includeDerivedTitles, includeLastMessage }) })),
  };
}

function gistOf(gist: SessionGist | undefined, wanted: Pick<z.infer<typeof ListInput>, 'includeDerivedTitles' | 'includeLastMessage'>) {
  return {
    ...(wanted.includeDerivedTitles && gist?.first != null && { derivedTitle: oneLine(gist.first, TITLE_CHARS) }),
    ...(wanted.includeLastMessage && gist?.last != null && { lastMessagePreview: oneLine(gist.last, 120) }),
  };
}

function oneLine(text: string, max: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > max ? `${line.slice(0, max - 1)}…` : line;
}

export const sessionsPreview = method({
  name: 'sessions.preview',
  scope: 'operator.read',
  about: 'The last lines of several sessions.',
  input: z.strictObject({
    keys: z.array(z.string().min(1)).min(1).max(64),
    limit: z.int().min(1).max(100).optional(),
    maxChars: z.int().min(20).max(2000).optional(),
  }),
  output: Payload,
  run: async (context, { keys, limit = 12, maxChars = 240 }) => ({
    ts: context.clock.now(),
    previews: await Promise.all(keys.map((key) => previewOf(context, key, limit, maxChars))),
  }),
});

async function previewOf(context: MethodContext, written: string, limit: number, maxChars: number) {
  const key = resolveKey(context, written);
  const { session, entries } = await context.store.call(readLatestEntries, { workspaceId: context.workspaceId, key, limit: limit * 2 });
  if (!session) return { key: written, status: 'missing', items: [] };
  const items = entries.flatMap(({ body }) => {
    const text = body.text.replace(/\s+/g, ' ').trim().slice(0, maxChars);
    if (text === '') return [];
    return [{ role: body.kind === 'tool_result' ? 'tool' : body.kind === 'note' ? 'assistant' : body.kind, text }];
  });
  return { key: written, status: items.length === 0 ? 'empty' : 'ok', items: items.slice(-limit) };
}

export const sessionsResolve = method({
  name: 'sessions.resolve',
  scope: 'operator.admin',
  about: 'The key of a session that is named by key, id or label.',
  input: z.strictObject({
    key: z.string().optional(),
    sessionId: z.string().optional(),
    label: z.string().optional(),
    agentId: z.string().optional(),
    spawnedBy: z.string().optional(),
    includeGlobal: z.boolean().optional(),
    includeUnknown: z.boolean().optional(),
  }),
  output: Payload,
  run: async (context, { key, sessionId, label, agentId, spawnedBy }) => {
    const { store, workspaceId } = context;
    const fits = (session: SessionTable | null | undefined) =>
      session && (agentId === undefined || session.agent_id === agentId) && (spawnedBy === undefined || session.spawned_by === spawnedBy) ? session : undefined;
    if (key !== undefined) {
      const session = fits(await store.call(getSession, { workspaceId, key: resolveKey(context, key, agentId) }));
      if (!session) throw fault('session.not_found', { key });
      return { ok: true, key: session.key };
    }
    if (sessionId !== undefined) {
      const session = fits(await store.call(getSessionById, { workspaceId, id: sessionId }));
      if (!session) throw fault('session.not_found', { key: sessionId });
      return { ok: true, key: session.key };
    }
    if (label === undefined) throw fault('request.refused', { reason: 'Either key, sessionId or label is required' });
    const { rows } = await store.call(listSessions, {
      workspaceId,
      since: 0,
      limit: 1,
      filter: { label, agentId: agentId ?? null, spawnedBy: spawnedBy ?? null },
    });
    const [session] = rows;
    if (!session) throw fault('session.label_unknown', { label });
    return { ok: true, key: session.key };
  },
});

export const chatHistory = method({
  name: 'chat.history',
  scope: 'operator.read',
  about: 'The latest messages of a session, oldest first.',
  input: z.strictObject({ sessionKey: z.string().min(1), limit: z.int().min(1).max(1000).optional() }),
  output: Payload,
  run: (context, { sessionKey, limit = 200 }) => answerHistory(context, { written: sessionKey, key: resolveKey(context, sessionKey), limit }),
});

/** The answer of chat.history, also without a gateway. */
export async function answerHistory(
  { store, workspaceId }: Pick<SessionsWorld, 'store' | 'workspaceId'>,
  { written, key, limit }: { written: string; key: string; limit: number },
) {
  const { session, entries } = await store.call(readLatestEntries, { workspaceId, key, limit });
  return {
    sessionKey: written,
    ...(session && { sessionId: session.id }),
    messages: withinBytes(entries.map(toMessage), MAX_HISTORY_BYTES),
    thinkingLevel: (session && settingsOf(session).thinkingLevel) ?? 'off',
  };
}

/** The canonical key of what a client wrote. @throws Fault `session.key_invalid` */
export function resolveKey({ gateway }: Pick<MethodContext, 'gateway'>, sessionKey: string, agentId?: string): string {
  const { config } = gateway.config();
  return canonicalSessionKey(sessionKey, { defaultAgentId: agentId ?? defaultAgentId(config), mainKey: config.session.mainKey });
}
