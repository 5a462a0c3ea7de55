// Asking people, and answering.

import { z } from 'zod';
import { type Approval, EXEC_DECISIONS } from '../../domain/approval.ts';
import { fault } from '../../domain/fault-codes.ts';
import { newUuid } from '../../kit/id.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { getApproval, listApprovals, requestApproval } from '../approvals/ops.ts';
import { resolveApproval } from './ops.ts';

const text = z.string().max(20_000);
const optional = text.nullable().optional();
const DEFAULT_TIMEOUT_MS = 120_000;

export const execApprovalRequest = method({
  name: 'exec.approval.request',
  scope: 'operator.approvals',
  about: 'Asks whether a command may run, and waits for the answer. The decision is null when nobody answered in time.',
  input: z.strictObject({
    id: z.string().min(1).max(200).optional(),
    command: text.min(1),
    cwd: optional,
    host: optional,
    security: optional,
    ask: optional,
    agentId: optional,
    resolvedPath: optional,
    sessionKey: optional,
    timeoutMs: z.int().min(1).max(86_400_000).optional(),
  }),
  output: z.object({ id: z.string(), decision: z.enum(EXEC_DECISIONS).nullable(), createdAtMs: z.number(), expiresAtMs: z.number() }),
  run: async (context, { id = newUuid(), timeoutMs = DEFAULT_TIMEOUT_MS, ...request }) => {
    const { store, workspaceId, principal } = context;
    const asked = await store.call(requestApproval, { workspaceId, id, kind: 'exec', request, owner: principal.actor, timeoutMs });
    const { decision, createdAt, deadlineAt } = await whenDecided(context, asked);
    return { id, decision: decision as (typeof EXEC_DECISIONS)[number] | null, createdAtMs: createdAt, expiresAtMs: deadlineAt }; // resolved below
  },
});

const EXPIRY_MARGIN_MS = 5000;

async function whenDecided({ store, workspaceId, gateway, clock }: MethodContext, asked: Approval): Promise<Approval> {
  const decided = gateway.whenDecided(asked.id, asked.deadlineAt - clock.now() + EXPIRY_MARGIN_MS); // listening before looking
  const now = await store.call(getApproval, { workspaceId, id: asked.id });
  if (now && now.state !== 'pending') return now;
  return (await decided) ?? asked;
}

export const execApprovalResolve = method({
  name: 'exec.approval.resolve',
  scope: 'operator.approvals',
  about: 'Answers an open question: allow-once, allow-always or deny.',
  input: z.strictObject({ id: z.string().min(1), decision: z.string() }),
  output: z.object({ ok: z.boolean() }),
  run: async ({ store, workspaceId, principal }, { id, decision }) => {
    const known = EXEC_DECISIONS.find((candidate) => candidate === decision);
    if (!known) throw fault('request.refused', { reason: 'invalid decision' });
    await store.call(resolveApproval, { workspaceId, id, decision: known, actor: principal.actor });
    return { ok: true };
  },
});

const WORDS = { grant: 'allow-once', refuse: 'deny' } as const;

export const approvalsResolve = method({
  name: 'approvals.resolve',
  scope: 'operator.approvals',
  about: 'Answers an open question of any kind: grant or refuse; for a command also allow-always.',
  input: z.strictObject({ id: z.string().min(1), decision: z.enum(['grant', 'refuse', ...EXEC_DECISIONS]) }),
  output: z.object({ approval: z.custom<Approval>() }),
  run: async ({ store, workspaceId, principal }, { id, decision }) => {
    const known = decision === 'grant' || decision === 'refuse' ? WORDS[decision] : decision;
    return { approval: await store.call(resolveApproval, { workspaceId, id, decision: known, actor: principal.actor }) };
  },
});

export const approvalsList = method({
  name: 'approvals.list',
  scope: 'operator.approvals',
  about: 'Questions to people, the latest first: what is asked, by whom, until when, and how it was answered.',
  input: z.strictObject({ limit: z.int().min(1).max(500).optional() }),
  output: z.object({ approvals: z.array(z.custom<Approval>()) }),
  run: async ({ store, workspaceId }, { limit = 50 }) => ({ approvals: await store.call(listApprovals, { workspaceId, limit }) }),
});
