// What people can do with plans, epics and stories. Agents do the same with their plan tool, with the rights of their role.

import { z } from 'zod';
import { ITEM_KINDS } from '../../domain/plan.ts';
import { StoryInput } from '../../domain/story.ts';
import { rolePolicies } from '../../domain/team.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import type { Store } from '../../ports/store.ts';
import type { TaskView } from '../tasks/rows.ts';
import { factsOf } from './environment.ts';
import { abandonItem, type Changed, commentItem, createItem, editItem, getItem } from './items.ts';
import { approveItem, rejectItem, submitItem } from './review.ts';
import type { PlanItem } from './rows.ts';
import { dependTask, splitStory } from './split.ts';
import { type PlanNode, planTrees, type Shown, showItem } from './tree.ts';

const Item = z.custom<PlanItem>();
const Named = { name: z.string().min(1).max(200).describe('PLAN-1, EPIC-1, US-1, or its id.') };
const Title = z.string().trim().min(1).max(300);
const Body = z.record(z.string(), z.unknown());

export const CreateInput = z.strictObject({
  kind: z.enum(ITEM_KINDS),
  parent: z.string().max(200).optional().describe('The plan of an epic, the epic of a story.'),
  name: z
    .string()
    .regex(/^[A-Za-z][\w.-]{0,59}$/)
    .optional()
    .describe('Left out, one is given.'),
  title: Title,
  body: Body.default({}).describe(
    'plan: order, aim, outOfScope, risks, budget. epic: aim. story: value, repo, target, command, criteria, contingencies, dependencies.',
  ),
});
export const EditInput = z.strictObject({
  ...Named,
  title: Title.optional(),
  body: Body.default({}).describe('The fields that change.'),
  preview: z.boolean().default(false).describe('Only says which work it would void.'),
});
const Reason = z.string().trim().min(1).max(4000);
export const SplitInput = z.strictObject({
  ...Named,
  tasks: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][\w.-]{0,99}$/),
        title: Title,
        text: z.string().max(20_000).optional(),
        criteria: z.array(z.string()).min(1).max(100),
        paths: z.array(z.string().min(1).max(500)).min(1).max(200).optional(),
        stubs: z.boolean().optional().describe('RED may add stubs, so that tests of what is not there yet fail by what they assert.'),
        dependsOn: z.array(z.string()).max(100).optional(),
        budget: z.strictObject({ usd: z.number().positive().optional(), tokens: z.int().positive().optional() }).optional(),
      }),
    )
    .min(1)
    .max(200),
});
export type SplitTasks = z.infer<typeof SplitInput>['tasks'];

const of = (context: MethodContext) => ({
  workspaceId: context.workspaceId,
  by: { actor: context.principal.actor, runId: null },
  policies: rolePolicies(context.gateway.config().config),
});

/** Fields that a caller left out are left out. */
export function splitParts(tasks: SplitTasks) {
  return tasks.map(({ budget, ...part }) => ({
    ...part,
    ...(budget && { budget: { ...(budget.usd !== undefined && { usd: budget.usd }), ...(budget.tokens !== undefined && { tokens: budget.tokens }) } }),
  }));
}

/** What must be known of the machine to hand something over for review. */
export async function submitFacts(store: Store, programPath: string, named: { readonly workspaceId: string; readonly name: string }) {
  const { kind, body, updatedAt } = await store.call(getItem, named);
  const facts = kind === 'story' ? factsOf(StoryInput.parse(body), programPath) : { repo: undefined, missingPrograms: [] };
  return { facts, updatedAt };
}

export const plansCreate = method({
  name: 'plans.create',
  scope: 'operator.write',
  about: "Opens a plan with the owner's order, or writes an epic or a story under it. The role that must act next is told.",
  input: CreateInput,
  output: z.object({ item: Item }),
  run: async (context, input) => ({ item: await context.store.call(createItem, { ...of(context), ...input }) }),
});

export const plansEdit = method({
  name: 'plans.edit',
  scope: 'operator.write',
  about: 'Changes a plan, an epic or a story, and lists the work under way that this voids. A changed story is linted and reviewed again.',
  input: EditInput,
  output: z.custom<Changed>(),
  run: (context, input) => context.store.call(editItem, { ...of(context), ...input }),
});

export const plansSubmit = method({
  name: 'plans.submit',
  scope: 'operator.write',
  about: 'Hands a plan or a story over for review. A story must pass lint, which says what to write instead.',
  input: z.strictObject(Named),
  output: z.object({ item: Item }),
  run: async (context, { name }) => {
    const named = { workspaceId: context.workspaceId, name };
    return { item: await context.store.call(submitItem, { ...of(context), name, ...(await submitFacts(context.store, context.gateway.programPath, named)) }) };
  },
});

const decision = (name: string, about: string, op: typeof approveItem, scope: 'operator.approvals' | 'operator.write' = 'operator.approvals') =>
  method({
    name,
    scope,
    about,
    input: z.strictObject({ ...Named, reason: Reason.optional() }),
    output: z.object({ item: Item }),
    run: async (context, { name: item, reason }) => ({ item: await context.store.call(op, { ...of(context), name: item, reason: reason ?? '' }) }),
  });

export const plansApprove = decision(
  'plans.approve',
  'Approves a plan or a story that is in review, or accepts an epic or a story whose work is done.',
  approveItem,
);
export const plansReject = decision('plans.reject', 'Sends a plan or a story back to who wrote it, with a reason.', rejectItem);
export const plansComment = decision('plans.comment', 'Says something about a plan, an epic or a story.', commentItem, 'operator.write');

export const plansAbandon = method({
  name: 'plans.abandon',
  scope: 'operator.approvals',
  about: 'Gives up a plan, an epic or a story with all that stands under it: open tasks are cancelled, their workers stopped.',
  input: z.strictObject({ ...Named, reason: Reason, preview: z.boolean().default(false) }),
  output: z.custom<Changed>(),
  run: (context, input) => context.store.call(abandonItem, { ...of(context), ...input }),
});

export const plansShow = method({
  name: 'plans.show',
  scope: 'operator.read',
  about: 'A plan, an epic or a story with what lint and people say of it, and all that stands under it.',
  input: z.strictObject(Named),
  output: z.custom<Shown>(),
  run: ({ store, workspaceId }, named) => store.call(showItem, { workspaceId, ...named }),
});

export const plansTree = method({
  name: 'plans.tree',
  scope: 'operator.read',
  about: 'All plans with their epics, stories and tasks, and the state of each.',
  input: z.strictObject({}),
  output: z.object({ plans: z.array(z.custom<PlanNode>()) }),
  run: async ({ store, workspaceId }) => ({ plans: await store.call(planTrees, { workspaceId }) }),
});

export const plansSplit = method({
  name: 'plans.split',
  scope: 'operator.write',
  about: 'Splits an approved story into tasks. Each task takes criteria of the story as what it must prove, and waits for the tasks that it depends on.',
  input: SplitInput,
  output: z.object({ tasks: z.array(z.custom<TaskView>()) }),
  run: async (context, { name, tasks }) => ({ tasks: await context.store.call(splitStory, { ...of(context), name, tasks: splitParts(tasks) }) }),
});

export const tasksDepend = method({
  name: 'tasks.depend',
  scope: 'operator.write',
  about: 'Says which tasks must be done before one is ready, in place of what was said before. A circle is refused, with the whole way round.',
  input: z.strictObject({ name: z.string().min(1).max(200), project: z.string().max(80).optional(), on: z.array(z.string().min(1).max(200)).max(100) }),
  output: z.object({ task: z.custom<TaskView>() }),
  run: async (context, input) => ({ task: await context.store.call(dependTask, { ...of(context), ...input }) }),
});
