// What every store engine must do for trust: nothing is done without a proof and two verdicts of others on the very commit.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { GateResult, Proof } from '../../../src/domain/proof.ts';
import { DEFAULT_POLICIES } from '../../../src/domain/role.ts';
import type { VerdictWord } from '../../../src/domain/trust.ts';
import { claimRuns } from '../../../src/features/runs/claim.ts';
import { abortRuns, setLanes } from '../../../src/features/runs/ops.ts';
import { addTask, moveTask } from '../../../src/features/tasks/ops.ts';
import { holdOut, settleHeldOut } from '../../../src/features/validation/held-out.ts';
import { settleMerge } from '../../../src/features/validation/merging.ts';
import { proofPage } from '../../../src/features/validation/page.ts';
import { beginProof, recordGate, settleProof, specTask, stallProof, submitTask } from '../../../src/features/validation/proving.ts';
import { listIncidents, resolveIncident } from '../../../src/features/validation/resuming.ts';
import { specFrom, TaskSpecInput } from '../../../src/features/validation/spec.ts';
import { giveVerdict } from '../../../src/features/validation/verdicts.ts';
import { waiveGate } from '../../../src/features/validation/waivers.ts';
import { isFault } from '../../../src/kit/fault.ts';
import { tries } from '../../support/property.ts';
import type { OpenStore } from './suite.ts';

const W = 'w';
const person = (actor: string) => ({ actor, runId: null });
const commit = (letter: string) => letter.repeat(40);
const criteria = [{ id: 'AC-1', text: 'it works' }];
const spec = (risk: 'low' | 'medium') => specFrom(TaskSpecInput.parse({ repo: '/r', risk, command: { runner: 'node', argv: ['node', '--test'] }, criteria }));
const gate = (name: GateResult['gate'], result: GateResult['result'], digest: string): GateResult => ({ gate: name, result, why: result, ms: 1, digest });
const CHECKS = { files: [{ path: 'test/x.test.js', text: 'x' }], tests: ['x'] };

export function storeTrustConformance(name: string, open: OpenStore): void {
  const opened = async (t: TestContext, risk: 'low' | 'medium' = 'low') => {
    const { store } = await open(t);
    await store.call(setLanes, { workspaceId: W, slots: { proof: 4 } });
    const named = { workspaceId: W, name: '' };
    /** Another task; all that follows is about it. */
    const fresh = async () => {
      const task = { name: `TASK-${++tasks}`, project: 'main', title: 'a task', owner: null, said: null, state: 'ready', original: 'a task' } as const;
      await store.call(addTask, { workspaceId: W, actor: 'owner', task });
      named.name = task.name;
    };
    let tasks = 0;
    await fresh();
    const specify = () => store.call(specTask, { ...named, spec: spec(risk), by: person('owner'), policies: DEFAULT_POLICIES });
    const submit = (green: string, actor = 'worker') =>
      store.call(submitTask, {
        ...named,
        submission: { base: commit('a'), red: commit('b'), green, acToTests: { 'AC-1': ['works'] } },
        claim: 'done!',
        by: person(actor),
        policies: DEFAULT_POLICIES,
      });
    const judge = (layer: 2 | 3, word: VerdictWord, at: string, actor: string) =>
      store.call(giveVerdict, { ...named, layer, word, commit: at, reason: 'seen', by: person(actor), isOneFamily: false });
    const page = () => store.call(proofPage, named);
    const claimed = async () => {
      const [run] = (await store.call(claimRuns, { workspaceId: W, workerId: 'worker_1', slots: 1 })).runs;
      const { proof } = run?.input ?? {};
      if (!run || !proof) return undefined;
      const held = { runId: run.runId, fence: run.fence, requestId: proof.requestId };
      return { held, step: proof.step, work: await store.call(beginProof, { ...held, step: proof.step }) };
    };
    /** Does what waits for the prover. */
    const prover = async (word: Proof['word'] = 'proved', merge: Parameters<typeof settleMerge.body>[1] | object = { merged: true, why: 'merged' }) => {
      const next = await claimed();
      if (!next?.work) return next?.step;
      const { held, step, work } = next;
      const head = work.submission.green;
      if (step === 'merge') await store.call(settleMerge, { ...held, merged: true, why: 'merged', ...merge });
      else if (step === 'held-out') await store.call(settleHeldOut, { ...held, gate: gate('G8', word === 'proved' ? 'pass' : 'fail', `g8 ${head} ${word}`) });
      else {
        const seen = gate('G4', word === 'proved' ? 'pass' : 'fail', `g4 ${head}`);
        await store.call(recordGate, { ...held, gate: seen });
        await store.call(settleProof, { ...held, proof: { word, gates: [seen], isolation: 'bwrap', head } });
      }
      return step;
    };
    return { store, named, fresh, specify, submit, judge, page, claimed, prover };
  };
  const stateOf = async ({ page }: { page: () => Promise<{ task: { state: string; attempts: number } }> }) => (await page()).task.state;

  describe(`trust on ${name}`, () => {
    it('takes work to done by a proof, two verdicts and a merge, and keeps all of it', async (t) => {
      const world = await opened(t);
      await assert.rejects(world.submit(commit('c')), (error) => isFault(error, 'task.unspecified'));
      await world.specify();
      const first = await world.submit(commit('c'));
      assert.equal((await world.submit(commit('c'))).requestId, first.requestId, 'the same again is the same');
      await assert.rejects(world.judge(2, 'PASS', commit('c'), 'manager'), /layer 0 has not proved/);
      assert.equal(await world.prover(), 'prove');
      await assert.rejects(world.judge(3, 'PASS', commit('c'), 'checker'), /layer 2 has not passed/);
      await assert.rejects(world.judge(2, 'PASS', commit('d'), 'manager'), /a new commit voids it/);
      await assert.rejects(world.judge(2, 'PASS', commit('c'), 'worker'), /of the one who did the work/);
      await world.judge(2, 'PASS', commit('c'), 'manager');
      await world.judge(2, 'PASS', commit('c'), 'manager');
      await world.judge(3, 'PASS', commit('c'), 'checker');
      assert.equal(await stateOf(world), 'merging');
      await assert.rejects(world.submit(commit('d')), /takes no work/);
      assert.equal(await world.prover(), 'merge');
      const { task, requests } = await world.page();
      assert.equal(task.state, 'done');
      assert.deepEqual(
        requests.map(({ claim, verdicts, gates }) => [claim, verdicts.map(({ layer, word }) => `${layer} ${word}`), gates.length]),
        [['done!', ['0 PASS', '2 PASS', '3 PASS'], 1]],
      );
      await assert.rejects(world.specify(), /stays so/);
    });

    it('parks work that is refuted three times, and a resumed proof knows what is finished', async (t) => {
      const world = await opened(t);
      await world.specify();
      for (const letter of ['c', 'd', 'e']) {
        await world.submit(commit(letter));
        await world.prover('refuted');
      }
      const { task, requests } = await world.page();
      assert.deepEqual([task.state, task.attempts, requests.map(({ state }) => state)], ['parked', 3, ['proof_failed', 'proof_failed', 'proof_failed']]);
    });

    it('lets newer work take the place of older, whatever the older proof says', async (t) => {
      const world = await opened(t);
      await world.specify();
      await world.submit(commit('c'));
      const old = await world.claimed();
      assert.ok(old?.work);
      await world.submit(commit('d'));
      await world.store.call(settleProof, { ...old.held, proof: { word: 'proved', gates: [], isolation: 'bwrap', head: commit('c') } });
      assert.equal(await stateOf(world), 'submitted');
      await world.prover();
      const { requests } = await world.page();
      assert.deepEqual(
        requests.map(({ state, verdicts }) => [state, verdicts.length]),
        [
          ['superseded', 0],
          ['awaiting_validator', 1],
        ],
      );
    });

    it('wants checks that the worker never saw from medium risk up', async (t) => {
      const world = await opened(t, 'medium');
      await world.specify();
      await world.submit(commit('c'));
      let written = 0;
      const hold = (actor: string) =>
        world.store.call(holdOut, {
          ...world.named,
          checks: { files: CHECKS.files, tests: [`x ${actor} ${++written}`] },
          by: person(actor),
          policies: DEFAULT_POLICIES,
        });
      await assert.rejects(hold('worker'), /writes no held-out checks/);
      await world.prover();
      await world.judge(2, 'PASS', commit('c'), 'manager');
      await assert.rejects(world.judge(3, 'PASS', commit('c'), 'checker'), /held-out checks come first/);
      await hold('checker');
      assert.equal(await world.prover('refuted'), 'held-out');
      await assert.rejects(world.judge(3, 'PASS', commit('c'), 'checker'), /do not pass/);
      await hold('checker');
      assert.equal(await world.prover(), 'held-out');
      const agent = { actor: 'run:r', runId: 'r', agentRole: 'validator' };
      const judgement = { ...world.named, layer: 3, word: 'FAIL', commit: commit('c'), reason: 'in the wrong folder', by: agent, isOneFamily: false } as const;
      await assert.rejects(world.store.call(giveVerdict, judgement), /a FAIL counts when the gateway has seen it/);
      await world.judge(3, 'PASS', commit('c'), 'checker');
      assert.equal(await stateOf(world), 'merging');
    });

    it('proves rebased work again and lets its verdicts stand; what cannot be merged or judged goes back uncounted', async (t) => {
      const world = await opened(t);
      await world.specify();
      await world.submit(commit('c'));
      await world.prover();
      await world.judge(2, 'PASS', commit('c'), 'manager');
      await world.judge(3, 'PASS', commit('c'), 'checker');
      await world.prover('proved', { merged: false, why: 'moved', rebased: { base: commit('1'), red: commit('2'), green: commit('3') } });
      assert.equal(await stateOf(world), 'submitted');
      await world.prover();
      assert.equal(await stateOf(world), 'merging');
      await world.prover('proved', { merged: false, why: 'a conflict' });
      const { task } = await world.page();
      assert.deepEqual([task.state, task.attempts], ['ready', 0]);
      await world.submit(commit('d'));
      const next = await world.claimed();
      assert.ok(next);
      await world.store.call(stallProof, { ...next.held, why: 'no such folder' });
      assert.equal(await stateOf(world), 'blocked');
      const { requestId } = await world.submit(commit('e'));
      await world.store.call(abortRuns, { workspaceId: W, runKey: `prove:${requestId}`, actor: 'owner', reason: 'operator' });
      const { task: after } = await world.page();
      assert.deepEqual([after.state, after.blocked?.owner], ['blocked', 'coordinator'], 'a proof that somebody stops leaves nothing hanging');
    });

    it('passes without checks that were written for it where a human waives them, and only he can', async (t) => {
      const world = await opened(t, 'medium');
      await world.specify();
      await world.submit(commit('c'));
      await world.prover();
      await world.judge(2, 'PASS', commit('c'), 'manager');
      await assert.rejects(world.judge(3, 'PASS', commit('c'), 'checker'), /held-out checks come first/);
      const waiver = { gate: 'G8', reason: 'there is nobody to write them', until: Number.MAX_SAFE_INTEGER, actor: 'owner' } as const;
      await world.store.call(waiveGate, { ...world.named, waiver });
      await world.judge(3, 'PASS', commit('c'), 'checker');
      assert.equal(await stateOf(world), 'merging');
    });

    it('gathers what is broken under one incident, and proves all of it again when it is resolved', async (t) => {
      const world = await opened(t);
      const names: string[] = [];
      for (const letter of ['c', 'd']) {
        if (letter === 'd') await world.fresh();
        names.push(world.named.name);
        await world.specify();
        await world.submit(commit(letter));
        const next = await world.claimed();
        assert.ok(next);
        await world.store.call(stallProof, { ...next.held, why: 'the disk is full' });
      }
      const [incident, ...more] = await world.store.call(listIncidents, { workspaceId: W, all: false });
      assert.deepEqual([more.length, incident?.tasks], [0, names]);
      const { resumed } = await world.store.call(resolveIncident, { workspaceId: W, id: incident?.id ?? '', actor: 'owner' });
      assert.deepEqual([resumed, await stateOf(world)], [names, 'submitted']);
      assert.deepEqual([await world.prover(), await world.prover(), await stateOf(world)], ['prove', 'prove', 'in_validation']);
      assert.deepEqual((await world.store.call(resolveIncident, { workspaceId: W, id: incident?.id ?? '', actor: 'owner' })).resumed, [], 'twice is once');
      await assert.rejects(world.store.call(resolveIncident, { workspaceId: W, id: 'inc_x', actor: 'owner' }), (error) => isFault(error, 'incident.not_found'));
    });

    it('whatever anybody does, done has a proof, and verdicts of others, of the commit that was merged', async (t) => {
      const world = await opened(t);
      let done = 0;
      /** The next right step, so that some get there. */
      const advance = async () => {
        const { task, requests } = await world.page();
        if (task.state === 'ready') return world.submit(commit('c'));
        if (task.state !== 'in_validation') return world.prover();
        const latest = requests.at(-1);
        const at = latest?.submission.green ?? '';
        return latest?.verdicts.some(({ layer: which }) => which === 2) ? world.judge(3, 'PASS', at, 'checker') : world.judge(2, 'PASS', at, 'manager');
      };
      const letter = fc.constantFrom('c', 'd');
      const actor = fc.constantFrom('worker', 'manager', 'checker');
      const layer = fc.constantFrom(2 as const, 3 as const);
      const verdict = fc.constantFrom<VerdictWord>('PASS', 'PASS', 'FAIL', 'BLOCKED');
      const proofWord = fc.constantFrom<Proof['word']>('proved', 'proved', 'refuted', 'unstable');
      const act = fc.oneof(
        { arbitrary: fc.constant(advance), weight: 8 },
        letter.map((at) => () => world.submit(commit(at))),
        proofWord.map((word) => () => world.prover(word)),
        fc.tuple(layer, verdict, letter, actor).map(
          ([which, word, at, who]) =>
            () =>
              world.judge(which, word, commit(at), who),
        ),
        fc.constant(() => world.specify()),
        fc
          .constantFrom('ready', 'working', 'submitted', 'validated', 'done', 'blocked')
          .map((to) => () => world.store.call(moveTask, { ...world.named, to: to as 'ready', who: 'human', actor: 'owner', policies: DEFAULT_POLICIES })),
        fc
          .constantFrom('G0', 'G7')
          .map((which) => () => world.store.call(waiveGate, { ...world.named, waiver: { gate: which as 'G0', reason: 'r', until: 0, actor: 'owner' } })),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 25 }), async (acts) => {
          await world.fresh();
          await world.specify();
          for (const one of acts)
            await one().catch((error: unknown) => {
              if (!isFault(error)) throw error;
            });
          const { task, requests } = await world.page();
          if (task.state !== 'done') return;
          done += 1;
          const latest = requests.at(-1);
          const passes = latest?.verdicts.filter(({ word, commit: at }) => word === 'PASS' && at === latest.submission.green) ?? [];
          assert.deepEqual([...new Set(passes.map(({ layer: which }) => which))].sort(), [0, 2, 3]);
          assert.ok(passes.every(({ author }) => author.actor !== 'worker'));
        }),
        tries(40),
      );
      assert.ok(done > 0, 'some get there');
    });
  });
}
