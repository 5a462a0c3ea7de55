// What people and programs can do with the agents' mail. Agents do the same with their inbox tool.

import { z } from 'zod';
import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type MessageView, messageOfJson, priorityOf } from '../../domain/inbox.ts';
import { ROLES } from '../../domain/role.ts';
import { boxOfAgent, boxReaders, canonicalAgent, managerOf, rolePolicies, slugOf } from '../../domain/team.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import type { Boxes } from './mail.ts';
import { ackMessage, type BoxCount, countBoxes, listMessages, messageThread, type NewMessage, readMessage, takeMessages } from './ops.ts';

/** The box of the owner: what the team wants from the human lands here. */
export const OWNER_BOX = 'human';
const MAX_CONTENT = 200_000;
const Message = z.custom<MessageView>();

/** What a sender says, by a person or an agent. */
export const SendInput = z.strictObject({
  to: z.string().trim().min(1).max(200).describe('The agent, by any of its names.'),
  subject: z.string().trim().min(1).max(300),
  content: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .optional()
    .describe('Text, or an object.'),
  type: z.string().trim().min(1).max(60).optional().describe('notification, request, response, or a word of your own.'),
  priority: z.union([z.string(), z.number()]).optional().describe('P0 (most urgent) to P4; P2 when left out.'),
  replyTo: z.string().optional().describe('The message that this answers.'),
  thread: z.string().optional(),
  ackByMinutes: z.number().positive().max(525_600).optional().describe('An answer is due by then; when none comes, the managers hear of it.'),
  onlyRun: z.string().max(100).optional().describe('Id of the only run it is for: a later one under the same name does not hear it.'),
  idempotencyKey: z.string().min(1).max(200).optional().describe('Sent twice it is one message.'),
});
export type SendInput = z.infer<typeof SendInput>;

/** @throws Fault `request.refused` for what is too large */
export function composed(
  config: Config,
  { priority, ackByMinutes, idempotencyKey, onlyRun, content, ...message }: SendInput,
  sender: string,
  actor: string,
): NewMessage {
  const written = messageOfJson({ ...message, content: content ?? '' });
  if (!written) throw fault('request.refused', { reason: 'a message is an object' });
  if (JSON.stringify(content ?? '').length > MAX_CONTENT)
    throw fault('request.refused', { reason: `a message may have ${MAX_CONTENT} characters: put the rest into a file and name it` });
  return {
    ...written,
    priority: priorityOf(priority),
    box: canonicalAgent(config, message.to),
    sender,
    origin: 'call',
    actor,
    ...(idempotencyKey !== undefined && { key: `${sender}:${idempotencyKey}` }),
    ...(onlyRun !== undefined && { onlyRun }),
    ...(ackByMinutes !== undefined && { ackByMs: ackByMinutes * 60_000, needsAnswer: true }),
  };
}

/** Boxes that agents read, and those that roles have. */
export function knownBoxes(config: Config): readonly string[] {
  const policies = rolePolicies(config);
  return [...new Set([...Object.keys(boxReaders(config)), ...ROLES.map((role) => policies[role].box), OWNER_BOX])].sort();
}

/** What ops must know of the configuration to bring mail. */
export function boxesOf(config: Config): Boxes {
  const readers = boxReaders(config);
  const boxes = knownBoxes(config);
  return {
    agents: Object.fromEntries(Object.values(readers).map((agentId) => [agentId, boxOfAgent(config, agentId)])),
    mainKey: config.session.mainKey,
    managers: Object.fromEntries(boxes.map((box) => [box, canonicalAgent(config, managerOf(config, box))])),
    aliases: { ...Object.fromEntries(ROLES.flatMap((role) => [role, `${role}s`].map((name) => [name, canonicalAgent(config, name)]))), ...config.team.aliases },
    owner: OWNER_BOX,
  };
}

const configOf = ({ gateway }: MethodContext): Config => gateway.config().config;

export const inboxSend = method({
  name: 'inbox.send',
  scope: 'operator.write',
  about: 'Sends a message to an agent as the owner. It is durable when this answers, is told with the next turn of the agent, and wakes it.',
  input: SendInput,
  output: z.object({ id: z.string(), box: z.string(), fate: z.enum(['new', 'duplicate', 'amendment', 'folded']), known: z.boolean() }),
  run: async (context, input) => {
    const config = configOf(context);
    const message = composed(config, input, OWNER_BOX, context.principal.actor);
    const [taken] = await context.store.call(takeMessages, { workspaceId: context.workspaceId, messages: [message] });
    if (!taken) throw new Error('the message was not taken');
    return { id: taken.id, fate: taken.fate, box: message.box, known: knownBoxes(config).includes(message.box) };
  },
});

const Box = z.string().min(1).max(200).describe('The agent, by any of its names.');

export const inboxList = method({
  name: 'inbox.list',
  scope: 'operator.read',
  about: 'Messages of a box: those that wait, most urgent first, or with `all` the latest. Without a box: how many each holds.',
  input: z.strictObject({ box: Box.optional(), all: z.boolean().optional(), limit: z.int().min(1).max(1000).optional() }),
  output: z.object({ box: z.string().optional(), messages: z.array(Message).optional(), boxes: z.array(z.custom<BoxCount>()).optional() }),
  run: async (context, { box: written, all = false, limit = 50 }) => {
    const { store, workspaceId } = context;
    if (written === undefined) return { boxes: await store.call(countBoxes, { workspaceId }) };
    const box = boxFrom(context, written);
    return { box, messages: await store.call(listMessages, { workspaceId, box, all, limit }) };
  },
});

/** A box is named as it is, or by a name of its agent. */
function boxFrom(context: MethodContext, written: string): string {
  return written === OWNER_BOX ? OWNER_BOX : (canonicalAgent(configOf(context), written) ?? slugOf(written));
}

const Id = z.strictObject({ id: z.string().min(1).describe('The id of the message, or the one its writer gave it.') });

export const inboxRead = method({
  name: 'inbox.read',
  scope: 'operator.read',
  about: 'One message whole, with the original text of its file. Reading it as a person changes nothing.',
  input: Id,
  output: z.object({ message: Message }),
  run: async ({ store, workspaceId, principal }, { id }) => ({
    message: await store.call(readMessage, { workspaceId, name: id, box: null, by: principal.actor }),
  }),
});

export const inboxAck = method({
  name: 'inbox.ack',
  scope: 'operator.write',
  about: 'Settles a message: it is told to nobody any more, and no answer is waited for.',
  input: Id,
  output: z.object({ message: Message }),
  run: async ({ store, workspaceId, principal }, { id }) => ({
    message: await store.call(ackMessage, { workspaceId, name: id, box: null, by: principal.actor }),
  }),
});

export const inboxThread = method({
  name: 'inbox.thread',
  scope: 'operator.read',
  about: 'A message with all that it answers and all answers to it, oldest first.',
  input: Id,
  output: z.object({ messages: z.array(Message) }),
  run: async ({ store, workspaceId }, { id }) => ({ messages: await store.call(messageThread, { workspaceId, name: id, box: null }) }),
});
