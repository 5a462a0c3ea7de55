// A small team that submits, judges and checks: its models do what the tests tell them, and read commits out of their mail.

import { join } from 'node:path';
import type { TestClient } from './installation.ts';
import { ask, order, startJourney, textOf } from './journey.ts';
import { type Cleanup, scratchDir, until } from './scratch.ts';
import { AC, BASE, type Files, GREEN, RED, type TinyRepo, tinyRepo } from './tiny-repo.ts';

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

export const INVENTED = 'f'.repeat(40);

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

export async function team(t: Cleanup, make: (repo: TinyRepo, base: string) => Readonly<Record<string, Omit<Work, 'base'>>>) {
  const repo = tinyRepo(join(scratchDir(t), 'shop'));
  const base = repo.commit('base', BASE);
  const works = Object.fromEntries(Object.entries(make(repo, base)).map(([word, work]) => [word, { base, ...work }]));
  for (const [word, { green }] of Object.entries(works)) if (green !== INVENTED) repo.git('branch', `work-${word}`, green);
  repo.git('checkout', '--quiet', 'main');
  repo.git('reset', '--quiet', '--hard', base);
  const journey = await startJourney(t, { scenario: scenarioOf(works), config: TEAM });
  return { repo, base, works, ...journey };
}

export async function specified(client: TestClient, repo: TinyRepo, name: string, more: Readonly<Record<string, unknown>> = {}) {
  await ask(client, 'tasks.add', { name, title: 'ten or more are 10 % off' });
  const criteria = [{ id: 'AC-1', text: 'Orders of ten or more cost a tenth less.' }];
  await ask(client, 'tasks.spec', { name, spec: { repo: repo.dir, command: { runner: 'node', argv: ['node', '--test'] }, criteria, ...more } });
}

export const told = async (client: TestClient, agent: string, message: string) =>
  JSON.parse(textOf(await order(client, message, { session: `agent:${agent}:main` })));
export const stateOf = async (client: TestClient, name: string) => (await ask(client, 'tasks.get', { name })).task.state;
export const settles = (client: TestClient, name: string, state: string) =>
  until(`${name} is ${state}`, async () => (await stateOf(client, name)) === state, 90_000);

export const honest = (repo: TinyRepo, green: Files = GREEN) => ({ red: repo.commit('red', RED), green: repo.commit('green', green) });
