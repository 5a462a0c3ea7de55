// Whether a command of an agent may run: by the configuration, by the owner's standing permissions, by asking a person.

import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import type { Config } from '../../domain/config.ts';
import { EXEC_ASK, EXEC_SECURITY, type ExecPolicy, judgeExec, judgeUnanswered, plainProgram, stricter } from '../../domain/exec-policy.ts';
import { messageOf } from '../../kit/fault.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { Log } from '../../kit/log.ts';
import type { Store } from '../../ports/store.ts';
import type { Permission, WantedCommand } from '../../ports/tool.ts';
import { allowAlways, readExecApprovals } from '../approvals/exec-file.ts';
import { requestApproval } from '../approvals/ops.ts';
import { durably } from './durably.ts';

interface Asker {
  readonly store: Store;
  readonly log: Log;
  readonly config: Config;
  readonly stateDir: string;
  /** Where programs without a folder are looked for. */
  readonly path: string;
  readonly workspaceId: string;
  readonly agentId: string;
  readonly sessionKey: string;
  readonly runId: string;
  /** Names the call in every attempt of the run: asked again it is the same question. */
  readonly callId: string;
  /** The command is an operator's own: there is nobody else to ask. */
  readonly byOperator: boolean;
  readonly signal: AbortSignal;
}

export async function permitCommand(asker: Asker, wanted: WantedCommand): Promise<Permission> {
  const { stateDir, agentId, config, path, byOperator } = asker;
  let policy: ExecPolicy;
  try {
    policy = policyOf(config, stateDir, agentId);
  } catch (error) {
    return refused(`the standing permissions cannot be read: ${messageOf(error)}`);
  }
  const program = Object.keys(wanted.env).length === 0 ? resolveProgram(wanted.argv ? wanted.argv[0] : plainProgram(wanted.command), path) : undefined; // LD_PRELOAD and its like
  const verdict = judgeExec(policy, program);
  if (verdict === 'run' || (verdict === 'ask' && byOperator)) return { ok: true };
  if (verdict === 'refuse')
    return refused(policy.security === 'deny' ? 'the owner lets this agent run no commands' : 'it is not on the allowlist of exec-approvals.json');
  return ask(asker, policy, wanted, program);
}

/** Of the configuration and the file of standing permissions the stricter word holds. */
function policyOf({ tools: { exec } }: Config, stateDir: string, agentId: string): ExecPolicy {
  const { file } = readExecApprovals(stateDir);
  const everybody = file.agents?.['*'];
  const own = file.agents?.[agentId];
  const written = { ...file.defaults, ...everybody, ...own };
  return {
    security: stricter(EXEC_SECURITY, exec.security, written.security),
    ask: stricter(EXEC_ASK, exec.ask, written.ask),
    askFallback: written.askFallback ?? 'deny',
    allowlist: [...(everybody?.allowlist ?? []), ...(own?.allowlist ?? [])].map(({ pattern }) => pattern),
  };
}

/** The question to a person, and its answer when the run comes back with it. */
async function ask(
  { store, log, config, stateDir, workspaceId, agentId, sessionKey, runId, callId, signal }: Asker,
  policy: ExecPolicy,
  { command, cwd, env }: WantedCommand,
  program: string | undefined,
): Promise<Permission> {
  const id = sha256Hex(`${runId} ${callId}`).slice(0, 32);
  const { security, ask: mode } = policy;
  const extra = Object.entries(env).map(([name, value]) => `${name}=${value} `);
  const request = { command: extra.join('') + command, cwd, host: 'gateway', security, ask: mode, agentId, resolvedPath: program ?? null, sessionKey };
  const timeoutMs = config.tools.exec.askTimeoutSec * 1000;
  const asked = await durably(store, requestApproval, { workspaceId, id, kind: 'exec', request, owner: `run:${runId}`, timeoutMs }, signal);
  if (asked.state === 'pending')
    return { ok: false, waits: { for: 'approval', on: [`approval:${id}`], all: true, until: asked.deadlineAt + ANSWER_MARGIN_MS } };
  if (asked.decision === 'allow-always' && program !== undefined) {
    try {
      allowAlways(stateDir, agentId, program);
    } catch (error) {
      log.warn({ program, error: messageOf(error) }, 'a standing permission could not be written: it holds for this once');
    }
  }
  if (asked.decision === 'deny') return refused('a person said no');
  if (asked.decision !== null || judgeUnanswered(policy, program)) return { ok: true };
  return refused(`nobody answered within ${config.tools.exec.askTimeoutSec} s`);
}

/** An expired question is settled by its expiry; the run goes on by itself only when that did not happen. */
const ANSWER_MARGIN_MS = 30_000;

function refused(reason: string): Permission {
  return { ok: false, refusal: `Command not run: ${reason}.` };
}

/** @returns an absolute path; undefined when there is no such program, or it is named relative to a folder */
export function resolveProgram(name: string | undefined, path: string): string | undefined {
  if (name === undefined) return undefined;
  if (name.includes('/')) return isAbsolute(name) ? normalize(name) : undefined;
  const folders = path.split(':');
  if (!folders.every(isAbsolute)) return undefined; // the shell would look beside the agent's own files
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
