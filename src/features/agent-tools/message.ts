// The tool `message`: an agent writes to people through a channel, as far as its owner lets it.

import { z } from 'zod';
import { DEFAULT_ACCOUNT, type Outgoing } from '../../domain/channel.ts';
import { fault } from '../../domain/fault-codes.ts';
import { roleOfAgent } from '../../domain/team.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { sayInChannel, speakingPlaces } from '../channels/say.ts';
import { durably } from '../turns/durably.ts';
import { type AgentToolWorld, actingOn } from './world.ts';

const ACTIONS = ['send', 'broadcast', 'react', 'edit', 'delete'] as const;

const Input = z.looseObject({
  action: z.enum(ACTIONS),
  channel: z.string().default('slack'),
  accountId: z.string().default(DEFAULT_ACCOUNT),
  target: z.string().optional(),
  to: z.string().optional(),
  targets: z.array(z.string()).optional(),
  message: z.string().optional(),
  media: z.string().optional(),
  messageId: z.string().optional(),
  threadId: z.string().optional(),
  replyTo: z.string().optional(),
  emoji: z.string().optional(),
  remove: z.boolean().default(false),
  dryRun: z.boolean().default(false),
});
type Input = z.infer<typeof Input>;

export function createMessageTool(world: AgentToolWorld): Tool {
  const text = { type: 'string' };
  return {
    spec: {
      name: 'message',
      about:
        'Write to people through a channel (your answer in this conversation is sent by itself: do not repeat it here). target: the id of a conversation or person, or "owner".',
      schema: {
        type: 'object',
        required: ['action'],
        properties: {
          action: { type: 'string', enum: [...ACTIONS] },
          channel: text,
          accountId: text,
          target: text,
          targets: { type: 'array', items: text },
          message: text,
          media: text,
          messageId: text,
          threadId: text,
          replyTo: text,
          emoji: text,
          remove: { type: 'boolean' },
          dryRun: { type: 'boolean' },
        },
      },
      idempotent: true,
      parallel: false,
    },
    run: actingOn(Input, (asked, context) => say(world, asked, context)),
  };
}

async function say({ store, config }: AgentToolWorld, asked: Input, { workspaceId, runId, callId, agentId, signal }: ToolContext) {
  const { action, channel, accountId, dryRun } = asked;
  const { home, places } = speakingPlaces(config, channel);
  const names = asked.targets ?? [asked.target ?? asked.to ?? ''];
  if (names.some((name) => name === '')) throw fault('request.refused', { reason: 'target is required: the id of a conversation or person, or "owner"' });
  const body = bodyOf(asked);
  const sent = [];
  for (const [i, name] of names.entries()) {
    const isOwner = name.toLowerCase() === 'owner' || name.toLowerCase() === 'home';
    if (isOwner && home === null) throw fault('channel.refused', { rule: `nobody has said who the owner is in ${channel}: channels.${channel}.owner` });
    const written = { channel, account: accountId, place: name.replace(/^(?:channel|user|group|dm):/i, ''), thread: asked.threadId ?? asked.replyTo ?? null };
    const to = isOwner && home ? { ...home, thread: written.thread } : written;
    if (dryRun) {
      sent.push({ to: to.place, dryRun: true });
      continue;
    }
    // The same in every attempt of the run: it is sent once.
    const intent = `tool:${sha256Hex(`message ${runId} ${callId} ${i}`).slice(0, 32)}`;
    const { id, state } = await durably(
      store,
      sayInChannel,
      { workspaceId, runId, role: roleOfAgent(config, agentId), home, places, to, body, intent },
      signal,
    );
    sent.push({ to: to.place, outboxId: id, state });
  }
  return { ok: true, channel, action, sent };
}

function bodyOf({ action, message, media, messageId, emoji, remove }: Input): Outgoing {
  const missing = (what: string) => fault('request.refused', { reason: `${action} needs ${what}` });
  const text = [message, media].filter((part) => part !== undefined && part !== '').join('\n');
  if (action === 'send' || action === 'broadcast') {
    if (text === '') throw missing('message');
    return { kind: 'text', text };
  }
  if (messageId === undefined) throw missing('messageId');
  if (action === 'delete') return { kind: 'delete', messageId };
  if (action === 'edit') {
    if (text === '') throw missing('message');
    return { kind: 'edit', messageId, text };
  }
  if (emoji === undefined) throw missing('emoji');
  return { kind: 'reaction', messageId, emoji, add: !remove };
}
