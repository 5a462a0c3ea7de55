// What every store engine must do for plans: rights, the way from an order to its report, dependencies, and work that a change voids.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { ConfigSchema } from '../../../src/domain/config-schema.ts';
import type { Proof } from '../../../src/domain/proof.ts';
import { DEFAULT_POLICIES, type Role } from '../../../src/domain/role.ts';
import { isClosed } from '../../../src/domain/task.ts';
import { NO_USAGE } from '../../../src/domain/transcript.ts';
import { openDecisions } from '../../../src/features/inbox/decisions.ts';
import { listMessages } from '../../../src/features/inbox/ops.ts';
import { abandonItem, commentItem, createItem, editItem } from '../../../src/features/planning/items.ts';
import { approveItem, rejectItem, submitItem } from '../../../src/features/planning/review.ts';
import type { PlanItem } from '../../../src/features/planning/rows.ts';
import { dependTask, type Part, splitStory } from '../../../src/features/planning/split.ts';
import { type PlanNode, planTrees, showItem } from '../../../src/features/planning/tree.ts';
import { claimRuns, type TurnAssignment } from '../../../src/features/runs/claim.ts';
import { finishRun, reserveCall } from '../../../src/features/runs/lease-ops.ts';
import { setLanes, submitRun } from '../../../src/features/runs/ops.ts';
import { workerRequest } from '../../../src/features/tasks/hand-out.ts';
import { budgetTask, leaseTask, workOrder } from '../../../src/features/tasks/lease.ts';
import { getTask, moveTask } from '../../../src/features/tasks/ops.ts';
import { fundBudget } from '../../../src/features/usage/ops.ts';
import { settleMerge } from '../../../src/features/validation/merging.ts';
import { beginProof, settleProof, specTask, submitTask } from '../../../src/features/validation/proving.ts';
import { specFrom, TaskSpecInput } from '../../../src/features/validation/spec.ts';
import { giveVerdict } from '../../../src/features/validation/verdicts.ts';
import { isFault } from '../../../src/kit/fault.ts';
import { tries } from '../../support/property.ts';
import type { OpenStore } from './suite.ts';

const W = 'w';
const CONFIG = ConfigSchema.parse({
  agents: {
    list: [
      { id: 'main', default: true },
      { id: 'builder', role: 'worker-impl' },
    ],
  },
});
const FACTS = { repo: undefined, missingPrograms: [] };
const commit = (letter: string) => letter.repeat(40);
const person = (actor = 'owner') => ({ actor, runId: null });
const agent = (role: Role | null, name = role ?? 'main') => ({ actor: `run:${name}`, runId: name, agentRole: role });
const criterion = (id: string, risk = 'low') => ({
  id,
  when: 'a client calls',
  then: `it gets ${id}`,
  observable: 'the answer',
  checks: [{ kind: 'test', test: id }],
  risk,
});
const STORY = {
  value: 'Clients get answers.',
  repo: '/r',
  command: { runner: 'node', argv: ['node', '--test'] },
  criteria: [criterion('AC-1'), criterion('AC-2')],
  contingencies: [{ if: 'it fails', then: 'it is switched off' }],
  dependencies: ['none'],
};

export function storePlanningConformance(name: string, open: OpenStore): void {
  const opened = async (t: TestContext) => {
    const { store } = await open(t);
    await store.call(setLanes, { workspaceId: W, slots: { proof: 4, main: 8, subagent: 8 } });
    const of = (by: ReturnType<typeof person> | ReturnType<typeof agent> = person()) => ({ workspaceId: W, by, policies: DEFAULT_POLICIES });
    const make = (kind: PlanItem['kind'], title: string, more: object = {}, by?: Parameters<typeof of>[0]) =>
      store.call(createItem, { ...of(by), kind, title, body: {}, ...more });
    const submit = ({ name: item, updatedAt }: PlanItem, by?: Parameters<typeof of>[0]) =>
      store.call(submitItem, { ...of(by), name: item, facts: FACTS, updatedAt });
    const approve = (item: string, by?: Parameters<typeof of>[0]) => store.call(approveItem, { ...of(by), name: item, reason: '' });
    const split = (story: string, tasks: readonly Part[], by?: Parameters<typeof of>[0]) => store.call(splitStory, { ...of(by), name: story, tasks });
    const part = (of: string, more: Partial<Part> = {}): Part => ({ name: of, title: of, criteria: ['AC-1', 'AC-2'], ...more });
    const tree = async () => (await store.call(planTrees, { workspaceId: W })) as PlanNode[];
    const stateOf = async (item: string) => (await store.call(showItem, { workspaceId: W, name: item })).item.state;
    const taskState = async (task: string) => (await store.call(getTask, { workspaceId: W, name: task })).state;
    const mail = async (box: string) =>
      (await store.call(listMessages, { workspaceId: W, box, all: true, limit: 500 })).map(({ subject }) => subject).toReversed();
    const lease = async (task: string, by: Parameters<typeof of>[0] = agent('task-manager')) => {
      const order = await store.call(workOrder, { workspaceId: W, name: task });
      const request = workerRequest(order, CONFIG, { workspaceId: W, actor: by.actor, notes: null });
      return { order, request, ...(await store.call(leaseTask, { ...of(by), name: task, attempts: order.task.attempts, request })) };
    };
    /** An approved plan with an epic and an approved story. */
    const approved = async (body: object = STORY, plan: object = { aim: 'answers', budget: { usd: 5 } }) => {
      const { name: planName } = await make('plan', 'Answers', { body: plan });
      const { name: epic } = await make('epic', 'First', { parent: planName });
      await submit((await store.call(showItem, { workspaceId: W, name: planName })).item);
      await approve(planName);
      const story = await submit(await make('story', 'Calls', { parent: epic, body }));
      return approve(story.name);
    };
    const prover = async (word: Proof['word'] = 'proved') => {
      const [run] = (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 1, kinds: ['proof'] } as Parameters<typeof claimRuns.body>[1]))
        .runs;
      const { proof } = run?.input ?? {};
      if (!run || !proof) return;
      const held = { runId: run.runId, fence: run.fence, requestId: proof.requestId };
      const work = await store.call(beginProof, { ...held, step: proof.step });
      if (!work) return;
      if (proof.step === 'merge') await store.call(settleMerge, { ...held, merged: true, why: 'merged' });
      else await store.call(settleProof, { ...held, proof: { word, gates: [], isolation: 'bwrap', head: work.submission.green } });
    };
    const endWorkers = async () => {
      for (const { runId, fence } of (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 10 })).runs as TurnAssignment[])
        await store.call(finishRun, {
          runId,
          fence,
          state: 'succeeded',
          outcome: { text: 'done', stopReason: 'stop', usage: NO_USAGE, steps: 1 },
          entries: [],
        });
    };
    /** Takes a task that is under way to done. */
    const finish = async (task: string) => {
      await endWorkers();
      const green = commit('c');
      const submission = { base: commit('a'), red: commit('b'), green, acToTests: { 'AC-1': ['x'], 'AC-2': ['x'] } };
      await store.call(submitTask, { ...of(person('worker')), name: task, submission, claim: '' });
      await prover();
      for (const layer of [2, 3] as const)
        await store.call(giveVerdict, { ...of(person(`judge ${layer}`)), name: task, layer, word: 'PASS', commit: green, reason: 'seen', isOneFamily: false });
      await prover();
    };
    return { store, of, make, submit, approve, split, part, tree, stateOf, taskState, mail, lease, approved, prover, finish, endWorkers };
  };

  describe(`plans on ${name}`, () => {
    it('go from an order to its report, and each step tells the role that must act next', async (t) => {
      const { make, submit, approve, split, part, stateOf, taskState, mail, lease, finish, store, of } = await opened(t);
      const plan = await make('plan', 'Answers', { body: { order: 'Clients must get answers.', budget: { usd: 5 } } });
      assert.deepEqual([plan.name, plan.state, plan.origin, await mail('person-manager')], ['PLAN-1', 'draft', 'owner', ['Order: PLAN-1 Answers']]);
      const manager = agent('person-manager');
      await assert.rejects(submit(plan, manager), /it has no aim/);
      const { item } = await store.call(editItem, { ...of(manager), name: 'PLAN-1', body: { aim: 'answers' }, preview: false });
      await make('epic', 'First', { parent: 'PLAN-1' }, manager);
      await submit(item, manager);
      assert.equal((await approve('PLAN-1', manager)).state, 'approved');
      assert.deepEqual([await stateOf('EPIC-1'), await mail('story-architect')], ['ready', ['Stories wanted: EPIC-1 First']]);

      const architect = agent('story-architect');
      const vague = await submit(
        await make(
          'story',
          'Calls',
          { parent: 'EPIC-1', body: { ...STORY, criteria: [{ ...criterion('AC-1'), then: 'it is fast' }], dependencies: [] } },
          architect,
        ),
        architect,
      );
      assert.deepEqual([vague.state, vague.findings.map(({ at }) => at)], ['lint_failed', ['AC-1', 'dependencies']]);
      const { item: better } = await store.call(editItem, { ...of(architect), name: 'US-1', body: STORY, preview: false });
      assert.equal((await submit(better, architect)).state, 'in_review');
      await assert.rejects(approve('US-1', architect), /story.approve/);
      await store.call(rejectItem, { ...of(manager), name: 'US-1', reason: 'who are the clients?' });
      assert.equal((await mail('story-architect')).at(-1), 'Sent back: US-1 Calls');
      await submit((await store.call(showItem, { workspaceId: W, name: 'US-1' })).item, architect);
      await approve('US-1', manager);
      assert.deepEqual([await stateOf('US-1'), await mail('coordinator')], ['approved', ['Split: US-1 Calls']]);

      const coordinator = agent('coordinator');
      await assert.rejects(split('US-1', [part('US-1-a')], manager), /task.split/);
      await assert.rejects(split('US-1', [part('US-1-a', { criteria: ['AC-1'] })], coordinator), /no task covers AC-2/);
      await assert.rejects(split('US-1', [part('T-1')], coordinator), /named after their story/);
      await split('US-1', [part('US-1-b', { criteria: ['AC-2'], dependsOn: ['US-1-a'] }), part('US-1-a', { criteria: ['AC-1'] })], coordinator);
      assert.deepEqual([await taskState('US-1-a'), await taskState('US-1-b'), await mail('task-managers')], ['ready', 'draft', ['Ready: US-1-a']]);
      await assert.rejects(store.call(moveTask, { ...of(), name: 'US-1-b', to: 'ready', who: 'human', actor: 'owner' }), /it waits for US-1-a/);
      await assert.rejects(lease('US-1-a', agent('coordinator')), /task.lease/);
      const { task, order, request } = await lease('US-1-a');
      assert.deepEqual([task.state, request.agentId, order.spec?.criteria.map(({ id }) => id)], ['working', 'builder', ['AC-1']]);
      assert.match(request.order.task, /AC-1: When a client calls[\s\S]*git -C \/r worktree add/);
      assert.deepEqual([await stateOf('US-1'), await stateOf('EPIC-1'), await stateOf('PLAN-1')], ['in_progress', 'in_progress', 'active']);
      await assert.rejects(lease('US-1-a'), /one worker at a time/);
      await finish('US-1-a');
      assert.deepEqual([await taskState('US-1-a'), await taskState('US-1-b')], ['done', 'ready']);
      await lease('US-1-b');
      await finish('US-1-b');
      assert.deepEqual([await stateOf('US-1'), await stateOf('EPIC-1'), (await mail('person-manager')).at(-1)], ['done', 'accepting', 'Accept: EPIC-1 First']);
      await approve('EPIC-1', manager);
      assert.deepEqual([await stateOf('PLAN-1'), (await mail('human')).at(-1)], ['completed', 'Completed: PLAN-1 Answers']);
    });

    it("open with the owner's word alone: others propose, or create nothing", async (t) => {
      const { store, make, submit, approve, mail } = await opened(t);
      const run = async (actor: string, kind: 'turn' | 'hook') => {
        const sessionKey = `agent:main:${kind}-${actor}`;
        const request = {
          workspaceId: W,
          actor,
          runKey: `${actor} ${kind}`,
          kind,
          sessionKey,
          agentId: 'main',
          lane: 'main',
          priority: 1,
          timeoutMs: 60_000,
          input: { message: 'add a limiter' },
        } as const;
        return (await store.call(submitRun, request)).run.id;
      };
      const asMain = async (actor: string, kind: 'turn' | 'hook') => ({ actor: 'run:x', runId: await run(actor, kind), agentRole: null });
      const ordered = await make('plan', 'Limits', { body: { order: 'what the model made of it' } }, await asMain('token:cli', 'turn'));
      assert.deepEqual([ordered.origin, (ordered.body as { order: string }).order], ['owner', 'add a limiter'], "the order is the owner's own words");
      const reworded = store.call(editItem, {
        workspaceId: W,
        by: agent('person-manager'),
        policies: DEFAULT_POLICIES,
        name: 'PLAN-1',
        body: { order: 'add two' },
        preview: false,
      });
      await assert.rejects(reworded, /nobody but the owner changes his words/);
      for (const stranger of [await asMain('token:hook', 'hook'), await asMain('postmaster', 'turn'), agent('worker-impl'), agent('coordinator'), agent(null)])
        await assert.rejects(make('plan', 'Limits', {}, stranger), (error) => isFault(error, 'plan.refused'));
      assert.deepEqual(await mail('person-manager'), ['Order: PLAN-1 Limits']);
      const proposal = await make('plan', 'My idea', { body: { aim: 'x', budget: { usd: 1 } } }, agent('person-manager'));
      assert.equal(proposal.origin, 'proposal');
      await submit(proposal, agent('person-manager'));
      assert.equal((await mail('human')).at(-1), 'Review: PLAN-2 My idea');
      await assert.rejects(approve('PLAN-2', agent('person-manager')), /did not order/);
      assert.equal((await approve('PLAN-2')).state, 'approved');
      await assert.rejects(make('plan', 'Again', { name: 'PLAN-2' }), (error) => isFault(error, 'plan.exists'));
      await assert.rejects(make('story', 'Under a plan', { parent: 'PLAN-2' }), (error) => isFault(error, 'plan.parent'));
      await assert.rejects(
        store.call(commentItem, { workspaceId: W, by: agent('worker-impl'), policies: DEFAULT_POLICIES, name: 'PLAN-2', reason: 'no' }),
        /lists no comment/,
      );
    });

    it('never let tasks or stories wait for each other in a circle', async (t) => {
      const { store, of, approved, split, part, taskState, make, submit } = await opened(t);
      await approved();
      const names = ['US-1-a', 'US-1-b', 'US-1-c'];
      await split('US-1', [part('US-1-a'), part('US-1-b', { dependsOn: ['US-1-a'] }), part('US-1-c', { dependsOn: ['US-1-b'] })]);
      const depend = (task: string, on: readonly string[]) => store.call(dependTask, { ...of(), name: task, on });
      await assert.rejects(depend('US-1-a', ['US-1-c']), /US-1-a → US-1-c → US-1-b → US-1-a/);
      await assert.rejects(depend('US-1-a', ['US-1-a']), /US-1-a → US-1-a/);
      assert.deepEqual(await Promise.all(names.map(taskState)), ['ready', 'draft', 'draft']);
      await depend('US-1-c', []);
      assert.equal(await taskState('US-1-c'), 'ready');
      await depend('US-1-a', ['US-1-c']);
      assert.equal(await taskState('US-1-a'), 'draft');
      await make('story', 'Later', { parent: 'EPIC-1', body: { ...STORY, dependencies: ['US-3'] } });
      const third = await make('story', 'Latest', { parent: 'EPIC-1', body: { ...STORY, dependencies: ['US-2'] } });
      await assert.rejects(submit(third), /US-3 → US-2 → US-3/);
    });

    it('hold tasks back until the stories are done that their story waits for', async (t) => {
      const { approved, split, part, taskState, make, submit, approve, lease, finish } = await opened(t);
      await approved();
      await submit(await make('story', 'Later', { parent: 'EPIC-1', body: { ...STORY, dependencies: ['US-1'] } }));
      await approve('US-2');
      await split('US-2', [part('US-2-a')]);
      await split('US-1', [part('US-1-a')]);
      assert.deepEqual([await taskState('US-1-a'), await taskState('US-2-a')], ['ready', 'draft']);
      await lease('US-1-a');
      await finish('US-1-a');
      assert.equal(await taskState('US-2-a'), 'ready');
    });

    it('list the work that a change voids, and stop it', async (t) => {
      const { store, of, approved, split, part, stateOf, taskState, lease, tree } = await opened(t);
      await approved();
      await split('US-1', [part('US-1-a'), part('US-1-b')]);
      const { task } = await lease('US-1-a');
      const edit = (preview: boolean) =>
        store.call(editItem, { ...of(agent('story-architect')), name: 'US-1', body: { criteria: [criterion('AC-1')] }, preview });
      const seen = await edit(true);
      assert.deepEqual(
        [seen.voids.map(({ task: one, state }) => `${one} ${state}`), await stateOf('US-1')],
        [['US-1-a working', 'US-1-b ready'], 'in_progress'],
      );
      await edit(false);
      assert.deepEqual([await stateOf('US-1'), await taskState('US-1-a'), await taskState('US-1-b')], ['draft', 'draft', 'draft']);
      assert.ok(task.runId);
      await assert.rejects(lease('US-1-a'), /it is draft/);
      await assert.rejects(store.call(moveTask, { ...of(), name: 'US-1-a', to: 'ready', who: 'human', actor: 'owner' }), /must be approved and split again/);
      const { voids } = await store.call(abandonItem, { ...of(), name: 'PLAN-1', reason: 'no more', preview: false });
      assert.deepEqual(
        voids.map(({ task: one }) => one),
        ['US-1-a', 'US-1-b'],
      );
      assert.deepEqual(
        [await stateOf('PLAN-1'), await stateOf('EPIC-1'), await stateOf('US-1'), await taskState('US-1-b')],
        ['abandoned', 'abandoned', 'rejected', 'cancelled'],
      );
      assert.equal((await tree()).length, 1);
    });

    it('count a criterion as proven only as it stands now, and let no task be given another specification than its story', async (t) => {
      const { store, of, approved, split, part, lease, finish, submit, approve, stateOf } = await opened(t);
      await approved();
      await split('US-1', [part('US-1-a', { criteria: ['AC-1'] }), part('US-1-b', { criteria: ['AC-2'] })]);
      await lease('US-1-a');
      await finish('US-1-a');
      const weaker = specFrom(TaskSpecInput.parse({ repo: '/r', command: { runner: 'node', argv: ['true'] }, criteria: [{ id: 'AC-2', text: 'whatever' }] }));
      await assert.rejects(store.call(specTask, { ...of(agent('coordinator')), name: 'US-1-b', spec: weaker }), /comes from its story/);
      const { item } = await store.call(editItem, {
        ...of(),
        name: 'US-1',
        body: { criteria: [{ ...criterion('AC-1'), then: 'it gets more' }, criterion('AC-2')] },
        preview: false,
      });
      await submit(item);
      await approve('US-1');
      await assert.rejects(split('US-1', [part('US-1-b', { criteria: ['AC-2'] })]), /no task covers AC-1/);
      await split('US-1', [part('US-1-b', { criteria: ['AC-2'] }), part('US-1-c', { criteria: ['AC-1'] })]);
      for (const task of ['US-1-b', 'US-1-c']) {
        await lease(task);
        await finish(task);
      }
      assert.equal(await stateOf('US-1'), 'done');
    });

    it('wait for the owner in one list until they are decided', async (t) => {
      const { store, make, submit, approve } = await opened(t);
      await submit(await make('plan', 'Answers', { body: { aim: 'answers', budget: { usd: 500 } } }));
      const waiting = async () => (await store.call(openDecisions, { workspaceId: W })).map(({ what, answer }) => `${what}: ${answer}`);
      assert.deepEqual(await waiting(), ['Review: PLAN-1 Answers: clawdbot plan show PLAN-1; plan approve PLAN-1, or plan reject PLAN-1 "why"']);
      await approve('PLAN-1');
      assert.deepEqual(await waiting(), []);
    });

    it('start no worker when the budget of a task or plan is used up, and go on when it is raised', async (t) => {
      const { store, of, approved, split, part, taskState, lease } = await opened(t);
      await approved();
      await split('US-1', [part('US-1-a', { budget: { usd: 2 } }), part('US-1-b', { budget: { tokens: 0 } }), part('US-1-c')]);
      await lease('US-1-a');
      const { rule, childSessionKey } = await lease('US-1-b');
      assert.deepEqual([/used up/.test(rule ?? ''), childSessionKey, await taskState('US-1-b')], [true, null, 'blocked']);
      await assert.rejects(store.call(budgetTask, { ...of(agent('worker-impl')), name: 'US-1-b', budget: { tokens: 100 } }), /budgets are raised by/);
      assert.equal((await store.call(budgetTask, { ...of(), name: 'US-1-b', budget: { tokens: 100 } })).state, 'ready');
      assert.equal((await lease('US-1-b')).task.state, 'working');
      await lease('US-1-c');
      const workers = (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 3 })).runs as TurnAssignment[];
      const wanted = { day: '2026-11-24', provider: 'p', model: 'm', micros: 1_800_000, tokens: 10, limits: [], warnAt: 0.8, askForMs: 1000 };
      const answers = [];
      for (const { runId, fence } of workers) answers.push(await store.call(reserveCall, { runId, fence, wanted }));
      assert.deepEqual(
        answers.map((answer) => [answer.ok, !answer.ok && answer.busy]),
        [
          [true, false],
          [true, false],
          [false, true],
        ],
        'three workers of a plan of $5 set aside no more than there is',
      );
      const [first, second, third] = workers;
      assert.ok(first && second && third);
      const charge = { provider: 'p', model: 'm', input: 5, output: 5, cacheRead: 0, cacheWrite: 0, micros: 1_900_000, priced: true };
      const outcome = { text: 'done', stopReason: 'stop', usage: NO_USAGE, steps: 1 };
      for (const { runId, fence } of [first, second])
        await store.call(finishRun, { runId, fence, state: 'failed', outcome, entries: [], charges: [charge], day: wanted.day });
      const asked = await store.call(reserveCall, { runId: third.runId, fence: third.fence, wanted });
      assert.ok(!asked.ok && !asked.busy && asked.scope.startsWith('plan:'), 'what the others have spent counts for it too');
      const { resumed } = await store.call(fundBudget, { workspaceId: W, actor: 'owner', scope: asked.scope, day: wanted.day, micros: 5_000_000 });
      assert.deepEqual([resumed, (await store.call(reserveCall, { runId: third.runId, fence: third.fence, wanted })).ok], [0, true]);
    });

    it('try what failed twice in one head in another, and park it at the third time with all attempts', async (t) => {
      const { store, of, approved, split, part, taskState, lease, prover, endWorkers, mail } = await opened(t);
      await approved();
      await split('US-1', [part('US-1-a')]);
      const models: (string | undefined)[] = [];
      for (const letter of ['c', 'd', 'e']) {
        const { request } = await lease('US-1-a');
        models.push(request.order.model);
        await endWorkers();
        const submission = { base: commit('a'), red: commit('b'), green: commit(letter), acToTests: { 'AC-1': ['x'], 'AC-2': ['x'] } };
        await store.call(submitTask, { ...of(person('worker')), name: 'US-1-a', submission, claim: '' });
        await prover('refuted');
      }
      assert.deepEqual([models[0], models[1], models[2]], ['sonnet', 'sonnet', 'opus']);
      assert.equal(await taskState('US-1-a'), 'parked');
      assert.equal((await mail('coordinator')).at(-1), 'Parked after 3 refutations: US-1-a');
      const parked = (await store.call(listMessages, { workspaceId: W, box: 'coordinator', all: true, limit: 10 })).at(0);
      assert.ok(parked);
      assert.equal((parked.content as { attempts: unknown[] }).attempts.length, 3);
      await assert.rejects(lease('US-1-a'), /it is parked/);
    });

    it('whatever anybody does, no circle, no ready task that waits, no approved story without a check', async (t) => {
      const world = await opened(t);
      const { store, of, approved, split, part, lease, finish } = world;
      let story = '';
      let names: string[] = [];
      const fresh = async () => {
        story = (await approved()).name;
        names = ['a', 'b', 'c', 'd'].map((letter) => `${story}-${letter}`);
        await split(
          story,
          names.map((one) => part(one)),
        );
      };
      const nth = fc.integer({ min: 0, max: 3 });
      const step = fc.oneof(
        fc.record({ do: fc.constant('depend' as const), a: nth, on: fc.array(nth, { maxLength: 3 }) }),
        fc.record({ do: fc.constant('lease' as const), a: nth }),
        fc.record({ do: fc.constant('finish' as const), a: nth }),
        fc.record({ do: fc.constant('edit' as const), size: fc.integer({ min: 0, max: 2 }) }),
        fc.record({ do: fc.constant('advance' as const) }),
        fc.record({
          do: fc.constant('move' as const),
          a: nth,
          to: fc.constantFrom('ready' as const, 'draft' as const, 'working' as const, 'done' as const, 'validated' as const),
        }),
      );
      const legal = async (action: () => Promise<unknown>) => {
        try {
          await action();
        } catch (error) {
          if (!isFault(error)) throw error;
        }
      };
      /** Whatever state the story is in, the next right step. */
      const advance = async () => {
        const { item } = await store.call(showItem, { workspaceId: W, name: story });
        if (item.state === 'draft' || item.state === 'lint_failed') return world.submit(item);
        if (item.state === 'in_review') return world.approve(story);
        return split(
          story,
          names.map((one) => part(one, { criteria: (item.body as { criteria: { id: string }[] }).criteria.map(({ id }) => id) })),
        );
      };
      const check = async () => {
        const { item, node } = await store.call(showItem, { workspaceId: W, name: story });
        const own = (function find(of: PlanNode): PlanNode | undefined {
          return of.name === story ? of : of.below.map(find).find((found) => found !== undefined);
        })(node);
        assert.ok(own);
        const tasks = new Map(own.tasks.map((task) => [task.name, task]));
        for (const task of tasks.values()) {
          if (task.state === 'ready' || task.state === 'working')
            for (const on of task.dependsOn) assert.equal(tasks.get(on)?.state, 'done', `${task.name} is ${task.state} and waits for ${on}`);
          const seen = new Set<string>();
          const walk = (at: string): void => {
            for (const on of tasks.get(at)?.dependsOn ?? []) {
              assert.notEqual(on, task.name, 'a circle');
              if (!seen.has(on)) {
                seen.add(on);
                walk(on);
              }
            }
          };
          walk(task.name);
        }
        if (item.state === 'approved' || item.state === 'in_progress') {
          const { criteria } = item.body as { criteria: { checks: unknown[] }[] };
          assert.ok(criteria.length > 0 && criteria.every(({ checks }) => checks.length > 0));
        }
        if (item.state === 'done') assert.ok(own.tasks.every(({ state }) => isClosed(state)));
      };
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 15 }), async (steps) => {
          await fresh();
          for (const one of steps) {
            await legal(async () => {
              const a = names['a' in one ? one.a : 0] ?? '';
              if (one.do === 'depend') await store.call(dependTask, { ...of(), name: a, on: one.on.map((i) => names[i] ?? '') });
              else if (one.do === 'lease') await lease(a);
              else if (one.do === 'finish') await finish(a);
              else if (one.do === 'move') await store.call(moveTask, { ...of(), name: a, to: one.to, who: 'human', actor: 'owner' });
              else if (one.do === 'edit')
                await store.call(editItem, {
                  ...of(),
                  name: story,
                  body: { criteria: ['AC-1', 'AC-2'].slice(0, one.size).map((id) => criterion(id)) },
                  preview: false,
                });
              else await advance();
            });
            await check();
          }
        }),
        tries(15),
      );
    });
  });
}
