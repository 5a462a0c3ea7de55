// A task of the team: its states, and who may move it. Plans, stories and proofs stand above it.

import { type Action, isRole, type RolePolicies } from './role.ts';

export const TASK_STATES = [
  'draft',
  'ready',
  'leased',
  'working',
  'submitted',
  'proving',
  'in_validation',
  'validated',
  'merging',
  'done',
  'blocked',
  'parked',
  'cancelled',
  'closed_unproven',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

const CLOSED: ReadonlySet<TaskState> = new Set(['done', 'cancelled', 'closed_unproven']);

export function isClosed(state: TaskState): boolean {
  return CLOSED.has(state);
}

export interface Blocked {
  readonly owner: string;
  readonly action: string;
  /** Epoch ms. */
  readonly recheckAt: number;
  /** What must end so that it goes on by itself: `budget`, or an incident by its id. */
  readonly cause?: string;
}

/** After these attempts a task is parked: somebody must look at it. */
export const TASK_ATTEMPTS = 3;

/** What a move to a state takes: a right, or more than any role has. */
const TAKES: Readonly<Record<TaskState, Action | { readonly only: string }>> = {
  draft: 'task.split',
  ready: 'task.split',
  leased: 'task.lease',
  working: 'task.submit',
  submitted: 'task.submit',
  proving: { only: 'the gateway alone proves' },
  in_validation: { only: 'a task comes into validation by its proof' },
  validated: { only: 'validated is the verdict of a layer, never a state that somebody sets' },
  merging: { only: 'the gateway alone merges' },
  done: { only: 'the gateway alone sets a task done, after its proof' },
  blocked: 'task.submit',
  parked: 'task.lease',
  cancelled: 'task.split',
  closed_unproven: { only: 'complete is set by the gateway after a proof; only an import closes a task without one' },
};

export type TaskMove = { readonly ok: true } | { readonly ok: false; readonly rule: string };

/** Whether somebody may move a task from one state to another. */
export function decideTaskMove(policies: RolePolicies, who: string, from: TaskState, to: TaskState): TaskMove {
  if (from === to) return { ok: true };
  if (isClosed(from)) return { ok: false, rule: `a task that is ${from} stays so` };
  if (from === 'merging') return { ok: false, rule: 'the gateway is merging it: what comes of that decides' };
  const takes = TAKES[to];
  if (typeof takes !== 'string') return { ok: false, rule: takes.only };
  if (who === 'human') return { ok: true };
  if (!isRole(who)) return { ok: false, rule: `${who} has no role in the team` };
  const { may } = policies[who];
  const allowed = may[takes] !== undefined || may['task.split'] !== undefined || (to === 'ready' && may['task.lease'] !== undefined);
  return allowed ? { ok: true } : { ok: false, rule: `roles.${who}.may does not list ${takes}` };
}

const SAID: readonly (readonly [RegExp, TaskState])[] = [
  [/cancel|abandon|drop|obsolete|won'?t|superseded|duplicate|removed|deprecated/, 'cancelled'],
  [
    /needs?[- _]?valid|awaiting[- _]?valid|pending[- _]?valid|ready[- _]?for[- _]?(valid|review|qa)|self[- _]?valid|in[- _]?review|await\w*[- _]?review|testing|submitted/,
    'submitted',
  ],
  [/invalid|reject|refut|fail|redo|rework|broken|revert|regress/, 'ready'],
  [/not[- _]?(started|done|complete)|incomplete|todo|to do|pending|queued|planned|backlog|ready|open|new|unassigned|next|upcoming|📋|⏳|🔜|⬜|🆕/, 'ready'],
  [/block|wait|hold|stuck|depend|paused|⏸|🚧|🛑|🔴|⛔|🚫/, 'blocked'],
  [/in[- _]?progress|working|active|running|started|ongoing|wip|implement|spawn|assigned|partial|resum|🔄|🏃|🔨|🟡|▶|🔵/, 'working'],
  [/validated|verified|approved|complete|done|finish|closed|merged|shipped|deployed|pass|success|resolved|✅|✔|☑|🎉|🟢|💯/, 'closed_unproven'],
];

/**
 * The state that a status in somebody's own words stands for; null when nobody can tell.
 * Work that says it is complete is closed without proof: a claim.
 */
export function stateOfWords(written: string): TaskState | null {
  const text = written.toLowerCase();
  const isHedged = /condition|caveat|partial|mixed|except|pending|mostly|\bbut\b|%/.test(text) && /complete|done|pass|valid/.test(text) && !/100 ?%/.test(text);
  if (isHedged) return /valid/.test(text) && /need|pending|await/.test(text) ? 'submitted' : 'working';
  return SAID.find(([words]) => words.test(text))?.[1] ?? null;
}
