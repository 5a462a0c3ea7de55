// Plans, epics and stories as rows of the store: found by name, written with an event in their own stream.

import { fault } from '../../domain/fault-codes.ts';
import type { EpicBody, ItemKind, ItemState, Origin, PlanBody, Planner } from '../../domain/plan.ts';
import type { Risk } from '../../domain/proof.ts';
import type { Finding, Story } from '../../domain/story.ts';
import { isClosed, TASK_STATES } from '../../domain/task.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { PlanItemTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { appendEvent } from '../events/ops.ts';
import { type Boxes, boxNamed } from '../inbox/mail.ts';
import { type NewMessage, noticeOf, takeMessage } from '../inbox/ops.ts';
import { readSetting } from '../settings/ops.ts';

export type ItemBody = PlanBody | EpicBody | Story;

export interface PlanItem {
  readonly id: string;
  readonly kind: ItemKind;
  readonly name: string;
  readonly title: string;
  readonly state: ItemState;
  readonly risk: Risk;
  readonly parentId: string | null;
  readonly planId: string;
  readonly author: Planner;
  readonly origin: Origin;
  readonly body: ItemBody;
  readonly findings: readonly Finding[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

const insertItem = statement<PlanItemTable>()((db, p) =>
  db
    .insertInto('plan_item')
    .values(
      pick(
        p,
        'id',
        'workspace_id',
        'kind',
        'parent_id',
        'plan_id',
        'name',
        'title',
        'state',
        'risk',
        'body',
        'author',
        'origin',
        'findings',
        'created_at',
        'updated_at',
      ),
    ),
);
const changeItem = statement<Pick<PlanItemTable, 'id' | 'title' | 'state' | 'risk' | 'body' | 'author' | 'findings' | 'updated_at'>>()((db, p) =>
  db
    .updateTable('plan_item')
    .set(pick(p, 'title', 'state', 'risk', 'body', 'author', 'findings', 'updated_at'))
    .where('id', '=', p.id),
);
const itemNamed = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db
    .selectFrom('plan_item')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('name', '=', p.name), row('id', '=', p.name)])),
);
const itemsOfPlan = statement<{ planId: string }>()((db, p) =>
  db.selectFrom('plan_item').selectAll().where('plan_id', '=', p.planId).orderBy('created_at').orderBy('id'),
);
const plansOf = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('plan_item').selectAll().where('workspace_id', '=', p.workspaceId).where('kind', '=', 'plan').orderBy('created_at').orderBy('id'),
);
const countOf = statement<{ workspaceId: string; kind: ItemKind }>()((db, p) =>
  db
    .selectFrom('plan_item')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('workspace_id', '=', p.workspaceId)
    .where('kind', '=', p.kind),
);
export const itemById = statement<{ id: string }>()((db, p) => db.selectFrom('plan_item').selectAll().where('id', '=', p.id));
export const childrenOf = statement<{ id: string }>()((db, p) => db.selectFrom('plan_item').selectAll().where('parent_id', '=', p.id).orderBy('created_at'));
export const openInStory = statement<{ id: string }>()((db, p) =>
  db.selectFrom('task').select('id').where('story_id', '=', p.id).where('state', 'in', OPEN_STATES).limit(1),
);
export const tasksOfStory = statement<{ id: string }>()((db, p) => db.selectFrom('task').selectAll().where('story_id', '=', p.id).orderBy('name'));

const OPEN_STATES = TASK_STATES.filter((state) => !isClosed(state));

export function viewItem(row: PlanItemTable): PlanItem {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    title: row.title,
    state: row.state,
    risk: row.risk,
    parentId: row.parent_id,
    planId: row.plan_id,
    author: JSON.parse(row.author) as Planner, // written here, as all that follows
    origin: row.origin,
    body: JSON.parse(row.body) as ItemBody,
    findings: JSON.parse(row.findings) as Finding[],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export const storyOf = (row: PlanItemTable): Story => JSON.parse(row.body) as Story; // written by items
export const planOf = (row: PlanItemTable): PlanBody => JSON.parse(row.body) as PlanBody; // written by items

/** @throws Fault `plan.not_found` */
export function* findItem(tx: Tx, of: { readonly workspaceId: string; readonly name: string }): OpSteps<PlanItemTable> {
  const row = yield* tx.one(itemNamed, of);
  if (!row) throw fault('plan.not_found', { name: of.name });
  return row;
}

export function* hasItem(tx: Tx, of: { readonly workspaceId: string; readonly name: string }): OpSteps<boolean> {
  return (yield* tx.one(itemNamed, of)) !== undefined;
}

export function* itemsBelow(tx: Tx, planId: string): OpSteps<PlanItemTable[]> {
  return yield* tx.all(itemsOfPlan, { planId });
}

export function* allPlans(tx: Tx, workspaceId: string): OpSteps<PlanItemTable[]> {
  return yield* tx.all(plansOf, { workspaceId });
}

export function* countItems(tx: Tx, workspaceId: string, kind: ItemKind): OpSteps<number> {
  return Number((yield* tx.one(countOf, { workspaceId, kind }))?.n ?? 0);
}

export function* addItem(tx: Tx, row: PlanItemTable, actor: string): OpSteps<PlanItemTable> {
  yield* tx.run(insertItem, row);
  yield* tell(tx, row, actor, null);
  return row;
}

export function* updateItem(tx: Tx, row: PlanItemTable, change: Partial<PlanItemTable>, actor: string, note?: string): OpSteps<PlanItemTable> {
  const next = { ...row, ...change, updated_at: tx.now };
  yield* tx.run(changeItem, next);
  yield* tell(tx, next, actor, row.state, note);
  return next;
}

function* tell(
  tx: Tx,
  { id, kind: item, name, state, workspace_id: workspaceId }: PlanItemTable,
  actor: string,
  from: ItemState | null,
  note?: string,
): OpSteps<void> {
  const body = { kind: 'plan', id, item, name, from, state, ...(note !== undefined && { note }) } as const;
  yield* appendEvent(tx, { workspaceId, stream: `plan:${id}`, actor, body });
}

export interface Wake {
  readonly box: string;
  readonly subject: string;
  readonly content: unknown;
  readonly key: string;
  readonly type?: 'request' | 'notification';
}

/** Tells the role that must act next; `owner` is the human. */
export function* wake(
  tx: Tx,
  { workspace_id: workspaceId, updated_at }: Pick<TaskTable | PlanItemTable, 'workspace_id' | 'updated_at'>,
  { box, key, type = 'request', ...said }: Wake,
): OpSteps<void> {
  const boxes = (yield* readSetting(tx, { workspaceId, name: 'boxes' })) as Boxes | undefined; // written by the gateway
  const to = box === 'owner' ? (boxes?.owner ?? 'human') : boxes ? boxNamed(boxes, box) : box;
  const message: NewMessage = noticeOf({
    ...said,
    type,
    box: to,
    actor: 'gateway',
    key: `${key}:${updated_at}`,
    ...(type === 'request' && box !== 'owner' && { ackByMs: ACK_MS }),
  });
  yield* takeMessage(tx, workspaceId, message);
}
const ACK_MS = 3_600_000;
