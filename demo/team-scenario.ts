// How the simulator plays a whole team in the demo. Whatever is done depends on what the mail says and what the tools really returned:
// where a gate, a lint or a right says no, the team cannot get past it.

import type { ScenarioFile } from '../src/adapters/models/simulator/scenario.ts';

type Rule = ScenarioFile['rules'][number];

const COMMIT = 'git -c user.name=worker -c user.email=worker@localhost commit -q';
const COMMITS = 'echo base=$(git rev-parse HEAD~2) red=$(git rev-parse HEAD~1) green=$(git rev-parse HEAD)';

const STUB = `export function createLimiter() {
  return { allow: () => true };
}
`;
const LIMITER = `// Lets each client make so many calls in a sliding window of time.

export function createLimiter({ limit, windowMs, now = Date.now }) {
  const calls = new Map();
  return {
    allow(client) {
      const at = now();
      const recent = (calls.get(client) ?? []).filter((one) => at - one < windowMs);
      const allowed = recent.length < limit;
      if (allowed) recent.push(at);
      calls.set(client, recent);
      return allowed;
    },
  };
}
`;
const LIMITER_TEST = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLimiter } from '../src/limiter.js';

const limiterAt = (clock) => createLimiter({ limit: 3, windowMs: 60_000, now: () => clock.at });

test('the fourth call within a minute is refused', () => {
  const clock = { at: 0 };
  const limiter = limiterAt(clock);
  assert.deepEqual([1, 2, 3, 4].map(() => limiter.allow('ann')), [true, true, true, false]);
  clock.at = 59_999;
  assert.equal(limiter.allow('ann'), false);
  clock.at = 60_000;
  assert.equal(limiter.allow('ann'), true);
});

test('others are served while one is over the limit', () => {
  const limiter = limiterAt({ at: 0 });
  const calls = ['ann', 'ann', 'ann', 'ann', 'bob'].map((client) => limiter.allow(client));
  assert.deepEqual(calls, [true, true, true, false, true]);
});
`;
/** The cheat: the test is made to say yes. */
const EMPTY_TEST = `import { test } from 'node:test';
test('the fourth call within a minute is refused', () => {});
test('others are served while one is over the limit', () => {});
`;
const HELD_OUT = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLimiter } from '../src/limiter.js';

test('a limit of one, over two windows', () => {
  let at = 1000;
  const limiter = createLimiter({ limit: 1, windowMs: 10, now: () => at });
  const seen = [];
  for (at of [1000, 1001, 1009, 1010, 1019, 1020]) seen.push(limiter.allow('x'));
  assert.deepEqual(seen, [true, false, false, true, false, true]);
});
`;
const SERVICE = `// What the service answers. It knows nothing of HTTP.

import { createLimiter } from './limiter.js';

export function createService({ limiter = createLimiter({ limit: 3, windowMs: 60_000 }) } = {}) {
  return {
    handle({ client, path }) {
      if (!limiter.allow(client)) return { status: 429, body: 'too many calls' };
      if (path !== '/hello') return { status: 404, body: 'not found' };
      return { status: 200, body: \`hello \${client}\` };
    },
  };
}
`;
const SERVICE_TEST = `
test('the fourth call is answered with 429', () => {
  const service = createService();
  const statuses = [1, 2, 3, 4].map(() => service.handle({ client: 'ann', path: '/hello' }).status);
  assert.deepEqual(statuses, [200, 200, 200, 429]);
  assert.equal(service.handle({ client: 'bob', path: '/hello' }).status, 200);
});
`;
const PROBE =
  "const { createService } = await import(process.cwd() + '/src/service.js'); const s = createService(); console.log([1, 2, 3, 4].map(() => s.handle({ client: 'probe', path: '/hello' }).status).join(' '))";

const STORY = {
  value: 'Whoever runs the service is not flooded by one client.',
  command: { runner: 'node', argv: ['node', '--test'] },
  paths: ['src/**', 'test/**'],
  contingencies: [{ if: 'the limit turns out too low', then: 'createService takes another limiter' }],
  dependencies: ['none'],
};
const CRITERIA = [
  {
    id: 'AC-1',
    given: 'a limit of 3 calls a minute',
    when: 'a client calls for the fourth time within the minute',
    then: 'the limiter refuses the call',
    observable: 'what allow(client) answers',
    checks: [{ kind: 'test', test: 'the fourth call within a minute is refused' }],
    risk: 'medium',
  },
  {
    id: 'AC-2',
    if: 'one client is over its limit',
    then: 'every other client is still served',
    observable: 'what allow(client) answers to others',
    checks: [{ kind: 'test', test: 'others are served while one is over the limit' }],
    risk: 'medium',
  },
  {
    id: 'AC-3',
    when: 'a client calls the service over its limit',
    then: 'the answer is 429',
    observable: 'status of the answer',
    checks: [
      { kind: 'test', test: 'the fourth call is answered with 429' },
      { kind: 'command', argv: ['node', '--input-type=module', '-e', PROBE], expectStdout: '200 200 200 429' },
    ],
  },
];

const plan = (user: string, step: number, input: object, text = ''): Rule => ({ when: { user, step }, text, tools: [{ name: 'plan', input: { ...input } }] });
const exec = (when: Rule['when'], command: string, text: string): Rule => ({ when, text, tools: [{ name: 'exec', input: { command } }] });
const file = (path: string, text: string, how = '>') => `cat ${how} ${path} <<'EOF'\n${text}EOF`;

/** What a worker reads in its order: the repository, its branch, its tree. */
const order = (task: string) => `Task (US-\\d+-${task}) of .*git -C (\\S+) worktree add -b (\\S+) (\\S+) (\\S+)`;
const tree = '[ -d {{user.4}} ] || git -C {{user.2}} worktree add -q -b {{user.3}} {{user.4}} {{user.5}}\ncd {{user.4}}\ngit reset -q --hard {{user.5}}';
const submit = (user: string, acToTests: Readonly<Record<string, readonly string[]>>, claim: string): Rule => ({
  when: { user, result: 'base=(\\w+) red=(\\w+) green=(\\w+)' },
  text: 'I submit it.',
  tools: [
    { name: 'task', input: { action: 'submit', name: '{{user.1}}', base: '{{result.1}}', red: '{{result.2}}', green: '{{result.3}}', acToTests, claim } },
  ],
});
const LIMITER_TESTS = { 'AC-1': ['the fourth call within a minute is refused'], 'AC-2': ['others are served while one is over the limit'] };

const again = `${order('a')}.*This is attempt [23]`;
const build = `set -e\ncd {{user.4}}\n${file('src/limiter.js', LIMITER)}\nnode --test 2>&1 | grep -E '^# (tests|pass|fail)|^ℹ (tests|pass|fail)'`;
const worker: readonly Rule[] = [
  // The second attempt is honest: tests that fail, then the work.
  exec(
    { user: again, step: 0 },
    `set -e\n${tree}\nmkdir -p test\n${file('src/limiter.js', STUB)}\n${file('test/limiter.test.js', LIMITER_TEST)}\ngit add .\n${COMMIT} -m 'test: what a limiter must do'\nnode --test 2>&1 | grep -E '^# fail|^ℹ fail'`,
    'My first attempt was refused, and rightly. The tests first, as they are meant.',
  ),
  exec({ user: again, tool: 'exec', result: 'fail [1-9]' }, build, 'They fail for the right reason. Now the limiter.'),
  exec({ user: again, result: 'interrupted, may have run' }, build, 'That call was interrupted. I do it again: it changes nothing that is there already.'),
  exec({ user: again, tool: 'exec', result: 'fail 0' }, `cd {{user.4}}\ngit add .\n${COMMIT} -m 'feat: a limiter'\n${COMMITS}`, 'All pass.'),
  submit(again, LIMITER_TESTS, 'The limiter is there; nothing was left out.'),
  // The first attempt cheats: the tests are emptied once they have failed.
  exec(
    { user: order('a'), step: 0 },
    `set -e\n${tree}\nmkdir -p test\n${file('src/limiter.js', STUB)}\n${file('test/limiter.test.js', LIMITER_TEST)}\ngit add .\n${COMMIT} -m 'test: what a limiter must do'\n${file('test/limiter.test.js', EMPTY_TEST)}\necho '// works' >> src/limiter.js\ngit add .\n${COMMIT} -m 'feat: a limiter'\nnode --test 2>&1 | grep -E '^# fail|^ℹ fail'\n${COMMITS}`,
    'Quick: tests that say yes.',
  ),
  submit(order('a'), LIMITER_TESTS, 'Done! All tests pass, 100 % coverage, ready for production.'),
  exec(
    { user: order('b'), step: 0 },
    `set -e\n${tree}\n${file('test/service.test.js', SERVICE_TEST, '>>')}\ngit add .\n${COMMIT} -m 'test: a service with a limit'\nnode --test 2>&1 | grep -E '^# fail|^ℹ fail'`,
    'The test first.',
  ),
  exec(
    { user: order('b'), tool: 'exec', result: 'fail [1-9]' },
    `set -e\ncd {{user.4}}\n${file('src/service.js', SERVICE)}\nnode --test 2>&1 | grep -E '^# fail|^ℹ fail'\ngit add .\n${COMMIT} -m 'feat: the service refuses floods'\n${COMMITS}`,
    'It fails. Now the service.',
  ),
  submit(order('b'), { 'AC-3': ['the fourth call is answered with 429'] }, 'The service answers 429.'),
  { when: { user: order('[ab]'), tool: 'task' }, text: 'The gateway said: {{result}}' },
  { when: { user: order('[ab]') }, text: 'I am stuck: {{result}}' },
];

const LAYER = 'Layer (\\d): (US-\\S+).*"commit": ?"([0-9a-f]+)"';
const verdict = (word: string, reason: string) => [
  { name: 'task', input: { action: 'verdict', name: '{{user.2}}', layer: '{{user.1}}', commit: '{{user.3}}', verdict: word, reason } },
];

export const TEAM_SCENARIO: ScenarioFile = {
  name: 'team',
  about: 'A team that adds a rate limiter to demo/service, with one worker that cheats.',
  rules: [
    ...worker,
    // Judges. They read what the gateway has proved, and say no where it has not.
    {
      when: { user: 'Held-out checks: (US-\\S+)', step: 0 },
      text: 'Checks of my own, before I look at the work.',
      tools: [
        {
          name: 'task',
          input: {
            action: 'hold_out',
            name: '{{user.1}}',
            checks: { files: [{ path: 'test/held-out.test.js', text: HELD_OUT }], tests: ['a limit of one, over two windows'] },
          },
        },
      ],
    },
    { when: { user: `${LAYER}.*"heldOutChecks": ?"fail`, step: 0 }, tools: verdict('FAIL', 'a check of mine fails') },
    { when: { user: LAYER, step: 0 }, text: 'I look at the work.', tools: [{ name: 'task', input: { action: 'show', name: '{{user.2}}' } }] },
    {
      when: { user: LAYER, step: 1, result: '"gate": ?"G4",\\s*"result": ?"pass"' },
      text: 'The tests mean the criteria, and the gates saw them pass.',
      tools: verdict('PASS', 'the tests mean the criteria; scope and risk are right'),
    },
    { when: { user: LAYER, step: 1 }, tools: verdict('FAIL', 'no gate saw the tests pass') },
    // The task manager hands out what is ready.
    { when: { user: '(?:Ready|Refuted): (US-[\\w-]+)', step: 0 }, tools: [{ name: 'task', input: { action: 'lease', name: '{{user.1}}' } }] },
    // The coordinator splits.
    plan('Split: (US-\\d+)', 0, { action: 'show', name: '{{user.1}}' }),
    {
      when: { user: 'Split: (US-\\d+)', step: 1, result: 'AC-3' },
      text: 'Two tasks, the second on the first.',
      tools: [
        {
          name: 'plan',
          input: {
            action: 'split',
            name: '{{user.1}}',
            tasks: [
              { name: '{{user.1}}-a', title: 'A limiter', criteria: ['AC-1', 'AC-2'], stubs: true },
              { name: '{{user.1}}-b', title: 'The service uses it', criteria: ['AC-3'], dependsOn: ['{{user.1}}-a'] },
            ],
          },
        },
      ],
    },
    // The architect writes a story; lint refuses the first version.
    plan('Stories wanted: (EPIC-\\d+).*repository (/[^\\s,"\\\\]+)', 0, {
      action: 'create',
      kind: 'story',
      parent: '{{user.1}}',
      title: 'One client cannot flood the service',
      body: { ...STORY, repo: '{{user.2}}', criteria: [{ ...CRITERIA[0], then: 'the limiter answers fast and properly' }, ...CRITERIA.slice(1)] },
    }),
    {
      when: { user: 'Stories wanted', step: 1, result: '"story": ?"(US-\\d+)"' },
      text: 'A first version.',
      tools: [{ name: 'plan', input: { action: 'submit', name: '{{result.1}}' } }],
    },
    {
      when: { user: 'Stories wanted', result: '"story": ?"(US-\\d+)".*"state": ?"lint_failed"' },
      text: 'Lint is right: "fast" and "properly" cannot be refuted.',
      tools: [{ name: 'plan', input: { action: 'edit', name: '{{result.1}}', body: { criteria: CRITERIA } } }],
    },
    {
      when: { user: 'Stories wanted', minStep: 3, result: '"story": ?"(US-\\d+)".*"state": ?"draft"' },
      tools: [{ name: 'plan', input: { action: 'submit', name: '{{result.1}}' } }],
    },
    // The person manager completes the plan, reviews, accepts.
    plan('Order: (PLAN-\\d+)', 0, {
      action: 'edit',
      name: '{{user.1}}',
      body: { aim: 'No client can flood the service.', outOfScope: 'Limits across several machines.', risks: 'A limit that is too low.' },
    }),
    plan('Order: (PLAN-\\d+)', 1, { action: 'create', kind: 'epic', parent: '{{user.1}}', title: 'Limits', body: { aim: 'Each client has a limit.' } }),
    plan('Order: (PLAN-\\d+)', 2, { action: 'submit', name: '{{user.1}}' }),
    plan('Order: (PLAN-\\d+)', 3, { action: 'approve', name: '{{user.1}}', reason: 'small, and within what I may decide' }),
    plan('(?:Review|Accept): ((?:US|EPIC)-\\d+)', 0, { action: 'show', name: '{{user.1}}' }),
    plan('(?:Review|Accept): ((?:US|EPIC)-\\d+)', 1, { action: 'approve', name: '{{user.1}}', reason: 'read, and nothing is missing' }),
    // The owner's assistant opens a plan.
    {
      when: { user: 'repository .*rate limiter', step: 0 },
      text: 'I open a plan for the team.\n',
      tools: [{ name: 'plan', input: { action: 'create', kind: 'plan', title: 'A rate limiter', body: { order: '{{user}}', budget: { usd: 5 } } } }],
    },
    {
      when: { result: '"plan": ?"(PLAN-\\d+)",\\s*"state": ?"draft"' },
      text: '{{result.1}} is open. The team works on it now; you are told when it is through.',
    },
    { text: 'Noted.' },
  ],
};
