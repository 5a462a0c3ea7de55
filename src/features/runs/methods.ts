// What can be asked about runs.

import { z } from 'zod';
import { type Address, DEFAULT_ACCOUNT } from '../../domain/channel.ts';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { laneNamed, PRIORITY } from '../../domain/lane.ts';
import { queueOfChannel } from '../../domain/queue-mode.ts';
import type { RunView } from '../../domain/run.ts';
import { agentIdOf } from '../../domain/session.ts';
import { newUuid } from '../../kit/id.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { resolveKey } from '../sessions/methods.ts';
import { getSession, getSessionById } from '../sessions/ops.ts';
import { abortRuns, getRun, listRuns, submitMessage, submitRun } from './ops.ts';

const RunAnswer = z.custom<RunView>();
const MAX_MESSAGE_CHARS = 400_000;
const MAX_IMAGE_CHARS = 6_700_000;

export const SubmitInput = z.strictObject({
  message: z.string().max(MAX_MESSAGE_CHARS).describe('What the agent is asked to do.'),
  sessionKey: z.string().optional().describe('main, a plain name, or agent:<id>:<name>.'),
  sessionId: z.string().optional().describe('A session by its id in place of its key.'),
  agentId: z.string().optional(),
  runKey: z.string().min(1).max(200).optional().describe('Your key for this order: sent twice it starts one run.'),
  model: z.string().optional(),
  lane: z.string().optional(),
  timeoutSeconds: z.number().min(0).optional(),
  thinking: z.string().optional(),
  extraSystemPrompt: z.string().optional(),
  deliver: z
    .strictObject({ channel: z.string().optional(), account: z.string().optional(), to: z.string().optional(), thread: z.string().optional() })
    .optional()
    .describe('Sends the answer through a channel too: to a conversation by id, or without "to" where the people of the session spoke last.'),
  attachments: z.array(z.strictObject({ mimeType: z.string().regex(/^image\//), data: z.string().max(MAX_IMAGE_CHARS) })).optional(),
});

export const runsSubmit = method({
  name: 'runs.submit',
  scope: 'operator.write',
  about: 'Gives an order to an agent. It is durable when the answer comes; the run starts at once if its lane is free.',
  input: SubmitInput,
  output: z.object({ run: RunAnswer, created: z.boolean() }),
  run: submit,
});

/** Resolves agent and session, then queues the run; `asMessage` waits as the owner wants messages to wait. @throws Fault `agent.*`, `session.*` */
export async function submit(context: MethodContext, input: z.infer<typeof SubmitInput>, { asMessage = false } = {}) {
  const { config } = context.gateway.config();
  const sessionKey = await keyFor(context, input);
  const agentId = agentIdOf(sessionKey) ?? defaultAgentId(config);
  if (!agentIds(config).includes(agentId)) throw fault('agent.unknown', { agentId });
  if (input.agentId !== undefined && input.agentId !== agentId) throw fault('agent.key_mismatch', { agentId: input.agentId, keyAgentId: agentId });
  const deliver = input.deliver && (await addressFor(context, sessionKey, input.deliver));
  const seconds = input.timeoutSeconds || config.agents.defaults.timeoutSeconds;
  const request = {
    workspaceId: context.workspaceId,
    actor: context.principal.actor,
    runKey: input.runKey ?? newUuid(),
    sessionKey,
    agentId,
    lane: laneNamed(input.lane),
    priority: PRIORITY.interactive,
    timeoutMs: Math.round(seconds * 1000),
    input: {
      message: input.message,
      ...(deliver && { deliver: { to: deliver } }),
      ...(input.attachments && { attachments: input.attachments }),
      ...(input.model !== undefined && { model: input.model }),
      ...(input.thinking !== undefined && { thinking: input.thinking }),
      ...(input.extraSystemPrompt !== undefined && { extraSystemPrompt: input.extraSystemPrompt }),
    },
  };
  return asMessage
    ? context.store.call(submitMessage, { ...request, queue: queueOfChannel(config.messages.queue, 'webchat') })
    : context.store.call(submitRun, request);
}

/** @throws Fault `request.refused` where nobody has spoken yet */
async function addressFor(
  { store, workspaceId }: MethodContext,
  key: string,
  {
    channel = 'slack',
    account = DEFAULT_ACCOUNT,
    to,
    thread = null,
  }: { channel?: string | undefined; account?: string | undefined; to?: string | undefined; thread?: string | null | undefined },
): Promise<Address> {
  if (to !== undefined) return { channel, account, place: to, thread };
  const session = await store.call(getSession, { workspaceId, key });
  if (!session?.route) throw fault('request.refused', { reason: 'nobody has spoken in this session through a channel yet: say to whom the answer goes' });
  return JSON.parse(session.route) as Address; // written by noteRoute
}

async function keyFor(context: MethodContext, { sessionKey, sessionId, agentId }: z.infer<typeof SubmitInput>): Promise<string> {
  if (sessionKey !== undefined && sessionKey !== '') return resolveKey(context, sessionKey, agentId);
  if (sessionId !== undefined) {
    const session = await context.store.call(getSessionById, { workspaceId: context.workspaceId, id: sessionId });
    if (!session) throw fault('session.not_found', { key: sessionId });
    return session.key;
  }
  return resolveKey(context, 'main', agentId);
}

const Named = z.strictObject({ runId: z.string().min(1).describe('The run, by your key or by its id.') });

export const runsGet = method({
  name: 'runs.get',
  scope: 'operator.read',
  about: 'One run: its state, lane, attempts and outcome.',
  input: Named,
  output: RunAnswer,
  run: async ({ store, workspaceId }, { runId }) => {
    const run = await store.call(getRun, { workspaceId, runKey: runId });
    if (!run) throw fault('run.not_found', { id: runId });
    return run;
  },
});

export const runsList = method({
  name: 'runs.list',
  scope: 'operator.read',
  about: 'The latest runs.',
  input: z.strictObject({ limit: z.int().min(1).max(500).optional() }),
  output: z.object({ runs: z.array(RunAnswer) }),
  run: async ({ store, workspaceId }, { limit = 50 }) => ({ runs: await store.call(listRuns, { workspaceId, limit }) }),
});

export const runsAbort = method({
  name: 'runs.abort',
  scope: 'operator.write',
  about: 'Stops a run, or every open run of a session. What was answered so far is kept.',
  input: z.strictObject({ runId: z.string().optional(), sessionKey: z.string().optional() }),
  output: z.object({ aborted: z.boolean(), runIds: z.array(z.string()) }),
  run: async (context, { runId, sessionKey }) => {
    const runIds = await abort(
      context,
      { ...(runId !== undefined && { runKey: runId }), ...(sessionKey !== undefined && { sessionKey: resolveKey(context, sessionKey) }) },
      'rpc',
    );
    return { aborted: runIds.length > 0, runIds: [...runIds] };
  },
});

/** Answers the keys of the runs that were open. @throws Fault `run.not_in_session` */
export async function abort(
  { store, workspaceId, principal }: MethodContext,
  named: { runKey?: string; sessionKey?: string },
  reason: string,
): Promise<readonly string[]> {
  const { runKeys, elsewhere } = await store.call(abortRuns, { workspaceId, actor: principal.actor, reason, ...named });
  if (elsewhere) throw fault('run.not_in_session');
  return runKeys;
}
