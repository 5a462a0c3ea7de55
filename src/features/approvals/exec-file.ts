// exec-approvals.json: the owner's standing permissions for commands, as existing clients read and write them.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EXEC_ASK, EXEC_SECURITY } from '../../domain/exec-policy.ts';
import { fault } from '../../domain/fault-codes.ts';
import { errorCode } from '../../kit/fault.ts';
import { newUuid, sha256Hex } from '../../kit/id.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import { method } from '../../ports/method.ts';

const Policy = z.looseObject({
  security: z.enum(EXEC_SECURITY).optional(),
  ask: z.enum(EXEC_ASK).optional(),
  askFallback: z.enum(EXEC_SECURITY).optional(),
  autoAllowSkills: z.boolean().optional(),
});
const ApprovalsFile = z.looseObject({
  version: z.literal(1),
  socket: z.looseObject({ path: z.string().optional(), token: z.string().optional() }).optional(),
  defaults: Policy.optional(),
  agents: z.record(z.string(), Policy.extend({ allowlist: z.array(z.looseObject({ pattern: z.string().min(1) })).optional() })).optional(),
});
type ApprovalsFile = z.infer<typeof ApprovalsFile>;

const Snapshot = z.object({ path: z.string(), exists: z.boolean(), hash: z.string(), file: z.record(z.string(), z.unknown()) });

/** @throws Fault `request.refused` when the file cannot be understood */
export function readExecApprovals(stateDir: string): { readonly path: string; readonly raw: string | undefined; readonly file: ApprovalsFile } {
  const path = join(stateDir, 'exec-approvals.json');
  const empty: ApprovalsFile = { version: 1, socket: { path: join(stateDir, 'exec-approvals.sock') }, defaults: {}, agents: {} };
  if (!existsSync(path)) return { path, raw: undefined, file: empty };
  const raw = readFileSync(path, 'utf8');
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    throw fault('request.refused', { reason: `${path} is not JSON. Mend it by hand or move it away; nothing was changed` });
  }
  const parsed = ApprovalsFile.safeParse(value);
  if (!parsed.success) throw fault('request.refused', { reason: `${path} is not valid: ${z.prettifyError(parsed.error)}` });
  return { path, raw, file: parsed.data };
}

/** A file that is not there has the hash of nothing: clients ask for one in every case. */
const hashOf = (raw = '') => sha256Hex(raw);

function snapshot({ path, raw, file }: ReturnType<typeof readExecApprovals>) {
  const { token: _secret, ...socket } = file.socket ?? {};
  return { path, exists: raw !== undefined, hash: hashOf(raw), file: { ...file, socket } };
}

export const execApprovalsGet = method({
  name: 'exec.approvals.get',
  scope: 'operator.admin',
  about: 'The file of standing permissions for commands, its hash, without the secret of its socket.',
  input: z.strictObject({}),
  output: Snapshot,
  run: async ({ gateway }) => snapshot(readExecApprovals(gateway.stateDir)),
});

export const execApprovalsSet = method({
  name: 'exec.approvals.set',
  scope: 'operator.admin',
  about: 'Replaces the file of standing permissions. The hash of the file there is must be given.',
  input: z.strictObject({ file: z.unknown(), baseHash: z.string().optional() }),
  output: Snapshot,
  run: async ({ gateway }, { file: given, baseHash }) => {
    const before = readExecApprovals(gateway.stateDir);
    if (before.raw !== undefined && baseHash === undefined)
      throw fault('request.refused', { reason: 'exec approvals base hash required; re-run exec.approvals.get and retry' });
    if (baseHash !== undefined && baseHash !== hashOf(before.raw))
      throw fault('request.refused', { reason: 'exec approvals changed since last load; re-run exec.approvals.get and retry' });
    const parsed = ApprovalsFile.safeParse(given);
    if (!parsed.success) throw fault('request.refused', { reason: `exec approvals file is not valid: ${z.prettifyError(parsed.error)}` });
    // The socket's secret is never told, so it cannot come back: it stays what it was.
    const file = { ...parsed.data, ...((parsed.data.socket ?? before.file.socket) && { socket: { ...parsed.data.socket, ...before.file.socket } }) };
    write(before.path, file);
    return snapshot(readExecApprovals(gateway.stateDir));
  },
});

/** Lets an agent run a program from now on. */
export function allowAlways(stateDir: string, agentId: string, program: string): void {
  const { path, file } = readExecApprovals(stateDir);
  const { allowlist = [], ...policy } = file.agents?.[agentId] ?? {};
  if (allowlist.some(({ pattern }) => pattern === program)) return;
  write(path, { ...file, agents: { ...file.agents, [agentId]: { ...policy, allowlist: [...allowlist, { id: newUuid(), pattern: program }] } } });
}

function write(path: string, file: ApprovalsFile): void {
  try {
    writeWhole(path, `${JSON.stringify(file, null, 2)}\n`);
  } catch (error) {
    throw errorCode(error) === 'ENOSPC' ? fault('store.full') : error;
  }
}
