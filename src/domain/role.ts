// The roles of the team as data: what each is for, with which model, and what it may. What is not listed is denied.

export const ROLES = [
  'person-manager',
  'story-architect',
  'coordinator',
  'validator',
  'task-manager',
  'worker-impl',
  'worker-cmd',
  'reviewer',
  'researcher',
] as const;
export type Role = (typeof ROLES)[number];
/** The owner's own session and everybody who acts for the owner; a sub-agent that was given no role; one with a role. */
export type Spawner = 'owner' | 'plain' | Role;

/** `yes`, at most so many open at once, or a request that somebody above must grant. */
export type SpawnRight = 'yes' | 'request' | { readonly atMost: number };

/** What can be done in the team besides spawning. A right is `yes`, or says within which bounds. */
export const ACTIONS = {
  'plan.write': 'write plans and epics',
  'plan.approve': 'approve a plan',
  'story.write': 'write stories and their criteria',
  'story.approve': 'approve a story',
  'task.split': 'split a story into tasks and set their dependencies',
  'task.lease': 'assign a task',
  'files.edit': 'edit files of a task',
  'commands.run': 'run commands',
  'task.submit': 'submit a task',
  'proof.run': 'run the proof of layer 0',
  'verdict.layer2': 'give the verdict of layer 2',
  'verdict.layer3': 'give the verdict of layer 3',
  'gate.waive': 'waive a gate',
  'task.finish': 'merge a task and set it done',
  'budget.raise': 'raise a budget',
  'policy.change': 'change roles and policy',
  'outside.talk': 'talk to the outside: mail, chat, the web',
} as const;
export type Action = keyof typeof ACTIONS;

export type Runtime = 'api' | 'claude-code';

export interface RolePolicy {
  /** What it is for, in one sentence. */
  readonly about: string;
  /** Inbox folder of the role. */
  readonly box: string;
  /** An alias or `provider/model`. */
  readonly model: string;
  /** Models by type of task: `planning`, `monitoring`, whatever a task names. */
  readonly models?: Readonly<Record<string, string>> | undefined;
  /** Weakest line that may do this work: opus, sonnet or haiku. */
  readonly modelFloor?: string | undefined;
  readonly runtime?: Runtime | undefined;
  /** Cron expression in the owner's time zone. */
  readonly schedule?: string | undefined;
  /** Whose orders it takes. */
  readonly orderedBy: readonly string[];
  readonly spawns: Readonly<Partial<Record<Role, SpawnRight>>>;
  /** Whose work it may judge. */
  readonly validates: readonly string[];
  readonly may: Readonly<Partial<Record<Action, string>>>;
  readonly tools?: { readonly allow?: readonly string[] | undefined; readonly deny?: readonly string[] | undefined } | undefined;
  /** Each day. */
  readonly budget?: { readonly usd?: number | undefined; readonly tokens?: number | undefined } | undefined;
  readonly limits?:
    | {
        readonly atOnce?: number | undefined;
        readonly timeoutSeconds?: number | undefined;
        /** Dearest plan that it approves without the owner. */
        readonly approvesUsd?: number | undefined;
      }
    | undefined;
  /** Who hears of what it could not settle. */
  readonly escalatesTo: string;
}
export type RolePolicies = Readonly<Record<Role, RolePolicy>>;
export type SpawnRights = Readonly<Record<Role, RolePolicy['spawns']>>;

const readers = (atMost: number) => ({ reviewer: { atMost }, researcher: { atMost } }) as const;
const READER = {
  box: 'workers',
  model: 'sonnet',
  orderedBy: ['human'],
  spawns: {},
  validates: [],
  may: { 'commands.run': 'in the sandbox, to read' },
} as const;

export const DEFAULT_POLICIES: RolePolicies = {
  'person-manager': {
    about: 'Keeps the master plans and epics, sees that the whole moves, and answers to the owner.',
    box: 'person-manager',
    model: 'opus',
    modelFloor: 'opus',
    schedule: '0 6,12,18,23 * * *',
    orderedBy: ['human'],
    spawns: { 'story-architect': 'yes', coordinator: 'yes', ...readers(3) },
    validates: [],
    may: {
      'plan.write': 'yes',
      'plan.approve': 'within the budget delegated to it',
      'story.approve': 'of low and medium risk',
      'budget.raise': 'inside its own envelope',
      'policy.change': 'as a proposal',
      'outside.talk': 'with approval',
    },
    escalatesTo: 'human',
  },
  'story-architect': {
    about: 'Turns epics into stories with acceptance criteria, contingencies and dependencies.',
    box: 'story-architect',
    model: 'opus',
    modelFloor: 'opus',
    runtime: 'claude-code',
    orderedBy: ['human', 'person-manager'],
    spawns: readers(6),
    validates: [],
    may: { 'plan.write': 'as a comment', 'story.write': 'yes' },
    escalatesTo: 'person-manager',
  },
  coordinator: {
    about: 'Splits approved stories into tasks, follows them, and judges whether their evidence fits the criteria.',
    box: 'coordinator',
    model: 'sonnet',
    models: { planning: 'opus', monitoring: 'sonnet' },
    modelFloor: 'sonnet',
    schedule: '0,30 * * * *',
    orderedBy: ['human', 'person-manager', 'story-architect'],
    spawns: { validator: 'request', 'task-manager': 'yes', ...readers(3) },
    validates: ['task-manager', 'worker-impl', 'worker-cmd'],
    may: {
      'plan.write': 'as a comment',
      'story.write': 'as a comment',
      'task.split': 'yes',
      'commands.run': 'to read',
      'verdict.layer2': 'yes',
    },
    escalatesTo: 'person-manager',
  },
  validator: {
    about: 'Tries to refute finished work independently of those who made it.',
    box: 'validator',
    model: 'opus',
    modelFloor: 'sonnet',
    schedule: '10,40 * * * *',
    orderedBy: ['human', 'coordinator'],
    spawns: { 'worker-cmd': 'yes', ...readers(2) },
    validates: ['coordinator', 'task-manager', 'worker-impl', 'worker-cmd'],
    may: {
      'plan.write': 'as a comment',
      'story.write': 'as a comment',
      'commands.run': 'in the sandbox, to read, and in its own worktree',
      'verdict.layer3': 'yes',
    },
    escalatesTo: 'person-manager',
  },
  'task-manager': {
    about: 'Hands ready tasks to workers and keeps them moving.',
    box: 'task-managers',
    model: 'haiku',
    schedule: '*/15 * * * *',
    orderedBy: ['human', 'coordinator'],
    spawns: { 'worker-impl': 'yes', 'worker-cmd': 'yes' },
    validates: [],
    may: { 'task.lease': 'yes' },
    escalatesTo: 'coordinator',
  },
  'worker-impl': {
    about: 'Does one task: tests first, then the work, then it submits.',
    box: 'workers',
    model: 'sonnet',
    models: { retry: 'opus' },
    modelFloor: 'sonnet',
    orderedBy: ['human', 'task-manager'],
    spawns: { 'worker-cmd': 'request' },
    validates: [],
    may: { 'files.edit': 'of its own task', 'commands.run': 'in the sandbox', 'task.submit': 'yes' },
    escalatesTo: 'task-manager',
  },
  'worker-cmd': {
    about: 'Runs the commands that its task lists, and nothing else.',
    box: 'workers',
    model: 'haiku',
    orderedBy: ['human', 'task-manager', 'validator', 'worker-impl'],
    spawns: {},
    validates: [],
    may: { 'commands.run': 'only those its task lists' },
    tools: { allow: ['exec_listed', 'report'] },
    escalatesTo: 'task-manager',
  },
  reviewer: { ...READER, about: 'Reads work of others with fresh eyes and says what is wrong.', escalatesTo: 'coordinator' },
  researcher: { ...READER, about: 'Finds something out and reports it.', escalatesTo: 'coordinator' },
};

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

export function spawnRightsOf(policies: RolePolicies): SpawnRights {
  return Object.fromEntries(ROLES.map((role) => [role, policies[role].spawns])) as SpawnRights; // one entry for each role
}

/** What a spawner may ask for; undefined is denied. `wanted` is null for a sub-agent without a role. */
export function spawnRight(rights: SpawnRights, spawner: Spawner, wanted: Role | null): SpawnRight | undefined {
  if (spawner === 'owner') return 'yes';
  if (spawner === 'plain') return 'request';
  return wanted === null ? undefined : rights[spawner][wanted];
}

const LINES = ['haiku', 'sonnet', 'opus'] as const;

/** The line of a model among those of its maker, where it belongs to one that we know. */
export function lineOf(model: string): (typeof LINES)[number] | undefined {
  return LINES[rank(model)];
}

/** Where a model stands among the lines of its maker, or -1 when it belongs to none that we know. */
function rank(model: string): number {
  return LINES.findIndex((line) => model.toLowerCase().includes(line));
}

interface ModelWish {
  readonly asked?: string | undefined;
  readonly taskType?: string | undefined;
}

/** The model for work in a role: what was asked for, by type of task, or the role's own; never below the role's floor. */
export function modelForRole(
  { model, models = {}, modelFloor }: RolePolicy,
  { asked, taskType }: ModelWish,
): { readonly model: string; readonly raised: boolean } {
  const byType = taskType !== undefined && Object.hasOwn(models, taskType) ? models[taskType] : undefined;
  const wanted = asked ?? byType ?? model;
  const isBelow = modelFloor !== undefined && rank(wanted) >= 0 && rank(wanted) < rank(modelFloor);
  return isBelow ? { model: modelFloor, raised: true } : { model: wanted, raised: false };
}
