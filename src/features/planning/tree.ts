// Plans as people look at them: one with all that stands under it, and where it is.

import type { ItemKind, ItemState } from '../../domain/plan.ts';
import type { Money } from '../../domain/run.ts';
import type { TaskState } from '../../domain/task.ts';
import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';
import type { PlanItemTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { dependenciesOf } from '../tasks/dependencies.ts';
import type { Named } from './items.ts';
import { allPlans, findItem, itemsBelow, type PlanItem, tasksOfStory, viewItem } from './rows.ts';

export interface TaskNode {
  readonly name: string;
  readonly project: string;
  readonly title: string;
  readonly state: TaskState;
  readonly attempts: number;
  readonly dependsOn: readonly string[];
  readonly blocked: { readonly owner: string; readonly action: string } | null;
  readonly budget: Money | null;
}

export interface PlanNode {
  readonly name: string;
  readonly kind: ItemKind;
  readonly title: string;
  readonly state: ItemState;
  readonly below: readonly PlanNode[];
  readonly tasks: readonly TaskNode[];
}

export interface Comment {
  readonly who: string;
  readonly text: string;
  readonly at: number;
}

const commentsOf = statement<{ itemId: string }>()((db, p) =>
  db.selectFrom('plan_comment').select(['who', 'text', 'at']).where('item_id', '=', p.itemId).orderBy('at').orderBy('id'),
);

function* nodeOf(tx: Tx, row: PlanItemTable, all: readonly PlanItemTable[]): OpSteps<PlanNode> {
  const below: PlanNode[] = [];
  for (const child of all) if (child.parent_id === row.id) below.push(yield* nodeOf(tx, child, all));
  const tasks: TaskNode[] = [];
  if (row.kind === 'story') for (const task of yield* tx.all(tasksOfStory, { id: row.id })) tasks.push(yield* taskNode(tx, task));
  return { name: row.name, kind: row.kind, title: row.title, state: row.state, below, tasks };
}

function* taskNode(tx: Tx, task: TaskTable): OpSteps<TaskNode> {
  return {
    name: task.name,
    project: task.project,
    title: task.title,
    state: task.state,
    attempts: task.attempts,
    dependsOn: (yield* dependenciesOf(tx, task)).map(({ name }) => name),
    blocked: task.blocked === null ? null : (JSON.parse(task.blocked) as { owner: string; action: string }), // written by tasks/ops
    budget: task.budget === null ? null : (JSON.parse(task.budget) as Money), // written by splitStory
  };
}

export interface Shown {
  readonly item: PlanItem;
  readonly comments: readonly Comment[];
  readonly node: PlanNode;
}

/** One plan, epic or story with what was said of it and all that stands under it. @throws Fault `plan.not_found` */
export const showItem = readOp(
  'plans.show',
  function* (tx, named: Named): OpSteps<Shown> {
    const row = yield* findItem(tx, named);
    return { item: viewItem(row), comments: yield* tx.all(commentsOf, { itemId: row.id }), node: yield* nodeOf(tx, row, yield* itemsBelow(tx, row.plan_id)) };
  },
  { worker: true },
);

/** All plans with all that stands under them. */
export const planTrees = readOp(
  'plans.trees',
  function* (tx, { workspaceId }: { readonly workspaceId: string }): OpSteps<PlanNode[]> {
    const nodes: PlanNode[] = [];
    for (const plan of yield* allPlans(tx, workspaceId)) nodes.push(yield* nodeOf(tx, plan, yield* itemsBelow(tx, plan.id)));
    return nodes;
  },
  { worker: true },
);

/** Every item of a plan as a whole, in the order in which they were written: for export. */
export const planItems = readOp('plans.items', function* (tx, named: Named): OpSteps<PlanItem[]> {
  return (yield* itemsBelow(tx, (yield* findItem(tx, named)).plan_id)).map(viewItem);
});
