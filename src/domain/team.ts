// The team as the configuration describes it: policies of roles, the names under which agents are known, and why something is allowed.

import { own } from '../kit/own.ts';
import { type Config, defaultAgentId } from './config.ts';
import { modelChain } from './model.ts';
import {
  ACTIONS,
  type Action,
  DEFAULT_POLICIES,
  isRole,
  modelForRole,
  ROLES,
  type Role,
  type RolePolicies,
  type RolePolicy,
  spawnRight,
  spawnRightsOf,
} from './role.ts';

/** The built-in policy with the owner's roles.json5 over it, field by field. */
export function rolePolicies({ team }: Pick<Config, 'team'>): RolePolicies {
  return Object.fromEntries(ROLES.map((role) => [role, rolePolicy({ team }, role)])) as RolePolicies; // one entry for each role
}

/** The same for one role. */
export function rolePolicy({ team }: Pick<Config, 'team'>, role: Role): RolePolicy {
  return { ...DEFAULT_POLICIES[role], ...(team.roles[role] as Partial<RolePolicy> | undefined) }; // the schema's own optional fields
}

/** Built-in models are those of one maker. Elsewhere every role works with the model that agents have already. */
export function usesBuiltInModels(config: Config): boolean {
  return modelChain(config, defaultAgentId(config), null)[0]?.provider === 'anthropic';
}

/** The model that a run in a role was asked to use, raised to the floor of the role. */
export function askedModel(config: Pick<Config, 'team'>, role: string | null, asked: string | null): string | null {
  return asked === null || role === null || !isRole(role) ? asked : modelForRole(rolePolicy(config, role), { asked }).model;
}

/** The role of an agent by the configuration, or null when it acts for the owner. */
export function roleOfAgent(config: Pick<Config, 'agents'>, agentId: string): Role | null {
  const role = config.agents.list.find(({ id }) => id === agentId)?.role;
  return role !== undefined && isRole(role) ? role : null;
}

const ALIASES: Readonly<Record<string, string>> = {
  pm: 'person-manager',
  'personal-manager': 'person-manager',
  architect: 'story-architect',
  coord: 'coordinator',
  validators: 'validator',
  qa: 'validator',
  'task-manager': 'task-managers',
  taskmanager: 'task-managers',
  taskmanagers: 'task-managers',
  worker: 'workers',
  'worker-impl': 'workers',
  'worker-cmd': 'workers',
  'main-session': 'main',
  owner: 'human',
};

/** A name as a folder could be called: `Person Manager (Opus)` is `person-manager`. */
export function slugOf(name: string): string {
  const plain = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/^agent:([^:]+):main$/, '$1')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  return plain.slice(0, 100);
}

/** The one agent that a written name means. Names that nobody knows stay what they are. */
export function canonicalAgent(config: Pick<Config, 'team' | 'agents'>, written: string): string {
  const whole = slugOf(written);
  const plain = slugOf(written.replace(/\([^)]*\)|\[[^\]]*\]/g, ' '));
  for (const name of [whole, plain]) {
    const found = own(config.team.aliases, name) ?? own(ALIASES, name) ?? boxOfRoleNamed(config, name);
    if (found !== undefined) return found;
  }
  if (/\bmain[- ]session\b/i.test(written)) return defaultBox(config);
  const named = config.agents.list.find(({ id, name, identity }) => id === plain || slugOf(name ?? '') === plain || slugOf(identity?.name ?? '') === plain);
  return named ? boxOfAgent(config, named.id) : plain || whole || 'unknown';
}

function boxOfRoleNamed(config: Pick<Config, 'team'>, name: string): string | undefined {
  const singular = name.replace(/s$/, '');
  const role = isRole(name) ? name : isRole(singular) ? singular : undefined;
  return role && rolePolicies(config)[role].box;
}

function defaultBox(config: Pick<Config, 'team' | 'agents'>): string {
  return boxOfAgent(config, config.agents.list.find((agent) => agent.default === true)?.id ?? config.agents.list[0]?.id ?? 'main');
}

/** The box an agent reads: that of its role, or one of its own name. */
export function boxOfAgent(config: Pick<Config, 'team' | 'agents'>, agentId: string): string {
  const role = roleOfAgent(config, agentId);
  return role === null ? agentId : rolePolicies(config)[role].box;
}

/** Which boxes exist by policy, and which agent reads each. A role without an agent of its own is nobody's, or the job's of that name. */
export function boxReaders(config: Config): Readonly<Record<string, string>> {
  const agents = config.agents.list.length > 0 ? config.agents.list.map(({ id }) => id) : [defaultAgentId(config)];
  return Object.fromEntries(agents.toReversed().map((id) => [boxOfAgent(config, id), id]));
}

/** Who hears next of what a box could not settle: `human` at the end. */
export function managerOf(config: Pick<Config, 'team'>, box: string): string {
  const policies = rolePolicies(config);
  const role = ROLES.find((candidate) => policies[candidate].box === box);
  if (role === undefined) return 'human';
  const above = policies[role].escalatesTo;
  return isRole(above) ? policies[above].box : above;
}

export interface Explained {
  readonly allowed: boolean;
  /** Bounds of a right that is not whole. */
  readonly within?: string;
  readonly rule: string;
}

const BY_GATEWAY: ReadonlySet<string> = new Set<Action>(['proof.run', 'task.finish']);

/** Whether somebody may do something, and by which rule: an action by name, `spawn:<role>`, `order:<role>` or `validate:<role>`. Undefined for no action at all. */
export function explainRight(policies: RolePolicies, who: string, action: string): Explained | undefined {
  const [verb = '', object = ''] = action.split(/[: ]+/);
  if (verb === 'spawn' || verb === 'order' || verb === 'validate') return isRole(object) ? explainRelation(policies, who, verb, object) : undefined;
  if (!Object.hasOwn(ACTIONS, action)) return undefined;
  if (who === 'human') {
    if (BY_GATEWAY.has(action)) return { allowed: false, rule: `${action}: the gateway alone does it` };
    return { allowed: true, rule: `${action}: the owner may do everything that is not the gateway's alone` };
  }
  if (!isRole(who)) return undefined;
  if (BY_GATEWAY.has(action)) return { allowed: false, rule: `${action}: the gateway alone does it` };
  const right = policies[who].may[action as Action]; // looked up above
  if (right === undefined) return { allowed: false, rule: `roles.${who}.may does not list ${action}; what is not listed is denied` };
  return { allowed: true, ...(right !== 'yes' && { within: right }), rule: `roles.${who}.may["${action}"] is "${right}"` };
}

function explainRelation(policies: RolePolicies, who: string, verb: 'spawn' | 'order' | 'validate', object: Role): Explained | undefined {
  if (verb === 'spawn') {
    if (who === 'human') return { allowed: true, rule: 'the owner may start every role' };
    if (!isRole(who)) return undefined;
    const right = spawnRight(spawnRightsOf(policies), who, object);
    if (right === undefined) return { allowed: false, rule: `roles.${who}.spawns does not list ${object}; what is not listed is denied` };
    const within = right === 'yes' ? undefined : right === 'request' ? 'as a request that is granted within the limits' : `at most ${right.atMost} at once`;
    return { allowed: true, ...(within !== undefined && { within }), rule: `roles.${who}.spawns.${object} is ${JSON.stringify(right)}` };
  }
  const field = verb === 'order' ? 'orderedBy' : 'validates';
  const list = verb === 'order' ? policies[object].orderedBy : isRole(who) ? policies[who].validates : ['every role'];
  const owner = verb === 'order' ? object : who;
  const allowed = verb === 'order' ? list.includes(who) : who === 'human' || list.includes(object);
  return { allowed, rule: `roles.${owner}.${field} ${allowed ? 'lists' : 'does not list'} ${verb === 'order' ? who : object}` };
}

/** A role's rights as sentences, for its prompt and its documents. */
export function rightsProse(policies: RolePolicies, role: Role): string {
  const policy: RolePolicy = policies[role];
  const spawns = Object.entries(policy.spawns).map(([wanted, right]) =>
    right === 'yes' ? wanted : right === 'request' ? `${wanted} (a request that must be granted)` : `${wanted} (at most ${right.atMost} at once)`,
  );
  const actions = Object.keys(ACTIONS) as Action[]; // the keys of the literal above
  const may = actions.flatMap((action) => {
    const right = policy.may[action];
    return right === undefined ? [] : `${ACTIONS[action]}${right === 'yes' ? '' : ` (${right})`}`;
  });
  const not = actions.filter((action) => policy.may[action] === undefined).map((action) => ACTIONS[action]);
  const list = (items: readonly string[]) => (items.length === 0 ? 'nothing' : items.join('; '));
  return [
    `You are the ${role} of the team. ${policy.about}`,
    `You take orders from: ${policy.orderedBy.join(', ')}. What you cannot settle goes to: ${policy.escalatesTo}.`,
    `You may start: ${spawns.length === 0 ? 'nobody' : spawns.join(', ')}.`,
    `You may: ${list(may)}.`,
    `You may not: ${list(not)}.`,
    ...(policy.validates.length > 0 ? [`You may judge the work of: ${policy.validates.join(', ')}, and never your own.`] : []),
    'The gateway checks all of this: what is not allowed is refused with the rule that forbids it.',
  ].join('\n');
}

/** Whether a text holds two versions that a merge has left side by side. */
export function hasConflictMarkers(text: string): boolean {
  return /^<{7}( |$)/m.test(text) && /^>{7}( |$)/m.test(text);
}
