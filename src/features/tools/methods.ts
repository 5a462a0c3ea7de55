// One call of one tool, asked for by a person or a program: a durable run with the agent's tools, sandbox and policy.

import { z } from 'zod';
import { defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { PRIORITY } from '../../domain/lane.ts';
import { agentIdOf } from '../../domain/session.ts';
import { roleOfAgent } from '../../domain/team.ts';
import { isToolAllowed } from '../../domain/tool.ts';
import { newUuid } from '../../kit/id.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { submitRun } from '../runs/ops.ts';
import { NEVER_MS, waitForEnd } from '../runs/wait.ts';
import { resolveKey } from '../sessions/methods.ts';

export const InvokeInput = z.strictObject({
  tool: z.string().min(1).max(100),
  action: z.string().max(100).optional().describe('Put into the arguments as action, for tools that take one.'),
  args: z.record(z.string(), z.unknown()).optional(),
  sessionKey: z.string().optional().describe('The session whose agent, workspace and policy hold; main by default.'),
  idempotencyKey: z.string().min(1).max(200).optional().describe('Sent twice the tool runs once.'),
});

interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
  readonly details: Readonly<Record<string, unknown>>;
}

export const toolsInvoke = method({
  name: 'tools.invoke',
  scope: 'operator.write',
  about: 'Calls one tool as an agent would (exec, read, write, …) and answers its result.',
  input: InvokeInput,
  output: z.object({ ok: z.boolean(), result: z.custom<ToolResult>() }),
  run: invoke,
});

/** @throws Fault `tool.unknown`, `tool.failed`, or the fault of the run */
export async function invoke(context: MethodContext, { tool, action, args = {}, sessionKey, idempotencyKey }: z.infer<typeof InvokeInput>) {
  const { store, workspaceId, principal, gateway } = context;
  const { config } = gateway.config();
  const key = resolveKey(context, sessionKey ?? 'main');
  const agentId = agentIdOf(key) ?? defaultAgentId(config);
  if (!isToolAllowed(config, { agentId, sessionKey: key, depth: 0, role: roleOfAgent(config, agentId) }, tool)) throw fault('tool.unknown', { tool });
  const { run } = await store.call(submitRun, {
    workspaceId,
    actor: principal.actor,
    runKey: idempotencyKey ?? newUuid(),
    kind: 'tool',
    sessionKey: null,
    agentId,
    lane: 'tools',
    priority: PRIORITY.interactive,
    timeoutMs: config.agents.defaults.timeoutSeconds * 1000,
    input: { message: '', tool: { name: tool, args: { ...args, ...(action !== undefined && args['action'] === undefined && { action }) }, sessionKey: key } },
  });
  const ended = await waitForEnd(context, run.runKey, NEVER_MS);
  const outcome = ended?.outcome?.tool;
  if (!outcome)
    throw ended?.outcome?.error?.code === 'tool.unknown'
      ? fault('tool.unknown', { tool })
      : fault('tool.failed', { reason: ended?.outcome?.error?.message ?? ended?.state });
  if (outcome.isError) throw fault('tool.failed', { reason: outcome.text });
  return { ok: true, result: { content: [{ type: 'text' as const, text: outcome.text }], details: outcome.details ?? {} } };
}
