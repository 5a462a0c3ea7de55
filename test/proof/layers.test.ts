// From submitted to done: the gateway proves, the coordinator and the validator judge, the gateway merges. Cheats end nowhere.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import type { TestClient } from '../support/installation.ts';
import { ask, order, startJourney, textOf, workerPid } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';
import { AC, BASE, type Files, GREEN, RED, type TinyRepo, tinyRepo } from '../support/tiny-repo.ts';

const TEAM = {
  agents: {
    list: [
      { id: 'main', default: true },
      { id: 'builder', role: 'worker-impl' },
      { id: 'coordinator', role: 'coordinator' },
      { id: 'checker', role: 'validator' },
    ],
  },
};

const INVENTED = 'f'.repeat(40);

interface Work {
  readonly base: string;
  readonly red: string;
  readonly green: string;
}

/** Agents that submit and judge what they are told: the models of this test read commits out of their mail. */
const CHECKS = {
  files: [
    {
      path: 'test/held-out.test.js',
      text: "import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { price } from '../src/price.js';\ntest('twelve and fifty', () => {\n  assert.equal(price(12, 10), 108);\n  assert.equal(price(50, 2), 90);\n});\ntest('none is free', () => assert.equal(price(0, 5), 0));\n",
    },
  ],
  tests: ['twelve and fifty', 'none is free'],
};

const scenarioOf = (works: Readonly<Record<string, Work>>) => ({
  name: 'proof',
  rules: [
    ...Object.entries(works).map(([word, work]) => ({
      when: { user: `submit ${word} for (\\S+)`, step: 0 },
      tools: [{ name: 'task', input: { action: 'submit', name: '{{user.1}}', ...work, acToTests: AC, claim: 'all tests pass, trust me' } }],
    })),
    {
      when: { user: 'judge (\\S+) (\\S+) (\\d) (\\S+)', step: 0 },
      tools: [
        {
          name: 'task',
          input: { action: 'verdict', name: '{{user.1}}', commit: '{{user.2}}', layer: '{{user.3}}', verdict: '{{user.4}}', reason: 'looked at it' },
        },
      ],
    },
    { when: { user: 'inspect (\\S+)', step: 0 }, tools: [{ name: 'task', input: { action: 'show', name: '{{user.1}}' } }] },
    { when: { user: 'set (\\S+) done', step: 0 }, tools: [{ name: 'task', input: { action: 'done', name: '{{user.1}}' } }] },
    {
      when: { user: 'Held-out checks: (\\S+)', step: 0 },
      tools: [{ name: 'task', input: { action: 'hold_out', name: '{{user.1}}', checks: CHECKS } }],
    },
    {
      when: { user: 'Layer 3: (\\S+)[^]*"commit": ?"([0-9a-f]+)"[^]*"heldOutChecks": ?"fail', step: 0 },
      tools: [
        {
          name: 'task',
          input: { action: 'verdict', name: '{{user.1}}', commit: '{{user.2}}', layer: 3, verdict: 'REJECTED', reason: 'the check at 12 fails' },
        },
      ],
    },
    {
      when: { user: 'Layer (\\d): (\\S+)[^]*"commit": ?"([0-9a-f]+)"', step: 0 },
      tools: [
        {
          name: 'task',
          input: {
            action: 'verdict',
            name: '{{user.2}}',
            commit: '{{user.3}}',
            layer: '{{user.1}}',
            verdict: 'Approved',
            reason: 'the tests mean the criteria',
          },
        },
      ],
    },
    { when: { user: 'submit|judge|set|Layer|Held-out|inspect', result: '([^]*)' }, text: '{{result.1}}' },
    { text: 'heard' },
  ],
});

async function team(t: TestContext, make: (repo: TinyRepo, base: string) => Readonly<Record<string, Omit<Work, 'base'>>>) {
  const repo = tinyRepo(join(scratchDir(t), 'shop'));
  const base = repo.commit('base', BASE);
  const works = Object.fromEntries(Object.entries(make(repo, base)).map(([word, work]) => [word, { base, ...work }]));
  for (const [word, { green }] of Object.entries(works)) if (green !== INVENTED) repo.git('branch', `work-${word}`, green);
  repo.git('checkout', '--quiet', 'main');
  repo.git('reset', '--quiet', '--hard', base);
  const journey = await startJourney(t, { scenario: scenarioOf(works), config: TEAM });
  return { repo, base, works, ...journey };
}

async function specified(client: TestClient, repo: TinyRepo, name: string, more: Readonly<Record<string, unknown>> = {}) {
  await ask(client, 'tasks.add', { name, title: 'ten or more are 10 % off' });
  const criteria = [{ id: 'AC-1', text: 'Orders of ten or more cost a tenth less.' }];
  await ask(client, 'tasks.spec', { name, spec: { repo: repo.dir, command: { runner: 'node', argv: ['node', '--test'] }, criteria, ...more } });
}

const told = async (client: TestClient, agent: string, message: string) => JSON.parse(textOf(await order(client, message, { session: `agent:${agent}:main` })));
const stateOf = async (client: TestClient, name: string) => (await ask(client, 'tasks.get', { name })).task.state;
const settles = (client: TestClient, name: string, state: string) => until(`${name} is ${state}`, async () => (await stateOf(client, name)) === state, 40_000);

const honest = (repo: TinyRepo, green: Files = GREEN) => ({ red: repo.commit('red', RED), green: repo.commit('green', green) });

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
    await until(word, async () => (await ask(client, 'tasks.get', { name: 'TASK-2' })).task.attempts === attempts, 30_000);
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
  const before = await until('some gates', async () => {
    const seen = await gates();
    return seen.length >= 4 && seen;
  });
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
    40_000,
  );
  assert.ok(said);
  assert.equal(await stateOf(client, 'TASK-6'), 'ready');
});

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
  await until('the refutation', async () => (await ask(client, 'tasks.get', { name: 'TASK-7' })).task.attempts === 1, 40_000);
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
  assert.equal((await ask(client, 'proof.replay', { name: 'TASK-7' }, 60_000)).same, true);
  const after = await ask(client, 'proof.show', { name: 'TASK-7' });
  assert.deepEqual(words(after.requests[1]), ['G7 pass', 'G8 pass', '0 PASS', '2 PASS', '3 PASS']);
  assert.equal(after.requests[1].verdicts[2].note, 'one_family');
});

it('a FAIL that the gateway has not seen is refused', async (t) => {
  const { repo, client, works } = await team(t, (made) => ({ honest: honest(made) }));
  const green = works['honest']?.green ?? '';
  await specified(client, repo, 'TASK-8', { risk: 'medium' });
  await told(client, 'builder', 'submit honest for TASK-8');
  const refused = await until('a refused FAIL', async () => {
    const { error } = await told(client, 'checker', `judge TASK-8 ${green} 3 FAIL`);
    return /a FAIL counts when the gateway has seen it/.test(error ?? '') || (await stateOf(client, 'TASK-8')) === 'done';
  });
  assert.ok(refused);
  await settles(client, 'TASK-8', 'done');
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
    40_000,
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
  await until('the refutation', async () => (await ask(client, 'tasks.get', { name: 'TASK-11' })).task.attempts === 1, 40_000);
  const refused = await installation.cli(['task', 'waive', 'TASK-11', 'G0', '--reason', 'no matter']);
  assert.deepEqual([refused.code, /nothing to judge/.test(refused.stderr)], [1, true], refused.stderr);
  const waived = await installation.cli(['task', 'waive', 'TASK-11', 'G7', '--reason', 'a price list follows next week']);
  assert.equal(waived.code, 0, waived.stderr);
  await told(client, 'builder', 'submit thin for TASK-11');
  await settles(client, 'TASK-11', 'done');
  const { stdout } = await installation.cli(['proof', 'show', 'TASK-11']);
  assert.match(stdout, /G7 +waived .*not noticed.*a price list follows next week.*layer 0: WAIVED/s);
});
