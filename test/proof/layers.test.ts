// From submitted to done: the gateway proves, the coordinator and the validator judge, the gateway merges. Cheats end nowhere.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ask, workerPid } from '../support/journey.ts';
import { honest, INVENTED, settles, specified, stateOf, team, told } from '../support/proof-team.ts';
import { until } from '../support/scratch.ts';
import { RED } from '../support/tiny-repo.ts';

it('honest work goes through all layers by itself, and the branch is moved', async (t) => {
  const { repo, client, works, installation } = await team(t, (made) => ({ honest: honest(made) }));
  await specified(client, repo, 'TASK-1');
  assert.equal((await told(client, 'builder', 'submit honest for TASK-1')).status, 'ok');
  await settles(client, 'TASK-1', 'done');
  assert.equal(repo.git('rev-parse', 'main'), works['honest']?.green);
  assert.equal(repo.git('status', '--porcelain'), '', 'the folder is at the new commit too');
  const { requests } = await ask(client, 'proof.show', { name: 'TASK-1' });
  assert.equal(requests.length, 1);
  const [{ gates, verdicts, claim, isolation }] = requests;
  assert.deepEqual(
    gates.map(({ gate, result }: { gate: string; result: string }) => `${gate} ${result}`),
    ['G0', 'G1', 'G3', 'G9', 'G2', 'G4', 'G6', 'G7'].map((gate) => `${gate} pass`),
  );
  assert.deepEqual(
    verdicts.map(({ layer, word, author }: { layer: number; word: string; author: { role: string | null } }) => [layer, word, author.role]),
    [
      [0, 'PASS', null],
      [2, 'PASS', 'coordinator'],
      [3, 'PASS', 'validator'],
    ],
  );
  assert.deepEqual([claim, isolation], ['all tests pass, trust me', 'bwrap']);
  const { stdout } = await installation.cli(['proof', 'show', 'TASK-1']);
  const replayed = await installation.cli(['proof', 'replay', 'TASK-1']);
  assert.match(replayed.stdout, /G0 +pass +pass.*G7 +pass +pass.*The same judgement/s, replayed.stderr);
  assert.match(stdout, /^# Proof of TASK-1.*isolated by bwrap.*AC-1.*ten or more are cheaper.*G7 +pass.*layer 3.*PASS.*validator/s);
});

it('cheats end at the gate that is there for them, and the third time somebody must look', async (t) => {
  const { repo, client, works } = await team(t, (made, base) => {
    const weak = {
      red: made.commit('red', RED),
      green: made.commit('green', { 'test/discount.test.js': "import { test } from 'node:test';\ntest('ten or more are cheaper', () => {});\n" }),
    };
    made.git('reset', '--quiet', '--hard', base);
    const lazy = { red: made.commit('red', RED), green: made.commit('green', { 'src/other.js': 'export const done = true;\n' }) };
    return { weak, lazy, invented: { red: weak.red, green: INVENTED } };
  });
  await specified(client, repo, 'TASK-2');
  for (const [word, attempts] of [
    ['invented', 1],
    ['weak', 2],
    ['lazy', 3],
  ] as const) {
    await told(client, 'builder', `submit ${word} for TASK-2`);
    await until(word, async () => (await ask(client, 'tasks.get', { name: 'TASK-2' })).task.attempts === attempts, 90_000);
  }
  assert.equal(await stateOf(client, 'TASK-2'), 'parked');
  const { requests } = await ask(client, 'proof.show', { name: 'TASK-2' });
  assert.deepEqual(
    requests.map(({ gates }: { gates: { gate: string; result: string }[] }) => gates.at(-1)?.gate),
    ['G0', 'G3', 'G4'],
  );
  assert.equal(repo.git('rev-parse', 'main'), works['weak']?.base, 'nothing was merged');
});

it('nobody judges his own work, nobody judges what is not proved, and nobody sets done', async (t) => {
  const { repo, client, works } = await team(t, (made) => ({ honest: honest(made) }));
  const green = works['honest']?.green ?? '';
  await specified(client, repo, 'TASK-3');
  const refusals = async (agent: string, message: string, why: RegExp) => {
    const { status, error } = await told(client, agent, message);
    assert.deepEqual([status, why.test(error ?? '')], ['error', true], error);
  };
  await refusals('coordinator', `judge TASK-3 ${green} 2 PASS`, /nothing is submitted/);
  await refusals('builder', 'set TASK-3 done', /action/);
  await assert.rejects(ask(client, 'tasks.move', { name: 'TASK-3', to: 'done' }), /the gateway alone sets a task done/);
  await told(client, 'builder', 'submit honest for TASK-3');
  await refusals('builder', `judge TASK-3 ${green} 2 PASS`, /layer 0 has not proved|layer 2 is judged by the coordinator/);
  await refusals('coordinator', `judge TASK-3 ${green} 3 PASS`, /layer 0 has not proved|layer 2 has not passed|layer 3 is judged by the validator/);
  await settles(client, 'TASK-3', 'done');
});

it('a proof whose worker is killed goes on after the gates that are finished', async (t) => {
  const { repo, client } = await team(t, (made) => ({ honest: honest(made) }));
  await specified(client, repo, 'TASK-4', { risk: 'low' });
  await told(client, 'builder', 'submit honest for TASK-4');
  const gates = async () => (await ask(client, 'proof.show', { name: 'TASK-4' })).requests[0]?.gates ?? [];
  const before = await until(
    'some gates',
    async () => {
      const seen = await gates();
      return seen.length >= 4 && seen;
    },
    90_000,
  );
  process.kill(await workerPid(client), 'SIGKILL');
  await settles(client, 'TASK-4', 'done');
  const after = await gates();
  assert.deepEqual(after.slice(0, before.length), before, 'those were not run again');
  assert.equal(after.length, 8);
});

it('what is in the way of a proof or a merge is said, and is no failure of the work', async (t) => {
  const { repo, client } = await team(t, (made) => ({ honest: honest(made) }));
  await specified(client, repo, 'TASK-5', { repo: join(repo.dir, 'nowhere') });
  await told(client, 'builder', 'submit honest for TASK-5');
  await settles(client, 'TASK-5', 'blocked');
  const { task } = await ask(client, 'tasks.get', { name: 'TASK-5' });
  assert.deepEqual([task.attempts, task.blocked.owner, /nowhere/.test(task.blocked.action)], [0, 'coordinator', true], task.blocked.action);

  await specified(client, repo, 'TASK-6');
  writeFileSync(join(repo.dir, 'src', 'price.js'), '// the owner is at work here\n');
  await told(client, 'builder', 'submit honest for TASK-6');
  const said = await until(
    'the refused merge',
    async () =>
      (await ask(client, 'inbox.list', { box: 'task-managers', all: true })).messages.find(
        ({ subject }: { subject: string }) => subject === 'Not merged: TASK-6',
      ),
    90_000,
  );
  assert.ok(said);
  assert.equal(await stateOf(client, 'TASK-6'), 'ready');
});
