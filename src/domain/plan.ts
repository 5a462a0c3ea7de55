// Plans, epics and stories: what is wanted, in three sizes. Their states, and who may move them. Tasks stand below a story.

import { z } from 'zod';
import type { Risk } from './proof.ts';
import { isRole, type RolePolicies } from './role.ts';

export const ITEM_KINDS = ['plan', 'epic', 'story'] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

export const ITEM_STATES = {
  plan: ['draft', 'in_review', 'approved', 'active', 'completed', 'abandoned'],
  epic: ['draft', 'ready', 'in_progress', 'accepting', 'done', 'abandoned'],
  story: ['draft', 'lint_failed', 'in_review', 'approved', 'in_progress', 'accepting', 'done', 'rejected'],
} as const satisfies Readonly<Record<ItemKind, readonly string[]>>;
export type ItemState = (typeof ITEM_STATES)[ItemKind][number];

const CLOSED: ReadonlySet<ItemState> = new Set(['completed', 'abandoned', 'done', 'rejected']);
/** What is built on: work below it may go on. */
const APPROVED: ReadonlySet<ItemState> = new Set(['approved', 'active', 'ready', 'in_progress', 'accepting']);

export function isItemClosed(state: ItemState): boolean {
  return CLOSED.has(state);
}

export function isItemApproved(state: ItemState): boolean {
  return APPROVED.has(state);
}

export const PARENT_OF: Readonly<Record<ItemKind, ItemKind | null>> = { plan: null, epic: 'plan', story: 'epic' };
export const NAME_OF: Readonly<Record<ItemKind, string>> = { plan: 'PLAN', epic: 'EPIC', story: 'US' };

export const ITEM_ACTIONS = ['create', 'edit', 'submit', 'approve', 'reject', 'abandon', 'comment'] as const;
export type ItemAction = (typeof ITEM_ACTIONS)[number];

/** Whose word opened a plan: the owner's, or that of somebody who proposes it. */
export type Origin = 'owner' | 'proposal';

/** Somebody who wants to change a plan, as the gateway knows him. */
export interface Planner {
  readonly actor: string;
  readonly sessionKey: string | null;
  /** `human`, a role, `assistant` for an agent without a role that the owner talks to, `nobody`. */
  readonly who: string;
  /** The owner himself ordered it, at a door that knows him. */
  readonly isOwners: boolean;
}

export interface ItemFacts {
  readonly kind: ItemKind;
  readonly state: ItemState;
  readonly risk: Risk;
  readonly author: Planner;
  readonly origin: Origin;
  /** What the plan may spend; null where it says nothing. */
  readonly usd: number | null;
}

export type PlanDecision = { readonly ok: true } | { readonly ok: false; readonly rule: string };

const FROM: Readonly<Record<ItemAction, ReadonlySet<ItemState> | 'open'>> = {
  create: 'open',
  edit: 'open',
  comment: 'open',
  submit: new Set(['draft', 'lint_failed']),
  approve: new Set(['in_review', 'accepting']),
  reject: new Set(['in_review', 'lint_failed']),
  abandon: 'open',
};

/** Plans that a person manager may approve without the owner cost no more than this, unless the policy says otherwise. */
const DELEGATED_USD = 20;

/** What an agent without a role may do when the owner tells it to. Approvals are his own. */
const FOR_THE_OWNER: ReadonlySet<ItemAction> = new Set(['create', 'edit', 'submit', 'comment']);

/** Whether somebody may do something with a plan, an epic or a story. */
export function decidePlanning(policies: RolePolicies, by: Planner, action: ItemAction, item: ItemFacts): PlanDecision {
  const deny = (rule: string): PlanDecision => ({ ok: false, rule });
  const { kind, state } = item;
  const from = FROM[action];
  if (isItemClosed(state)) return deny(`what is ${state} stays so`);
  if (from !== 'open' && !from.has(state)) return deny(`it is ${state}; ${action} takes one that is ${[...from].join(' or ')}`);
  if (by.who === 'human') return { ok: true };
  if (by.who === 'assistant') return FOR_THE_OWNER.has(action) ? { ok: true } : deny(`the owner has to ${action} it himself: clawdbot ${kind} ${action}`);
  if (!isRole(by.who)) return deny('an order counts when the owner gives it at a door that knows him; this came from somewhere else');
  const { may, limits } = policies[by.who];
  const right = kind === 'story' ? may['story.write'] : may['plan.write'];
  if (action === 'comment') return right === undefined ? deny(`roles.${by.who}.may lists no comment on a ${kind}`) : { ok: true };
  if (action === 'approve') {
    const approves = kind === 'story' ? may['story.approve'] : may['plan.approve'];
    if (approves === undefined) return deny(`roles.${by.who}.may does not list ${kind === 'story' ? 'story.approve' : 'plan.approve'}`);
    if (kind === 'story' && isAuthor(by, item.author)) return deny('nobody approves his own story');
    if (kind === 'story') return item.risk === 'high' ? deny('a story of high risk is approved by a human') : { ok: true };
    if (item.origin !== 'owner') return deny('a plan that the owner did not order is approved by the owner');
    const most = limits?.approvesUsd ?? DELEGATED_USD;
    if (item.usd === null || item.usd > most)
      return deny(`a plan ${item.usd === null ? 'without a budget' : `of $${item.usd}`} is approved by the owner (delegated: up to $${most})`);
    return { ok: true };
  }
  if (action === 'reject' && kind === 'story' && may['story.approve'] !== undefined) return { ok: true };
  if (right === undefined || right.includes('comment')) return deny(`roles.${by.who}.may does not list ${kind === 'story' ? 'story.write' : 'plan.write'}`);
  return { ok: true };
}

function isAuthor(by: Planner, author: Planner): boolean {
  return by.actor === author.actor || (by.sessionKey !== null && by.sessionKey === author.sessionKey);
}

/** Where an edit leads: a story whose criteria change is looked at again. A plan under way stays so; what it voids is listed. */
export function stateAfterEdit(kind: ItemKind, state: ItemState): ItemState {
  if (kind === 'story') return 'draft';
  if (kind === 'plan' && state === 'in_review') return 'draft';
  return state;
}

/** The way through what waits for what that comes back to its beginning, or null. */
export function cycleFrom(start: string, next: (name: string) => readonly string[]): readonly string[] | null {
  const seen = new Set<string>();
  const walk = (at: string, path: readonly string[]): readonly string[] | null => {
    for (const on of next(at)) {
      if (on === start) return [...path, on];
      if (seen.has(on)) continue;
      seen.add(on);
      const found = walk(on, [...path, on]);
      if (found) return found;
    }
    return null;
  };
  return walk(start, [start]);
}

const prose = (most: number) => z.string().trim().max(most).default('');

export const PlanInput = z.strictObject({
  order: prose(20_000).describe('The words of the owner, as he said them.'),
  aim: prose(4000).describe('What is there at the end that is not there now.'),
  outOfScope: prose(4000),
  risks: prose(4000),
  budget: z
    .strictObject({ usd: z.number().positive().optional(), tokens: z.int().positive().optional() })
    .default({})
    .describe('Most that all work under it may spend.'),
});
export type PlanBody = z.infer<typeof PlanInput>;

export const EpicInput = z.strictObject({ aim: prose(4000) });
export type EpicBody = z.infer<typeof EpicInput>;
