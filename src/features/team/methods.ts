// The team as a whole: made, shown, and asked who may do what.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { modelChain } from '../../domain/model.ts';
import { WORKSPACE_PARTS } from '../../domain/phase.ts';
import { ACTIONS, DEFAULT_POLICIES, ROLES, type Role } from '../../domain/role.ts';
import { explainRight, rightsProse, roleOfAgent, rolePolicies, usesBuiltInModels } from '../../domain/team.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { listCronJobs } from '../cron/ops.ts';
import { countBoxes } from '../inbox/ops.ts';
import { listRuns } from '../runs/ops.ts';
import { listTasks } from '../tasks/ops.ts';
import { choosePhases } from '../workspace/phases.ts';
import { teamDocuments } from './documents.ts';
import { IDENTITIES, identityText, TEAM_ROLES } from './identities.ts';
import { addTeamJobs } from './jobs.ts';

const Policy = z.record(z.string(), z.unknown());

export const rolesList = method({
  name: 'roles.list',
  scope: 'operator.read',
  about: 'The roles of the team with their policy as it is in force, and what each is told about its rights.',
  input: z.strictObject({}),
  output: z.object({ roles: z.record(z.string(), Policy) }),
  run: async ({ gateway }) => {
    const { config } = gateway.config();
    const policies = rolePolicies(config);
    const [usual] = modelChain(config, defaultAgentId(config), null);
    const modelOf = (role: Role) =>
      usesBuiltInModels(config) || config.team.roles[role]?.model !== undefined ? policies[role].model : `${usual?.provider}/${usual?.model}`;
    return { roles: Object.fromEntries(ROLES.map((role) => [role, { ...policies[role], model: modelOf(role), rights: rightsProse(policies, role) }])) };
  },
});

export const rolesExplain = method({
  name: 'roles.explain',
  scope: 'operator.read',
  about: 'Whether a role (or human) may do something, and by which rule. Actions: the names of roles.list, spawn:<role>, order:<role>, validate:<role>.',
  input: z.strictObject({ role: z.string().min(1), action: z.string().min(1) }),
  output: z.object({ role: z.string(), action: z.string(), allowed: z.boolean(), within: z.string().optional(), rule: z.string() }),
  run: async ({ gateway }, { role, action }) => {
    const explained = explainRight(rolePolicies(gateway.config().config), role, action);
    if (!explained) {
      const known = `roles: human, ${ROLES.join(', ')}; actions: ${Object.keys(ACTIONS).join(', ')}, spawn:<role>, order:<role>, validate:<role>`;
      throw fault('request.refused', { reason: `nobody knows whether "${role}" may "${action}". ${known}` });
    }
    return { role, action, ...explained };
  },
});

export interface Member {
  readonly role: Role | null;
  readonly agent: string | null;
  readonly model: string;
  readonly mail: number;
  readonly running: number;
  readonly queued: number;
  readonly nextAt: number | null;
}

export const teamShow = method({
  name: 'team.show',
  scope: 'operator.read',
  about: 'The hierarchy with what each member is doing: mail that waits, runs, the next slot of its job, open tasks.',
  input: z.strictObject({}),
  output: z.object({ root: z.string(), members: z.array(z.custom<Member>()), tasks: z.record(z.string(), z.number()) }),
  run: async (context) => {
    const { store, workspaceId, gateway } = context;
    const { config } = gateway.config();
    const [boxes, runs, jobs, tasks] = await Promise.all([
      store.call(countBoxes, { workspaceId }),
      store.call(listRuns, { workspaceId, limit: 500 }),
      store.call(listCronJobs, { workspaceId }),
      store.call(listTasks, { workspaceId, limit: 5000, open: true }),
    ]);
    const policies = rolePolicies(config);
    const member = (role: Role | null, agent: string | null): Member => {
      const own = runs.filter((run) => (role !== null && run.role === role) || (agent !== null && run.agentId === agent && run.role === null));
      const box = role === null ? agent : policies[role].box;
      const slots = jobs.flatMap(({ spec, enabled, nextAt }) =>
        enabled && nextAt !== null && agent !== null && (spec.agentId ?? defaultAgentId(config)) === agent ? [nextAt] : [],
      );
      return {
        role,
        agent,
        model: agent === null ? policies[role ?? 'worker-impl'].model : (modelChain(config, agent, null)[0]?.model ?? ''),
        mail: boxes.find((one) => one.box === box)?.counts.queued ?? 0,
        running: own.filter(({ state }) => state === 'running' || state === 'waiting').length,
        queued: own.filter(({ state }) => state === 'queued').length,
        nextAt: slots.length === 0 ? null : Math.min(...slots),
      };
    };
    const plain = agentIds(config).filter((id) => roleOfAgent(config, id) === null);
    const ofRole = (role: Role) => agentIds(config).find((id) => roleOfAgent(config, id) === role) ?? null;
    const states = Object.fromEntries([...Map.groupBy(tasks, ({ state }) => state)].map(([state, list]) => [state, list.length]));
    return { root: gateway.team().root, members: [...plain.map((id) => member(null, id)), ...ROLES.map((role) => member(role, ofRole(role)))], tasks: states };
  },
});

export const teamInit = method({
  name: 'team.init',
  scope: 'operator.admin',
  about:
    'Makes a whole team in the workspace: an agent for each role, their identities, the folders, the jobs of the safety net, the documents. What is there already stays as it is; doing it twice changes nothing.',
  input: z.strictObject({ model: z.string().min(1).optional().describe('One model for all roles, in place of opus, sonnet and haiku.') }),
  output: z.object({ root: z.string(), agents: z.array(z.string()), files: z.array(z.string()), jobs: z.array(z.string()) }),
  run: async (context, { model }) => {
    const { gateway, store, workspaceId, principal } = context;
    const { root } = gateway.team();
    const agents = addAgents(context, model);
    const files = [...writePolicy(context, model), ...makeFolders(root)];
    const jobs = await addTeamJobs({ store, workspaceId, config: gateway.config().config, now: context.clock.now() });
    const { config } = gateway.config();
    for (const { path, text } of teamDocuments(config, await store.call(listCronJobs, { workspaceId })))
      if (writeNew(join(dirname(root), path), text)) files.push(path);
    const chosen = Object.fromEntries(WORKSPACE_PARTS.map((part) => [part, 'on'] as const));
    await store.call(choosePhases, { workspaceId, actor: principal.actor, chosen, hasTraffic: false });
    return { root, agents, files, jobs };
  },
});

function addAgents({ gateway, principal }: MethodContext, model: string | undefined): string[] {
  const { config } = gateway.config();
  const before = config.agents.list.length > 0 ? config.agents.list : [{ id: defaultAgentId(config), default: true }];
  const added = TEAM_ROLES.filter((role) => !before.some((agent) => agent.id === role || ('role' in agent && agent.role === role)));
  const own = (role: Role) => model ?? (usesBuiltInModels(config) ? DEFAULT_POLICIES[role].model : undefined);
  const fresh = added.map((role) => {
    const chosen = own(role);
    return { id: role, name: IDENTITIES[role].title, role, ...(chosen !== undefined && { model: chosen }) };
  });
  if (fresh.length > 0)
    gateway.configFile.write({ kind: 'merge', patch: { agents: { list: [...before, ...fresh] } } }, { actor: principal.actor, note: 'team init' });
  return [...added];
}

function writePolicy({ gateway }: MethodContext, model: string | undefined): string[] {
  const path = join(dirname(gateway.config().path), 'roles.json5');
  if (existsSync(path)) return [];
  const { config } = gateway.config();
  const policies = Object.fromEntries(
    ROLES.map((role) => {
      const { model: own, models, modelFloor, ...rest } = DEFAULT_POLICIES[role];
      const builtIn = { model: own, ...(models && { models }), ...(modelFloor !== undefined && { modelFloor }) };
      return [role, { ...(model !== undefined ? { model } : usesBuiltInModels(config) ? builtIn : {}), ...rest }];
    }),
  );
  writeWhole(
    path,
    `// Who may do what in the team. The gateway reads this file again when it changes; the keys are in docs/reference/configuration.md under team.\n${JSON.stringify({ roles: policies, aliases: {} }, null, 2)}\n`,
  );
  gateway.configFile.refresh();
  return [path];
}

function makeFolders(root: string): string[] {
  const boxes = [...new Set(ROLES.map((role) => DEFAULT_POLICIES[role].box))];
  const folders = [
    ...boxes.map((box) => join('inboxes', box, 'archive')),
    ...['requests', 'processing', 'responses', 'archive'].map((name) => join('spawn-queue', name)),
    'heartbeats',
    'progress',
  ];
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  return TEAM_ROLES.flatMap((role) => {
    const path = join(role === 'worker-cmd' ? 'worker-cmd' : DEFAULT_POLICIES[role].box, 'IDENTITY.md');
    return writeNew(join(root, path), identityText(role)) ? [join('scheduler', path)] : [];
  });
}

function writeNew(path: string, text: string): boolean {
  if (existsSync(path)) return false;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { flag: 'wx' });
  return true;
}
