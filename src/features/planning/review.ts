// Review: what is handed over, approved, sent back. Each step tells the role that must act next.

import { fault } from '../../domain/fault-codes.ts';
import { cycleFrom, decidePlanning } from '../../domain/plan.ts';
import { lintStory, type StoryFacts, waitedStories } from '../../domain/story.ts';
import { type OpSteps, type Tx, txOp } from '../../ports/store.ts';
import type { PlanItemTable } from '../../ports/tables-plan.ts';
import { closeAbove } from './flow.ts';
import { allow, type By, comment, type Decide, type Named, storiesFor } from './items.ts';
import { childrenOf, findItem, itemsBelow, type PlanItem, planOf, storyOf, updateItem, viewItem, wake } from './rows.ts';

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
          yield* wake(tx, yield* updateItem(tx, epic, { state: 'ready' }, planner.actor, `${row.name} is approved`), yield* storiesFor(tx, epic));
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
    how: `Read it (plan tool, show ${story.name}), then split it: action split, name ${story.name}, tasks [{ name, title, text, criteria [ids], paths, stubs (RED may add them for what is new), dependsOn [names] }]. Every criterion needs a task.`,
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
