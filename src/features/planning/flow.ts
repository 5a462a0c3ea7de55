// What follows from the state of a task for what stands above it: work has begun, a story is done, a plan is complete. No model is asked.

import { isItemClosed } from '../../domain/plan.ts';
import { isCoveredBy, waitedStories } from '../../domain/story.ts';
import type { OpSteps, Tx } from '../../ports/store.ts';
import type { PlanItemTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { readyWhenFree, wakeWaiters } from '../tasks/dependencies.ts';
import { specOf } from '../validation/rows.ts';
import { childrenOf, itemById, itemsBelow, openInStory, storyOf, tasksOfStory, updateItem, wake } from './rows.ts';

const BEGUN = { approved: { story: 'in_progress', plan: 'active', epic: null }, ready: { epic: 'in_progress', story: null, plan: null } } as const;

/** The first task of a story is in somebody's hands. */
export function* beginAbove(tx: Tx, task: TaskTable, actor: string): OpSteps<void> {
  for (let id = task.story_id; id !== null; ) {
    const row: PlanItemTable | undefined = yield* tx.one(itemById, { id });
    const next = row && (row.state === 'approved' || row.state === 'ready') ? BEGUN[row.state][row.kind] : null;
    if (row && next !== null) yield* updateItem(tx, row, { state: next }, actor, `${task.name} has begun`);
    id = row?.parent_id ?? null;
  }
}

/** A task is done: who waited for it is ready, and its story may be complete. */
export function* afterDone(tx: Tx, task: TaskTable, actor: string): OpSteps<void> {
  yield* wakeWaiters(tx, task, actor);
  const story = task.story_id === null ? undefined : yield* tx.one(itemById, { id: task.story_id });
  if (!story || isItemClosed(story.state)) return;
  if (yield* tx.one(openInStory, { id: story.id })) return;
  const tasks = yield* tx.all(tasksOfStory, { id: story.id });
  const proven = tasks.filter(({ state }) => state === 'done').flatMap((one) => specOf(one)?.criteria ?? []);
  const { criteria } = storyOf(story);
  const open = criteria.filter((one) => !isCoveredBy(one, proven) && one.checks.some(({ kind }) => kind !== 'human')).map(({ id }) => id);
  if (open.length > 0) {
    yield* wake(tx, task, {
      box: 'coordinator',
      subject: `Unproven criteria: ${story.name}`,
      content: {
        story: story.name,
        criteria: open,
        how: `All its tasks are closed and none that is done covers these: split ${story.name} again, with tasks for them.`,
      },
      key: `uncovered:${story.id}`,
    });
    return;
  }
  const questions = criteria.flatMap(({ checks }) => checks.flatMap((check) => (check.kind === 'human' ? [check.question] : [])));
  if (questions.length > 0) {
    const next = yield* updateItem(tx, story, { state: 'accepting' }, actor, 'all its tasks are done');
    const how = `Look at it, then: clawdbot story approve ${story.name}`;
    yield* wake(tx, next, {
      box: 'owner',
      subject: `Accept: ${story.name} ${story.title}`,
      content: { story: story.name, questions, how },
      key: `accept:${story.id}`,
    });
    return;
  }
  yield* closeAbove(tx, yield* updateItem(tx, story, { state: 'done' }, actor, 'all its tasks are done'), actor);
}

/** A story or an epic is done: what stands above it may be complete, and somebody above hears of it. */
export function* closeAbove(tx: Tx, done: PlanItemTable, actor: string): OpSteps<void> {
  if (done.kind === 'story') yield* freeStories(tx, done, actor);
  const above = done.parent_id === null ? undefined : yield* tx.one(itemById, { id: done.parent_id });
  if (!above || isItemClosed(above.state) || above.state === 'accepting') return;
  if ((yield* tx.all(childrenOf, { id: above.id })).some(({ state }) => !isItemClosed(state))) return;
  if (above.kind === 'epic') {
    const next = yield* updateItem(tx, above, { state: 'accepting' }, actor, 'all its stories are done');
    const how = `Nothing missing? approve ${above.name} with the plan tool, and it is done. Otherwise have the missing stories written.`;
    yield* wake(tx, next, {
      box: 'person-manager',
      subject: `Accept: ${above.name} ${above.title}`,
      content: { epic: above.name, how },
      key: `accept:${above.id}`,
    });
    return;
  }
  const next = yield* updateItem(tx, above, { state: 'completed' }, actor, 'all its epics are done');
  const content = { plan: above.name, title: above.title, look: `clawdbot plan show ${above.name}` };
  yield* wake(tx, next, { box: 'owner', type: 'notification', subject: `Completed: ${above.name} ${above.title}`, content, key: `completed:${above.id}` });
}

/** Tasks of the stories that waited for one that is done. */
function* freeStories(tx: Tx, done: PlanItemTable, actor: string): OpSteps<void> {
  for (const story of yield* itemsBelow(tx, done.plan_id))
    if (story.kind === 'story' && waitedStories(storyOf(story)).includes(done.name))
      for (const task of yield* tx.all(tasksOfStory, { id: story.id })) yield* readyWhenFree(tx, task, actor);
}
