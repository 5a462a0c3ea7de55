// inbox: the agents' mail. Who sends is known to the gateway, whatever the model says.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import type { MessageView } from '../../domain/inbox.ts';
import { isFault } from '../../kit/fault.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { boxOfRun } from '../inbox/mail.ts';
import { composed, knownBoxes, SendInput } from '../inbox/methods.ts';
import { ackMessage, listMessages, messageThread, readMessage, takeMessages } from '../inbox/ops.ts';
import { durably } from '../turns/durably.ts';
import { type AgentToolWorld, answer, refuse, withoutEmpty } from './world.ts';

const InboxInput = z.looseObject({ action: z.enum(['send', 'list', 'read', 'ack', 'thread']), id: z.string().optional(), all: z.boolean().optional() });
const LISTED = 50;

export function createInboxTool({ store, config }: AgentToolWorld): Tool {
  const send = async (input: unknown, box: string, { workspaceId, runId, callId, signal }: ToolContext) => {
    const parsed = SendInput.safeParse(input);
    if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
    const key = parsed.data.idempotencyKey ?? sha256Hex(`inbox ${runId} ${callId}`).slice(0, 32);
    const message = composed(config, { ...parsed.data, idempotencyKey: key }, box, `run:${runId}`);
    const [taken] = await durably(store, takeMessages, { workspaceId, messages: [message] }, signal);
    const isKnown = knownBoxes(config).includes(message.box);
    return answer({
      status: 'ok',
      id: taken?.id,
      fate: taken?.fate,
      to: message.box,
      ...(!isKnown && { note: `nobody is known to read "${message.box}"; known: ${knownBoxes(config).join(', ')}` }),
    });
  };
  return {
    spec: {
      name: 'inbox',
      about:
        'Mail between agents. send (to, subject, content; replyTo to answer), list what waits for you, read one whole, ack one that needs nothing more, thread. New mail is told to you with your next turn by itself.',
      schema: {
        type: 'object',
        required: ['action'],
        properties: {
          action: { type: 'string', enum: ['send', 'list', 'read', 'ack', 'thread'] },
          to: { type: 'string', description: 'The agent; human is the owner' },
          subject: { type: 'string' },
          content: { description: 'Text or an object' },
          type: { type: 'string', description: 'notification, request or response' },
          priority: { type: 'string', description: 'P0 (most urgent) to P4' },
          replyTo: { type: 'string' },
          ackByMinutes: { type: 'number', description: 'An answer is due by then' },
          id: { type: 'string', description: 'For read, ack and thread' },
          all: { type: 'boolean', description: 'list: also what is settled' },
        },
      },
      idempotent: true,
      parallel: false,
    },
    run: async (input, context) => {
      const parsed = InboxInput.safeParse(withoutEmpty(input));
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { action, id, all = false, ...rest } = parsed.data;
      const { workspaceId, runId } = context;
      try {
        const box = (await store.call(boxOfRun, { runId })) ?? context.agentId;
        if (action === 'send') return await send(rest, box, context);
        if (action === 'list') return answer({ box, messages: (await store.call(listMessages, { workspaceId, box, all, limit: LISTED })).map(brief) });
        if (id === undefined) throw fault('request.refused', { reason: `${action} needs the id of a message` });
        const named = { workspaceId, name: id, box };
        if (action === 'thread') return answer({ messages: (await store.call(messageThread, named)).map(brief) });
        const settled = await durably(store, action === 'ack' ? ackMessage : readMessage, { ...named, by: box }, context.signal);
        return answer({ message: action === 'ack' ? brief(settled) : settled });
      } catch (error) {
        return refuse(error, isFault(error));
      }
    },
  };
}

function brief({ id, from, box, type, subject, priority, state, count, ackBy }: MessageView) {
  return {
    id,
    from,
    to: box,
    type,
    subject,
    priority: `P${priority}`,
    state,
    ...(count > 1 && { count }),
    ...(ackBy !== null && { answerBy: new Date(ackBy).toISOString() }),
  };
}
