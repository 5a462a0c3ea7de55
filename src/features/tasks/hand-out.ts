// The order of a worker: what it is told, with which model, and what it may spend.

import { join } from 'node:path';
import { agentIds, type Config, defaultAgentId, workspaceOf } from '../../domain/config.ts';
import { modelChain } from '../../domain/model.ts';
import { spawnRightsOf } from '../../domain/role.ts';
import { TASK_ATTEMPTS } from '../../domain/task.ts';
import { roleOfAgent, rolePolicies, rolePolicy, usesBuiltInModels } from '../../domain/team.ts';
import { childNames, orderOf } from '../spawns/methods.ts';
import type { SpawnRequest } from '../spawns/ops.ts';
import type { WorkOrder } from './lease.ts';

/** What the specification does not say. */
interface Told {
  /** The latest progress note. */
  readonly notes: Notes | null;
  /** Why it is given out again. */
  readonly again?: string;
  /** What the first one to do it was told: the order of a task without a specification. */
  readonly first?: string | null;
}

interface Notes {
  readonly path: string;
  readonly text: string;
}

/** What was found to be made to pass, not made to work. */
const TAMPERED = /by (G3|G9):/;
const NOTES_CHARS = 20_000;

/** The agent that does tasks: the first with the role of a worker. */
function workerAgent(config: Config): string {
  return agentIds(config).find((id) => roleOfAgent(config, id) === 'worker-impl') ?? defaultAgentId(config);
}

/** All of a lease that the configuration decides. */
export function workerRequest(
  order: WorkOrder,
  config: Config,
  { workspaceId, actor, ...told }: Told & { readonly workspaceId: string; readonly actor: string },
): Omit<SpawnRequest, 'requestKey'> {
  const agentId = workerAgent(config);
  const { task, work } = order;
  const isRetry = task.attempts >= TASK_ATTEMPTS - 1;
  const model = isRetry ? otherModel(config, agentId) : undefined;
  const input = {
    task: workText(order, join(workspaceOf(config, agentId), 'work'), told),
    role: 'worker-impl',
    ...(isRetry && { taskType: 'retry' }),
    ...(model !== undefined && { model }),
  } as const;
  return {
    workspaceId,
    actor,
    parentRunId: null,
    spawnerRole: null,
    agentId,
    agentAllowed: true,
    role: 'worker-impl',
    label: task.name,
    order: { ...orderOf(input, config), childPolicy: 'adopt', work },
    limits: config.agents.defaults.subagents,
    rights: spawnRightsOf(rolePolicies(config)),
    cleanup: 'keep',
    ...childNames(agentId),
  };
}

/** For the last attempt: what failed twice in one head is tried in another. Undefined leaves it to the policy of the role. */
function otherModel(config: Config, agentId: string): string | undefined {
  if (usesBuiltInModels(config) || config.team.roles['worker-impl']?.models?.['retry'] !== undefined)
    return rolePolicy(config, 'worker-impl').models?.['retry'];
  const [, second] = modelChain(config, agentId, null);
  return second && `${second.provider}/${second.model}`;
}

/** What a worker is told. `folder` is where its tree may lie. */
function workText({ task, spec, refusals }: WorkOrder, folder: string, { notes, again, first }: Told): string {
  const own = [`Task ${task.name} of ${task.project}: ${task.title}`, ...(task.original === task.title ? [] : [task.original])];
  const parts = spec === null && first != null ? [first] : own;
  if (spec) {
    const { repo, criteria, policy } = spec;
    const tree = `${folder}/${task.project}-${task.name}`;
    parts.push(
      `Criteria:\n${criteria.map(({ id, text }) => `- ${id}: ${text}`).join('\n')}`,
      `Repository: ${repo}, branch ${policy.target}. You may change: ${policy.paths.join(', ')}.`,
      policy.command ? `Its tests are run with: ${policy.command.argv.join(' ')}` : 'It is proved by its checks, without tests.',
      `Work in a tree and on a branch of your own: git -C ${repo} worktree add -b task/${task.project}-${task.name} ${tree} ${policy.target} (when it is there already, go on in it).`,
      policy.command
        ? `Commit the failing tests alone (RED${policy.stubs ? ', with stubs for what is not there yet' : ''}), then the work (GREEN). Submit with the task tool: base, red, green as git rev-parse tells them, acToTests with the tests of each criterion by name.`
        : 'Commit the work. Submit with the task tool: base and green as git rev-parse tells them.',
    );
  }
  const [latest] = refusals.slice(-1);
  if (latest)
    parts.push(
      `This is attempt ${task.attempts + 1}. Earlier work was sent back:\n${refusals.map(({ commit, reason }) => `- ${commit.slice(0, 12)}: ${reason}`).join('\n')}`,
    );
  if (refusals.some(({ reason }) => TAMPERED.test(reason)))
    parts.push('Tests or runner detection were tampered with: begin again from the branch, not from that work (git reset --hard in your tree).');
  if (again !== undefined) parts.push(again);
  if (notes) parts.push(`Notes of the task (${notes.path}):\n\n${notes.text.slice(-NOTES_CHARS)}`);
  return parts.join('\n\n');
}
