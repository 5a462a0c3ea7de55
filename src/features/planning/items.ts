// What people and agents do with plans, epics and stories. Each step tells the role that must act next.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import {
  cycleFrom,
  decidePlanning,
  EpicInput,
  type ItemAction,
  type ItemKind,
  type ItemState,
  isItemApproved,
  isItemClosed,
  NAME_OF,
  PARENT_OF,
  PlanInput,
  type Planner,
  stateAfterEdit,
} from '../../domain/plan.ts';
import type { RolePolicies } from '../../domain/role.ts';
import { lintStory, riskOf, type StoryFacts, StoryInput, waitedStories } from '../../domain/story.ts';
import { isClosed } from '../../domain/task.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { PlanCommentTable, PlanItemTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { stopRuns } from '../runs/end.ts';
import { runById } from '../runs/rows.ts';
import { resumeFrom } from '../tasks/lease.ts';
import { updateTask } from '../tasks/rows.ts';
import { supersede } from '../validation/proving.ts';
import type { Asker } from '../validation/rows.ts';
import { closeAbove } from './flow.ts';
import {
  addItem,
  childrenOf,
  countItems,
  findItem,
  hasItem,
  itemById,
  itemsBelow,
  type PlanItem,
  planOf,
  storyOf,
  tasksOfStory,
  updateItem,
  viewItem,
  wake,
} from './rows.ts';
import { plannerOf } from './who.ts';

export interface Named {
  readonly workspaceId: string;
  readonly name: string;
}
interface By {
  readonly by: Asker;
  readonly policies: RolePolicies;
}

const insertComment = statement<PlanCommentTable>()((db, p) => db.insertInto('plan_comment').values(pick(p, 'id', 'item_id', 'actor', 'who', 'text', 'at')));
const BODY = { plan: PlanInput, epic: EpicInput, story: StoryInput } as const;

/** The whole body, of what was there and what is new. @throws Fault `request.refused` */
function bodyOf(kind: ItemKind, before: unknown, change: Readonly<Record<string, unknown>>) {
  const parsed = BODY[kind].safeParse({ ...(before as object), ...change });
  if (!parsed.success) throw fault('request.refused', { reason: z.prettifyError(parsed.error) });
  return parsed.data;
}

/** @throws Fault `plan.refused` */
function* allow(tx: Tx, row: PlanItemTable, action: ItemAction, { by, policies }: By): OpSteps<Planner> {
  const planner = yield* plannerOf(tx, row.workspace_id, by);
  const plan = row.kind === 'plan' ? row : yield* tx.one(itemById, { id: row.plan_id });
  const facts = {
    kind: row.kind,
    state: row.state,
    risk: row.risk,
    author: JSON.parse(row.author) as Planner, // written here
    origin: row.origin,
    usd: (plan && planOf(plan).budget.usd) ?? null,
  };
  const decision = decidePlanning(policies, planner, action, facts);
  if (!decision.ok) throw fault('plan.refused', { name: row.name, action, rule: decision.rule });
  return planner;
}

interface NewItem extends By {
  readonly workspaceId: string;
  readonly kind: ItemKind;
  /** The plan of an epic, the epic of a story. */
  readonly parent?: string | undefined;
  readonly name?: string | undefined;
  readonly title: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** @throws Fault `plan.exists`, `plan.not_found`, `plan.parent`, `plan.refused`, `request.refused` */
export const createItem = txOp(
  'plans.create',
  function* (tx, { workspaceId, kind, parent, title, body, by, policies, ...wanted }: NewItem): OpSteps<PlanItem> {
    const name = wanted.name ?? (yield* freeName(tx, workspaceId, kind));
    if (yield* hasItem(tx, { workspaceId, name })) throw fault('plan.exists', { name });
    const above = PARENT_OF[kind];
    if (above !== null && parent === undefined) throw fault('plan.parent', { kind, parent: above, name: 'nothing' });
    const under = above === null ? undefined : yield* findItem(tx, { workspaceId, name: parent ?? '' });
    if (under && under.kind !== above) throw fault('plan.parent', { kind, parent: above, name: under.name });
    const id = tx.newId('plan');
    const whole = bodyOf(kind, {}, body);
    const planner = yield* plannerOf(tx, workspaceId, by);
    const row: PlanItemTable = {
      id,
      workspace_id: workspaceId,
      kind,
      parent_id: under?.id ?? null,
      plan_id: under?.plan_id ?? id,
      name,
      title,
      state: kind === 'epic' && under && isItemApproved(under.state) ? 'ready' : 'draft',
      risk: kind === 'story' ? riskOf(StoryInput.parse(whole)) : 'low',
      body: JSON.stringify(whole),
      author: JSON.stringify(planner),
      origin: under?.origin ?? (planner.isOwners ? 'owner' : 'proposal'),
      findings: '[]',
      created_at: tx.now,
      updated_at: tx.now,
    };
    yield* allow(tx, row, 'create', { by, policies });
    if (under && isItemClosed(under.state)) throw fault('plan.refused', { name, action: 'create', rule: `${under.name} is ${under.state}` });
    const added = yield* addItem(tx, row, planner.actor);
    if (kind === 'plan' && planner.who !== 'person-manager') yield* wake(tx, added, orderTo(added));
    if (added.state === 'ready') yield* wake(tx, added, storiesFor(added));
    return viewItem(added);
  },
  { worker: true },
);

function* freeName(tx: Tx, workspaceId: string, kind: ItemKind): OpSteps<string> {
  for (let n = (yield* countItems(tx, workspaceId, kind)) + 1; ; n += 1) {
    const name = `${NAME_OF[kind]}-${n}`;
    if (!(yield* hasItem(tx, { workspaceId, name }))) return name;
  }
}

const orderTo = (plan: PlanItemTable) => ({
  box: 'person-manager',
  subject: `Order: ${plan.name} ${plan.title}`,
  content: {
    plan: plan.name,
    title: plan.title,
    orderedBy: plan.origin,
    order: planOf(plan).order,
    budget: planOf(plan).budget,
    how: `Complete it with the plan tool: edit ${plan.name} (body: aim, outOfScope, risks), create its epics (kind epic, parent ${plan.name}), submit, and approve it where you may.`,
  },
  key: `order:${plan.id}`,
});

const storiesFor = (epic: PlanItemTable) => ({
  box: 'story-architect',
  subject: `Stories wanted: ${epic.name} ${epic.title}`,
  content: {
    epic: epic.name,
    title: epic.title,
    aim: (JSON.parse(epic.body) as { aim: string }).aim, // written by createItem
    how: `Write stories with the plan tool (create, kind story, parent ${epic.name}), then submit each: lint says what is missing.`,
  },
  key: `stories:${epic.id}`,
});

/** Work under way that a change voids or touches. */
export interface Affected {
  readonly task: string;
  readonly project: string;
  readonly state: TaskTable['state'];
  readonly runId: string | null;
}

export interface Changed {
  readonly item: PlanItem;
  readonly voids: readonly Affected[];
}

interface Edit extends Named, By {
  readonly title?: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  /** Only says what it would void. */
  readonly preview: boolean;
}

/** A change. That of a story voids what was done for it; that of a plan lists what goes on under it. @throws Fault `plan.not_found`, `plan.refused`, `request.refused` */
export const editItem = txOp(
  'plans.edit',
  function* (tx, { by, policies, title, body, preview, ...named }: Edit): OpSteps<Changed> {
    const row = yield* findItem(tx, named);
    const planner = yield* allow(tx, row, 'edit', { by, policies });
    const refuse = (rule: string) => fault('plan.refused', { name: row.name, action: 'edit', rule });
    if (row.kind === 'plan' && planner.who !== 'human' && isItemApproved(row.state))
      throw refuse('an approved plan is changed by the owner; say what you would change with a comment');
    const whole = bodyOf(row.kind, JSON.parse(row.body), body);
    const changed = { title: title ?? row.title, body: JSON.stringify(whole) };
    const isSame = changed.title === row.title && changed.body === row.body;
    const voids = isSame ? [] : yield* openWork(tx, row);
    if (preview || isSame) return { item: viewItem(row), voids: voids.map(affected) };
    if (row.kind === 'story') yield* voidWork(tx, voids, planner.actor, `${row.name} was changed`, 'draft');
    const state = stateAfterEdit(row.kind, row.state);
    const risk = row.kind === 'story' ? riskOf(StoryInput.parse(whole)) : row.risk;
    const author = row.kind === 'plan' ? row.author : JSON.stringify(planner);
    const next = yield* updateItem(tx, row, { ...changed, risk, state, author, findings: '[]' }, planner.actor, 'edited');
    if (row.kind === 'plan') for (const task of voids) yield* resumeFrom(tx, task, 'budget', planner.actor);
    return { item: viewItem(next), voids: voids.map(affected) };
  },
  { worker: true },
);

const affected = ({ name, project, state, run_id }: TaskTable): Affected => ({ task: name, project, state, runId: run_id });

function* openWork(tx: Tx, row: PlanItemTable): OpSteps<TaskTable[]> {
  const stories =
    row.kind === 'story'
      ? [row]
      : (yield* itemsBelow(tx, row.plan_id)).filter((one) => one.kind === 'story' && (row.kind === 'plan' || one.parent_id === row.id));
  const open: TaskTable[] = [];
  for (const { id } of stories) open.push(...(yield* tx.all(tasksOfStory, { id })).filter(({ state }) => !isClosed(state) && state !== 'draft'));
  return open;
}

/** @throws Fault `plan.refused` while one of it is being merged */
function* voidWork(tx: Tx, tasks: readonly TaskTable[], actor: string, why: string, state: 'draft' | 'cancelled'): OpSteps<void> {
  const merging = tasks.find((task) => task.state === 'merging');
  if (merging) throw fault('plan.refused', { name: merging.name, action: 'change', rule: 'it is being merged at this moment: try again when that is over' });
  for (const task of tasks) {
    yield* supersede(tx, task);
    yield* updateTask(tx, task, { state, spec: state === 'draft' ? null : task.spec, request_id: null, run_id: null }, actor, why);
    const run = task.run_id === null ? undefined : yield* tx.one(runById, { id: task.run_id });
    if (run) yield* stopRuns(tx, [run], actor, 'voided');
  }
}

interface Submit extends Named, By {
  readonly facts: Omit<StoryFacts, 'unknownStories'>;
  /** The version that the facts are about. */
  readonly updatedAt: number;
}

/** Hands something over for review; a story only when lint finds nothing. @throws Fault `plan.not_found`, `plan.refused` */
export const submitItem = txOp(
  'plans.submit',
  function* (tx, { by, policies, facts, updatedAt, ...named }: Submit): OpSteps<PlanItem> {
    const row = yield* findItem(tx, named);
    const planner = yield* allow(tx, row, 'submit', { by, policies });
    const refuse = (rule: string) => fault('plan.refused', { name: row.name, action: 'submit', rule });
    if (row.updated_at !== updatedAt) throw refuse('it was changed in this moment: look at it, and submit again');
    if (row.kind === 'epic') throw refuse('an epic is approved with its plan');
    if (row.kind === 'plan') {
      if (planOf(row).aim === '') throw refuse('it has no aim: edit it first (body: aim)');
      const next = yield* updateItem(tx, row, { state: 'in_review' }, planner.actor);
      const byManager = decidePlanning(policies, { ...planner, who: 'person-manager' }, 'approve', { ...viewItem(next), usd: planOf(next).budget.usd ?? null });
      if (!byManager.ok) yield* wake(tx, next, reviewBy('owner', next));
      return viewItem(next);
    }
    const findings = lintStory(storyOf(row), { ...facts, unknownStories: yield* unknownStories(tx, row) });
    const next = yield* updateItem(tx, row, { state: findings.length > 0 ? 'lint_failed' : 'in_review', findings: JSON.stringify(findings) }, planner.actor);
    if (findings.length === 0) yield* wake(tx, next, reviewBy(next.risk === 'high' ? 'owner' : 'person-manager', next));
    return viewItem(next);
  },
  { worker: true },
);

/** @throws Fault `plan.cycle` when stories wait for each other */
function* unknownStories(tx: Tx, row: PlanItemTable): OpSteps<string[]> {
  const stories = (yield* itemsBelow(tx, row.plan_id)).filter(({ kind }) => kind === 'story');
  const waitsFor = new Map(stories.map((story) => [story.name, waitedStories(storyOf(story))]));
  const cycle = cycleFrom(row.name, (name) => waitsFor.get(name) ?? []);
  if (cycle) throw fault('plan.cycle', { path: cycle.join(' → ') });
  return (waitsFor.get(row.name) ?? []).filter((name) => !waitsFor.has(name));
}

const reviewBy = (box: 'owner' | 'person-manager', row: PlanItemTable) => ({
  box,
  subject: `Review: ${row.name} ${row.title}`,
  content: {
    [row.kind]: row.name,
    title: row.title,
    risk: row.risk,
    how:
      box === 'owner'
        ? `clawdbot ${row.kind} show ${row.name}, then approve or reject it.`
        : `Read it with the plan tool (show ${row.name}), then approve or reject it with a reason.`,
  },
  key: `review:${row.id}`,
});

interface Decide extends Named, By {
  readonly reason: string;
}

/** @throws Fault `plan.not_found`, `plan.refused` */
export const approveItem = txOp(
  'plans.approve',
  function* (tx, { by, policies, reason, ...named }: Decide): OpSteps<PlanItem> {
    const row = yield* findItem(tx, named);
    const planner = yield* allow(tx, row, 'approve', { by, policies });
    if (row.state === 'accepting') {
      if (row.kind === 'story' && planner.who !== 'human') throw fault('plan.refused', { name: row.name, action: 'approve', rule: 'its criteria ask a human' });
      const done = yield* updateItem(tx, row, { state: 'done' }, planner.actor, reason);
      yield* closeAbove(tx, done, planner.actor);
      return viewItem(done);
    }
    if (row.kind === 'epic') throw fault('plan.refused', { name: row.name, action: 'approve', rule: 'an epic is approved with its plan' });
    const next = yield* updateItem(tx, row, { state: 'approved' }, planner.actor, reason);
    if (row.kind === 'story') yield* wake(tx, next, splitOf(next));
    else
      for (const epic of yield* tx.all(childrenOf, { id: row.id }))
        if (epic.state === 'draft')
          yield* wake(tx, yield* updateItem(tx, epic, { state: 'ready' }, planner.actor, `${row.name} is approved`), storiesFor(epic));
    return viewItem(next);
  },
  { worker: true },
);

const splitOf = (story: PlanItemTable) => ({
  box: 'coordinator',
  subject: `Split: ${story.name} ${story.title}`,
  content: {
    story: story.name,
    title: story.title,
    risk: story.risk,
    how: `Read it (plan tool, show ${story.name}), then split it: action split, name ${story.name}, tasks [{ name, title, text, criteria [ids], paths, dependsOn [names] }]. Every criterion needs a task.`,
  },
  key: `split:${story.id}`,
});

/** Sends something back to who wrote it. @throws Fault `plan.not_found`, `plan.refused` */
export const rejectItem = txOp(
  'plans.reject',
  function* (tx, { by, policies, reason, ...named }: Decide): OpSteps<PlanItem> {
    const row = yield* findItem(tx, named);
    const planner = yield* allow(tx, row, 'reject', { by, policies });
    const next = yield* updateItem(tx, row, { state: 'draft' }, planner.actor, reason);
    yield* comment(tx, row, planner, reason);
    const box = row.kind === 'story' ? 'story-architect' : 'person-manager';
    yield* wake(tx, next, { box, subject: `Sent back: ${row.name} ${row.title}`, content: { [row.kind]: row.name, reason }, key: `back:${row.id}` });
    return viewItem(next);
  },
  { worker: true },
);

const GIVEN_UP: Readonly<Record<ItemKind, ItemState>> = { plan: 'abandoned', epic: 'abandoned', story: 'rejected' };

/** Gives something up with all that stands under it. @throws Fault `plan.not_found`, `plan.refused` */
export const abandonItem = txOp(
  'plans.abandon',
  function* (tx, { by, policies, reason, preview, ...named }: Decide & { readonly preview: boolean }): OpSteps<Changed> {
    const row = yield* findItem(tx, named);
    const planner = yield* allow(tx, row, 'abandon', { by, policies });
    const below = (yield* itemsBelow(tx, row.plan_id)).filter((one) => row.kind === 'plan' || one.id === row.id || one.parent_id === row.id);
    const tasks: TaskTable[] = [];
    for (const { id } of below) tasks.push(...(yield* tx.all(tasksOfStory, { id })).filter(({ state }) => !isClosed(state)));
    if (preview) return { item: viewItem(row), voids: tasks.map(affected) };
    yield* voidWork(tx, tasks, planner.actor, `${row.name} was given up: ${reason}`, 'cancelled');
    for (const item of below) if (!isItemClosed(item.state)) yield* updateItem(tx, item, { state: GIVEN_UP[item.kind] }, planner.actor, reason);
    return { item: viewItem(yield* findItem(tx, named)), voids: tasks.map(affected) };
  },
  { worker: true },
);

function* comment(tx: Tx, { id }: PlanItemTable, { actor, who }: Planner, text: string): OpSteps<void> {
  yield* tx.run(insertComment, { id: tx.newId('note'), item_id: id, actor, who, text, at: tx.now });
}

/** @throws Fault `plan.not_found`, `plan.refused` */
export const commentItem = txOp(
  'plans.comment',
  function* (tx, { by, policies, reason, ...named }: Decide): OpSteps<PlanItem> {
    const row = yield* findItem(tx, named);
    const planner = yield* allow(tx, row, 'comment', { by, policies });
    yield* comment(tx, row, planner, reason);
    const box = row.kind === 'story' ? 'story-architect' : 'person-manager';
    if (planner.who !== box)
      yield* wake(
        tx,
        { ...row, updated_at: tx.now },
        {
          box,
          type: 'notification',
          subject: `Comment: ${row.name}`,
          content: { [row.kind]: row.name, by: planner.who, text: reason },
          key: `comment:${row.id}`,
        },
      );
    return viewItem(row);
  },
  { worker: true },
);

export const getItem = readOp(
  'plans.get',
  function* (tx, named: Named): OpSteps<PlanItem> {
    return viewItem(yield* findItem(tx, named));
  },
  { worker: true },
);
