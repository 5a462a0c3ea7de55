// sessions_send: one agent writes to another's conversation, and may wait for the answer without holding a slot.

import { z } from 'zod';
import { PRIORITY } from '../../domain/lane.ts';
import { isTerminal } from '../../domain/run.ts';
import { agentIdOf } from '../../domain/session.ts';
import { isFault } from '../../kit/fault.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { Tool } from '../../ports/tool.ts';
import { submitNested } from '../runs/ops.ts';
import { listSessions } from '../sessions/ops.ts';
import { durably } from '../turns/durably.ts';
import { keyNamed, mayReach } from './sessions.ts';
import { type AgentToolWorld, answer, refuse } from './world.ts';

const SendInput = z.looseObject({
  sessionKey: z.string().optional(),
  label: z.string().optional(),
  agentId: z.string().optional(),
  message: z.string().min(1),
  timeoutSeconds: z.coerce.number().min(0).max(86_400).optional(),
});
const WAIT_SECONDS = 30;

export function createSendTool(world: AgentToolWorld): Tool {
  const { store, config, clock } = world;
  return {
    spec: {
      name: 'sessions_send',
      about: 'Write to another conversation, named by sessionKey or label, and wait for the answer (timeoutSeconds 0: do not wait).',
      schema: {
        type: 'object',
        required: ['message'],
        properties: {
          sessionKey: { type: 'string' },
          label: { type: 'string' },
          agentId: { type: 'string' },
          message: { type: 'string' },
          timeoutSeconds: { type: 'number' },
        },
      },
      idempotent: true,
      parallel: false,
    },
    run: async (input, context) => {
      const parsed = SendInput.safeParse(input);
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      const { sessionKey, label, agentId, message, timeoutSeconds = WAIT_SECONDS } = parsed.data;
      const { workspaceId, runId, callId, agentId: own } = context;
      /** The same in every attempt: the message is sent once. */
      const runKey = sha256Hex(`send ${runId} ${callId}`).slice(0, 32);
      try {
        let key: string | undefined;
        if (sessionKey) key = await keyNamed(world, context, sessionKey);
        else if (label) {
          const { rows } = await store.call(listSessions, { workspaceId, since: 0, limit: 1, filter: { label, agentId: agentId ?? null } });
          key = rows[0]?.key;
          if (key === undefined) return answer({ runId: runKey, status: 'error', error: `No session found with label: ${label}` });
        }
        if (key === undefined) return answer({ runId: runKey, status: 'error', error: 'Either sessionKey or label is required' });
        if (!mayReach(config, own, key))
          return answer({ runId: runKey, status: 'forbidden', error: 'Agent-to-agent messaging is off: tools.agentToAgent.enabled' });
        if (key === context.sessionKey) return answer({ runId: runKey, status: 'error', error: 'this is your own conversation' });
        const target = agentIdOf(key) ?? own;
        const left = config.session.agentToAgent.maxPingPongTurns;
        const { run } = await durably(
          store,
          submitNested,
          {
            workspaceId,
            actor: `run:${runId}`,
            runKey,
            sessionKey: key,
            agentId: target,
            priority: PRIORITY.urgent,
            timeoutMs: config.agents.defaults.timeoutSeconds * 1000,
            input: {
              message: `[Message of the agent "${own}" from ${context.sessionKey}]\n${message}`,
              ...(left > 0 && { replies: { sessionKey: context.sessionKey, agentId: own, left } }),
            },
            parentRunId: runId,
          },
          context.signal,
        );
        const sent = { runId: runKey, sessionKey: key };
        if (isTerminal(run.state)) {
          const { text = '', error } = run.outcome ?? {};
          if (run.state === 'succeeded') return answer({ ...sent, status: 'ok', reply: text, delivery: { status: 'pending', mode: 'announce' } });
          return answer({ ...sent, status: 'error', error: error?.message ?? run.state });
        }
        if (timeoutSeconds === 0) return answer({ ...sent, status: 'accepted', delivery: { status: 'pending', mode: 'announce' } });
        const until = (context.waitingSince ?? clock.now()) + timeoutSeconds * 1000;
        if (clock.now() >= until)
          return answer({ ...sent, status: 'timeout', error: `no answer within ${timeoutSeconds} s; the message is there and will be answered` });
        return { text: '', isError: false, waits: { for: 'reply', on: [`run:${run.id}`], all: true, until } };
      } catch (error) {
        return refuse(error, isFault(error));
      }
    },
  };
}
