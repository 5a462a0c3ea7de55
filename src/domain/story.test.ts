// A story that can be refuted passes, one that cannot is told why; plans come back from their folders as they went.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cycleFrom, decidePlanning, type ItemFacts, type Planner } from './plan.ts';
import { readPlanFiles, writePlanFiles } from './plan-file.ts';
import { DEFAULT_POLICIES } from './role.ts';
import { asEars, asGherkin, lintStory, riskOf, StoryInput } from './story.ts';

const FACTS = { repo: undefined, missingPrograms: [], unknownStories: [] };
const GOOD = {
  value: 'Whoever runs the service is no longer flooded by one client.',
  repo: '/srv/limiter',
  command: { runner: 'node', argv: ['node', '--test'] },
  criteria: [
    {
      id: 'AC-1',
      given: 'a limit of 3 calls a minute',
      when: 'a client calls for the fourth time within the minute',
      then: 'the answer is 429',
      observable: 'status of the HTTP answer',
      checks: [{ kind: 'test', test: 'the fourth call is refused' }],
      risk: 'medium',
    },
    {
      id: 'AC-2',
      if: 'the clock goes backwards',
      then: 'no client gets more than its limit',
      observable: 'count of answers with 200',
      limit: { op: '<=', value: 3, unit: 'calls' },
      checks: [{ kind: 'command', argv: ['node', 'probe.js'] }],
    },
  ],
  contingencies: [{ if: 'the limiter is wrong', then: 'it is switched off by configuration' }],
  dependencies: ['none'],
};
const story = (change: object = {}) => StoryInput.parse({ ...GOOD, ...change });
const criterion = (change: object) => story({ criteria: [{ ...GOOD.criteria[0], ...change }, GOOD.criteria[1]] });

describe('a story', () => {
  it('reads as EARS and as Gherkin', () => {
    const [first, second] = story().criteria;
    assert.ok(first && second);
    assert.equal(
      asEars(first),
      'Given a limit of 3 calls a minute, when a client calls for the fourth time within the minute, the system shall: the answer is 429.',
    );
    assert.equal(asEars(second), 'If the clock goes backwards, then the system shall: no client gets more than its limit (<= 3 calls).');
    assert.equal(
      asGherkin(first),
      'Scenario: AC-1\n  Given a limit of 3 calls a minute\n  When a client calls for the fourth time within the minute\n  Then the answer is 429',
    );
    assert.equal(riskOf(story()), 'medium');
  });

  it('passes lint when it can be refuted, and is told what to write when it cannot', () => {
    assert.deepEqual(lintStory(story(), FACTS), []);
    const problems = (...[of, facts]: [ReturnType<typeof story>, Partial<typeof FACTS>?]) =>
      lintStory(of, { ...FACTS, ...facts }).map(({ at, problem }) => `${at}: ${problem}`);
    assert.deepEqual(problems(criterion({ when: undefined })), ['AC-1: nothing triggers it']);
    assert.deepEqual(problems(criterion({ observable: '' })), ['AC-1: nothing is said to be looked at']);
    assert.deepEqual(problems(criterion({ then: 'the answer comes fast' })), ['AC-1: "fast" can be neither met nor missed']);
    assert.deepEqual(problems(criterion({ then: 'the answer comes fast', limit: { op: '<', value: 50, unit: 'ms' } })), []);
    assert.deepEqual(problems(criterion({ then: 'the answer is 429 and the client is written into the log' })), ['AC-1: it joins two outcomes']);
    assert.deepEqual(problems(criterion({ then: 'the answer holds name and age' })), []);
    assert.deepEqual(problems(criterion({ checks: [] })), ['AC-1: it has no check']);
    assert.deepEqual(problems(criterion({ id: 'AC-2' })), ['AC-2: two criteria have this id']);
    assert.deepEqual(problems(story({ command: undefined })), ['AC-1: the test "the fourth call is refused" cannot run']);
    assert.deepEqual(problems(story(), { missingPrograms: ['node'] as never[] }), ['AC-2: the command node is not on this machine']);
    assert.deepEqual(problems(story({ criteria: [GOOD.criteria[0]] })), ['criteria: a story of medium risk has no negative case']);
    assert.deepEqual(problems(story({ criteria: [] })), ['criteria: there is not one acceptance criterion']);
    assert.deepEqual(problems(story({ contingencies: [], dependencies: [] })), ['contingencies: the section is empty', 'dependencies: the section is empty']);
    assert.deepEqual(problems(story({ repo: '', value: '' })), ['value: it does not say who gets what', 'repo: it names no repository']);
    assert.deepEqual(problems(story(), { repo: '/x is no git repository' as never, unknownStories: ['US-9'] as never[] }), [
      'repo: /x is no git repository',
      'dependencies: its plan has no story "US-9"',
    ]);
    for (const finding of lintStory(StoryInput.parse({}), FACTS)) assert.ok(finding.instead.length > 10, finding.at);
  });
});

describe('planning', () => {
  const planner = (who: string, change: Partial<Planner> = {}): Planner => ({ actor: `run:${who}`, sessionKey: `s:${who}`, who, isOwners: false, ...change });
  const item = (change: Partial<ItemFacts> = {}): ItemFacts => ({
    kind: 'plan',
    state: 'in_review',
    risk: 'low',
    author: planner('story-architect'),
    origin: 'owner',
    usd: 5,
    ...change,
  });
  const may = (who: string, action: Parameters<typeof decidePlanning>[2], change?: Partial<ItemFacts>, by?: Partial<Planner>) =>
    decidePlanning(DEFAULT_POLICIES, planner(who, by), action, item(change)).ok;

  it('lets roles do what their rights say and no more', () => {
    assert.deepEqual(
      ['human', 'assistant', 'person-manager', 'story-architect', 'coordinator', 'worker-impl', 'nobody'].map((who) => may(who, 'create', { state: 'draft' })),
      [true, true, true, false, false, false, false],
    );
    assert.deepEqual(
      ['human', 'assistant', 'person-manager', 'story-architect'].map((who) => may(who, 'approve')),
      [true, false, true, false],
    );
    assert.equal(may('person-manager', 'approve', { usd: 500 }), false);
    assert.equal(may('person-manager', 'approve', { usd: null }), false);
    assert.equal(may('person-manager', 'approve', { origin: 'proposal' }), false);
    const story = { kind: 'story' } as const;
    assert.deepEqual(
      ['story-architect', 'person-manager', 'coordinator', 'worker-impl'].map((who) => may(who, 'edit', story)),
      [true, false, false, false],
    );
    assert.equal(may('coordinator', 'comment', story), true);
    assert.equal(may('person-manager', 'approve', story), true);
    assert.equal(may('person-manager', 'approve', { ...story, risk: 'high' }), false);
    assert.equal(may('person-manager', 'approve', { ...story, author: planner('person-manager') }), false);
    assert.equal(may('story-architect', 'approve', story), false);
    assert.equal(may('human', 'approve', { state: 'draft' }), false);
    assert.equal(may('human', 'edit', { state: 'completed' }), false);
  });

  it('names the whole way of a circle', () => {
    const waits: Record<string, string[]> = { a: ['b', 'x'], b: ['c'], c: ['a'], x: [] };
    assert.deepEqual(
      cycleFrom('a', (name) => waits[name] ?? []),
      ['a', 'b', 'c', 'a'],
    );
    assert.equal(
      cycleFrom('x', (name) => waits[name] ?? []),
      null,
    );
  });
});

describe('a plan as a folder', () => {
  const items = [
    {
      kind: 'plan',
      name: 'PLAN-1',
      title: 'Limits',
      state: 'active',
      parent: null,
      body: { order: 'Add a rate limiter.', aim: 'No flood.', outOfScope: '', risks: 'Clocks.', budget: { usd: 5 } },
    },
    { kind: 'epic', name: 'EPIC-1', title: 'The limiter', state: 'ready', parent: 'PLAN-1', body: { aim: 'It counts.' } },
    { kind: 'story', name: 'US-1', title: 'Count calls', state: 'draft', parent: 'EPIC-1', body: story() },
  ] as const;

  it('comes back as it was', () => {
    const files = writePlanFiles(items);
    assert.deepEqual(
      files.map(({ path }) => path),
      ['MASTER-PLAN.md', 'phases/EPIC-1.md', 'stories/US-1.md'],
    );
    const read = readPlanFiles(files);
    assert.deepEqual([read?.plan.name, read?.plan.title, read?.plan.body], ['PLAN-1', 'Limits', items[0].body]);
    assert.deepEqual(read?.epics, [{ name: 'EPIC-1', title: 'The limiter', aim: 'It counts.' }]);
    assert.deepEqual(StoryInput.parse(read?.stories[0]?.body), story());
  });

  it('is read in the shapes that people write', () => {
    const read = readPlanFiles([
      { path: 'shop/MASTER-PLAN.md', text: '# 🚀 Shop relaunch\n\n## Goals\nSell more.\n\n## Phase 1: Basket\nItems stay.\n\n## Phase 2 - Checkout\nPay.\n' },
      {
        path: 'shop/stories/US-101.md',
        text: '# US-101: Keep the basket\n\n**Epic:** Phase 2 - Checkout\n**Repository:** /srv/shop\n\nAs a customer I want my basket kept so that I can pay later.\n\n## Acceptance Criteria\n- [ ] AC1: Given a basket, when the page is loaded again, then it holds the same items\n- [ ] AC2: totals are right\n\n## Contingencies\n- If storage is full → tell the customer\n\n## Dependencies\n- US-100 login\n',
      },
    ]);
    assert.deepEqual(
      [read?.plan.title, read?.plan.body.aim, read?.epics.map(({ title }) => title)],
      ['Shop relaunch', 'Sell more.', ['Phase 1: Basket', 'Phase 2 - Checkout']],
    );
    const [first] = read?.stories ?? [];
    assert.deepEqual([first?.name, first?.title, first?.epic, first?.body.repo], ['US-101', 'Keep the basket', 1, '/srv/shop']);
    assert.match(first?.body.value ?? '', /As a customer/);
    assert.deepEqual(
      first?.body.criteria?.map(({ id, given, when, then }) => [id, given, when, then]),
      [
        ['AC1', 'a basket', 'the page is loaded again', 'it holds the same items'],
        ['AC2', undefined, undefined, 'totals are right'],
      ],
    );
    assert.deepEqual([first?.body.contingencies, first?.body.dependencies], [[{ if: 'storage is full', then: 'tell the customer' }], ['US-100']]);
    assert.equal(readPlanFiles([{ path: 'README.md', text: '# no plan' }]), null);
  });
});
