// Changing a conversation as a whole.

import { z } from 'zod';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { resolveModel } from '../../domain/model.ts';
import { agentIdOf } from '../../domain/session.ts';
import { SessionSettings, validWords } from '../../domain/session-settings.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { resolveKey } from '../sessions/methods.ts';
import { sessionEntry } from '../sessions/views.ts';
import { compactSession, deleteSession, injectMessage, patchSession, resetSession, type SessionPatch } from './ops.ts';

const Payload = z.record(z.string(), z.unknown());
const Key = z.string().min(1);
const clearable = z.string().nullable().optional();

/** The session a client named, and whose it is. @throws Fault `session.key_invalid`, `agent.unknown` */
export function sessionOf(context: MethodContext, written: string) {
  const { config } = context.gateway.config();
  const key = resolveKey(context, written);
  const agentId = agentIdOf(key) ?? defaultAgentId(config);
  if (!agentIds(config).includes(agentId)) throw fault('agent.unknown', { agentId });
  return { workspaceId: context.workspaceId, actor: context.principal.actor, key, agentId };
}

function storePath({ gateway }: MethodContext, agentId: string): string {
  return `${gateway.stateDir}/agents/${agentId}/sessions/sessions.json`;
}

export const sessionsPatch = method({
  name: 'sessions.patch',
  scope: 'operator.admin',
  about: 'Sets the label, model or levels of a session; null clears. The session is made when it is new.',
  input: z.strictObject({
    key: Key,
    label: z.string().min(1).max(64).nullable().optional(),
    model: clearable,
    spawnedBy: clearable,
    ...Object.fromEntries(Object.keys(SessionSettings.shape).map((name) => [name, clearable])),
  }),
  output: Payload,
  run: async (context, { key: written, label, model, spawnedBy, ...levels }) => {
    const { config } = context.gateway.config();
    const session = sessionOf(context, written);
    if (spawnedBy != null && !session.key.includes(':subagent:'))
      throw fault('request.refused', { reason: 'spawnedBy is only supported for subagent:* sessions' });
    const ref = model == null || model === '' ? undefined : resolveModel(model, config);
    const row = await context.store.call(patchSession, {
      ...session,
      patch: {
        label,
        model: model === undefined ? undefined : ref ? `${ref.provider}/${ref.model}` : null,
        spawnedBy,
        settings: readSettings(levels as Readonly<Record<string, string | null | undefined>>), // the schema above
      },
    });
    return { ok: true, path: storePath(context, session.agentId), key: session.key, entry: sessionEntry(row, config) };
  },
});

/** @throws Fault `request.refused` with the words that are valid */
function readSettings(levels: Readonly<Record<string, string | null | undefined>>): NonNullable<SessionPatch['settings']> {
  for (const [name, value] of Object.entries(levels)) {
    const setting = name as keyof SessionSettings; // a key of the input schema, which is made of these
    if (value == null || SessionSettings.shape[setting].safeParse(value).success) continue;
    const words = validWords(setting);
    throw fault('request.refused', { reason: `invalid ${name}${words === '' ? '' : ` (use ${words})`}` });
  }
  return levels as NonNullable<SessionPatch['settings']>; // every value was checked above
}

export const sessionsReset = method({
  name: 'sessions.reset',
  scope: 'operator.admin',
  about: 'Begins the session anew: a fresh id and an empty context. The old transcript is kept, what runs is stopped, waiting messages go on.',
  input: z.strictObject({ key: Key }),
  output: Payload,
  run: async (context, { key: written }) => {
    const session = await context.store.call(resetSession, sessionOf(context, written));
    return { ok: true, key: session.key, entry: sessionEntry(session, context.gateway.config().config) };
  },
});

export const sessionsDelete = method({
  name: 'sessions.delete',
  scope: 'operator.admin',
  about: 'Takes a session off the list and stops its runs. The transcript stays readable by the session id.',
  input: z.strictObject({ key: Key, deleteTranscript: z.boolean().optional() }),
  output: Payload,
  run: async (context, { key: written }) => {
    const { config } = context.gateway.config();
    const session = sessionOf(context, written);
    if (session.key === resolveKey(context, 'main')) throw fault('session.main_kept', { key: session.key });
    const { deleted } = await context.store.call(deleteSession, session);
    return { ok: true, key: session.key, deleted, archived: [], path: storePath(context, defaultAgentId(config)) };
  },
});

export const sessionsCompact = method({
  name: 'sessions.compact',
  scope: 'operator.admin',
  about: 'Shows the model only the latest entries of a session from now on. Nothing is deleted.',
  input: z.strictObject({ key: Key, maxLines: z.int().min(1).optional().describe('Entries to keep, 400 by default.') }),
  output: Payload,
  run: async (context, { key: written, maxLines = 400 }) => {
    const { agentId: _agentId, ...session } = sessionOf(context, written);
    const { compacted, kept } = await context.store.call(compactSession, { ...session, keep: maxLines });
    return { ok: true, key: session.key, compacted, kept, ...(!compacted && { reason: 'short enough' }) };
  },
});

export const chatInject = method({
  name: 'chat.inject',
  scope: 'operator.admin',
  about: 'Adds a message to a conversation as if the agent had said it. The model sees it from the next turn on.',
  input: z.strictObject({ sessionKey: Key, message: z.string().min(1).max(400_000), label: z.string().max(100).optional() }),
  output: Payload,
  run: async (context, { sessionKey, message, label }) => {
    const { agentId: _agentId, ...session } = sessionOf(context, sessionKey);
    const text = label === undefined || label === '' ? message : `[${label}]\n\n${message}`;
    const { sessionId, seq } = await context.store.call(injectMessage, { ...session, text });
    return { ok: true, messageId: `${sessionId}:${seq}` };
  },
});
