// A queue of tasks that wait for each other: what a change costs with a hundred of them, and with a thousand.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { connectToThread } from '../src/adapters/store/clients.ts';
import { DEFAULT_POLICIES } from '../src/domain/role.ts';
import { createItem } from '../src/features/planning/items.ts';
import { approveItem, submitItem } from '../src/features/planning/review.ts';
import { dependTask, splitStory } from '../src/features/planning/split.ts';
import { claimRuns } from '../src/features/runs/claim.ts';
import { setLanes } from '../src/features/runs/ops.ts';
import { settleMerge } from '../src/features/validation/merging.ts';
import { beginProof, settleProof, submitTask } from '../src/features/validation/proving.ts';
import { giveVerdict } from '../src/features/validation/verdicts.ts';
import { percentile, type Row, table } from './support.ts';

const THREAD = new URL('../dist/store.mjs', import.meta.url);
const W = 'w';
const PER_STORY = 100;
const MEASURED = 50;
const by = (actor: string) => ({ workspaceId: W, by: { actor, runId: null }, policies: DEFAULT_POLICIES });
const STORY = {
  value: 'v',
  repo: '/r',
  command: { runner: 'node', argv: ['node', '--test'] },
  criteria: [{ id: 'AC-1', when: 'it is asked', then: 'it answers', observable: 'the answer', checks: [{ kind: 'test', test: 'x' }] }],
  contingencies: [{ if: 'a', then: 'b' }],
  dependencies: ['none'],
};

export async function plan(): Promise<void> {
  const rows: Row[] = [];
  for (const count of [100, 1000]) rows.push([`${count} tasks`, ...(await queue(count))]);
  table(
    'a queue of tasks, each waiting for the one before',
    ['', 'split, ms a task', 'depend p50 ms', 'done → next ready p50 ms', 'p99', 'submit → done p50 ms (11 ops)'],
    rows,
  );
}

async function queue(count: number): Promise<number[]> {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-plan-'));
  const store = await connectToThread(new Worker(THREAD, { workerData: { path: join(dir, 'store.sqlite'), socketPath: join(dir, 's') } }), {
    onEvents: () => undefined,
    onLost: () => undefined,
  });
  await store.call(setLanes, { workspaceId: W, slots: { proof: 4 } });
  const item = (kind: 'plan' | 'epic' | 'story', parent: string | undefined, body: object) =>
    store.call(createItem, { ...by('owner'), kind, parent, title: kind, body: { ...body } });
  const approved = async ({ name, updatedAt }: { name: string; updatedAt: number }) => {
    await store.call(submitItem, { ...by('owner'), name, facts: { repo: undefined, missingPrograms: [] }, updatedAt });
    await store.call(approveItem, { ...by('owner'), name, reason: '' });
  };
  await approved(await item('plan', undefined, { aim: 'a' }));
  await item('epic', 'PLAN-1', {});
  const names: string[] = [];
  let splitMs = 0;
  for (let story = 1; story <= count / PER_STORY; story++) {
    await approved(await item('story', 'EPIC-1', STORY));
    const tasks = Array.from({ length: PER_STORY }, (_, n) => ({
      name: `US-${story}-${n}`,
      title: 't',
      criteria: ['AC-1'],
      dependsOn: names.length + n === 0 ? [] : [n === 0 ? (names.at(-1) ?? '') : `US-${story}-${n - 1}`],
    }));
    const since = performance.now();
    await store.call(splitStory, { ...by('owner'), name: `US-${story}`, tasks });
    splitMs += performance.now() - since;
    names.push(...tasks.map(({ name }) => name));
  }
  const depends: number[] = [];
  for (let n = 0; n < MEASURED; n++) {
    const since = performance.now();
    await store.call(dependTask, { ...by('owner'), name: names.at(-1) ?? '', on: [names.at(-2 - n) ?? ''] });
    depends.push(performance.now() - since);
  }
  await store.call(dependTask, { ...by('owner'), name: names.at(-1) ?? '', on: [names.at(-2) ?? ''] });
  const [wakes, wholes]: [number[], number[]] = [[], []];
  const claim = async () => {
    const [run] = (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 1 })).runs;
    const held = { runId: run?.runId ?? '', fence: run?.fence ?? 0, requestId: run?.input.proof?.requestId ?? '' };
    await store.call(beginProof, { ...held, step: run?.input.proof?.step ?? 'prove' });
    return held;
  };
  for (const name of names.slice(0, MEASURED)) {
    const since = performance.now();
    const green = 'c'.repeat(40);
    const submission = { base: 'a'.repeat(40), red: 'b'.repeat(40), green, acToTests: { 'AC-1': ['x'] } };
    await store.call(submitTask, { ...by('worker'), name, submission, claim: '' });
    const proved = await claim();
    await store.call(settleProof, { ...proved, proof: { word: 'proved', gates: [], isolation: 'bwrap', head: green } });
    for (const layer of [2, 3] as const)
      await store.call(giveVerdict, { ...by(`judge ${layer}`), name, layer, word: 'PASS', commit: green, reason: 'seen', isOneFamily: false });
    const merge = await claim();
    const before = performance.now();
    await store.call(settleMerge, { ...merge, merged: true, why: 'merged' });
    wakes.push(performance.now() - before);
    wholes.push(performance.now() - since);
  }
  await store.close();
  rmSync(dir, { recursive: true, force: true });
  return [splitMs / count, percentile(depends, 0.5), percentile(wakes, 0.5), percentile(wakes, 0.99), percentile(wholes, 0.5)];
}
