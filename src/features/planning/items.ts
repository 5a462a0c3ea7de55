// What people and agents do with plans, epics and stories. Each step tells the role that must act next.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import {
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
import { riskOf, StoryInput } from '../../domain/story.ts';
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
import {
  addItem,
  countItems,
  findItem,
  hasItem,
  itemById,
  itemsBelow,
  type PlanItem,
  planOf,
  tasksOfStory,
  updateItem,
  viewItem,
  type Wake,
  wake,
} from './rows.ts';
import { plannerOf, wordsOf } from './who.ts';

export interface Named {
  readonly workspaceId: string;
  readonly name: string;
}
export interface By {
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
export function* allow(tx: Tx, row: PlanItemTable, action: ItemAction, { by, policies }: By): OpSteps<Planner> {
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
    const planner = yield* plannerOf(tx, workspaceId, by);
    const order = kind === 'plan' && planner.isOwners && by.runId !== null ? { order: (yield* wordsOf(tx, by.runId)).slice(0, 20_000) } : {};
    const whole = bodyOf(kind, {}, { ...body, ...order });
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
    if (added.state === 'ready') yield* wake(tx, added, yield* storiesFor(tx, added));
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

export function* storiesFor(tx: Tx, epic: PlanItemTable): OpSteps<Wake> {
  const plan = yield* tx.one(itemById, { id: epic.plan_id });
  const content = {
    epic: epic.name,
    title: epic.title,
    aim: (JSON.parse(epic.body) as { aim: string }).aim, // written by createItem
    plan: plan?.name,
    order: plan && planOf(plan).order,
    how: `Write stories with the plan tool (create, kind story, parent ${epic.name}), then submit each: lint says what is missing.`,
  };
  return { box: 'story-architect', subject: `Stories wanted: ${epic.name} ${epic.title}`, content, key: `stories:${epic.id}` };
}

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
    if (row.kind === 'plan' && planner.who !== 'human' && body['order'] !== undefined && body['order'] !== planOf(row).order)
      throw refuse('nobody but the owner changes his words');
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

export interface Decide extends Named, By {
  readonly reason: string;
}

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

export function* comment(tx: Tx, { id }: PlanItemTable, { actor, who }: Planner, text: string): OpSteps<void> {
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
