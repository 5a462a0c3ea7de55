// What verdicts rest on: checks that the worker never saw, the same patch on a moved branch, a human's waiver.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask } from '../support/journey.ts';
import { honest, settles, specified, team, told } from '../support/proof-team.ts';
import { until } from '../support/scratch.ts';
import { type Files, GREEN } from '../support/tiny-repo.ts';

it('answers that are hard-coded pass every test and end at the checks that their author never saw', async (t) => {
  const { repo, base, client } = await team(t, (made, from) => {
    const coded = honest(made, {
      'src/price.js':
        'export function price(count, each) {\n  if (count === 10 && each === 10) return 90;\n  if (count === 20 && each === 5) return 90;\n  return count * each;\n}\n',
    });
    made.git('reset', '--quiet', '--hard', from);
    return { coded, honest: honest(made) };
  });
  await specified(client, repo, 'TASK-7', { risk: 'medium' });
  const shown = await told(client, 'checker', 'inspect TASK-7');
  assert.deepEqual([shown.first !== undefined, shown.submission], [true, undefined], 'a validator writes its checks first');
  await told(client, 'builder', 'submit coded for TASK-7');
  await until('the refutation', async () => (await ask(client, 'tasks.get', { name: 'TASK-7' })).task.attempts === 1, 90_000);
  const { requests } = await ask(client, 'proof.show', { name: 'TASK-7' });
  const words = (request: { gates: { gate: string; result: string }[]; verdicts: { layer: number; word: string }[] }) => [
    ...request.gates.slice(-2).map(({ gate, result }) => `${gate} ${result}`),
    ...request.verdicts.map(({ layer, word }) => `${layer} ${word}`),
  ];
  assert.deepEqual(words(requests[0]), ['G7 pass', 'G8 fail', '0 PASS', '2 PASS', '3 FAIL']);
  assert.doesNotMatch(
    JSON.stringify(await told(client, 'builder', 'inspect TASK-7')),
    /held-out\.test|twelve and fifty", "none/,
    'the worker does not see the checks',
  );
  assert.equal(repo.git('rev-parse', 'main'), base);

  await told(client, 'builder', 'submit honest for TASK-7');
  await settles(client, 'TASK-7', 'done');
  const after = await ask(client, 'proof.show', { name: 'TASK-7' });
  assert.deepEqual(words(after.requests[1]), ['G7 pass', 'G8 pass', '0 PASS', '2 PASS', '3 PASS']);
  assert.equal(after.requests[1].verdicts[2].note, 'one_family');
});

it('work whose branch has moved on is put on top of it, proved again, and keeps its verdicts; a conflict goes back', async (t) => {
  const { repo, client } = await team(t, (made, from) => {
    const first = honest(made);
    made.git('reset', '--quiet', '--hard', from);
    const clash = { red: first.red, green: '' };
    made.git('reset', '--quiet', '--hard', clash.red);
    clash.green = made.commit('another way', {
      'src/price.js': 'export function price(count, each) {\n  return count >= 10 ? count * each * 0.9 : count * each;\n}\n',
    });
    return { honest: first, clash };
  });
  await specified(client, repo, 'TASK-9');
  const moved = repo.commit('somebody else', { 'README.md': 'a shop\n' });
  await told(client, 'builder', 'submit honest for TASK-9');
  await settles(client, 'TASK-9', 'done');
  assert.equal(repo.git('rev-parse', 'main~2'), moved, 'the work stands on what was there');
  assert.equal(repo.git('log', '-1', '--format=%an %cn'), 'w clawdbot');
  const { requests } = await ask(client, 'proof.show', { name: 'TASK-9' });
  assert.equal(requests.length, 2);
  assert.deepEqual(
    requests[1].verdicts.map(({ layer, word, note }: { layer: number; word: string; note: string | null }) => [layer, word, /carried over/.test(note ?? '')]),
    [
      [2, 'PASS', true],
      [3, 'PASS', true],
      [0, 'PASS', false],
    ],
  );
  assert.equal(requests[1].gates.length, 8, 'layer 0 looked at the new commit');

  await specified(client, repo, 'TASK-10');
  await told(client, 'builder', 'submit clash for TASK-10');
  await until(
    'the refused merge',
    async () =>
      (await ask(client, 'inbox.list', { box: 'task-managers', all: true })).messages.some(
        ({ subject }: { subject: string }) => subject === 'Not merged: TASK-10',
      ),
    90_000,
  );
  const { task } = await ask(client, 'tasks.get', { name: 'TASK-10' });
  assert.deepEqual([task.state, task.attempts], ['ready', 0], 'it is no failure of the work');
});

it('only a human waives a gate, for a reason, and the page says so', async (t) => {
  const thin: Files = {
    'test/discount.test.js':
      "import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { price } from '../src/price.js';\ntest('ten or more are cheaper', () => assert.notEqual(price(10, 10), 100));\n",
  };
  const { repo, client, installation } = await team(t, (made) => ({ thin: { red: made.commit('red', thin), green: made.commit('green', GREEN) } }));
  await specified(client, repo, 'TASK-11');
  await told(client, 'builder', 'submit thin for TASK-11');
  await until('the refutation', async () => (await ask(client, 'tasks.get', { name: 'TASK-11' })).task.attempts === 1, 90_000);
  const refused = await installation.cli(['task', 'waive', 'TASK-11', 'G0', '--reason', 'no matter']);
  assert.deepEqual([refused.code, /nothing to judge/.test(refused.stderr)], [1, true], refused.stderr);
  const waived = await installation.cli(['task', 'waive', 'TASK-11', 'G7', '--reason', 'a price list follows next week']);
  assert.equal(waived.code, 0, waived.stderr);
  await told(client, 'builder', 'submit thin for TASK-11');
  await settles(client, 'TASK-11', 'done');
  const { stdout } = await installation.cli(['proof', 'show', 'TASK-11']);
  assert.match(stdout, /G7 +waived .*not noticed.*a price list follows next week.*layer 0: WAIVED/s);
});
