// Task lists in the shapes that agents write.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_POLICIES } from './role.ts';
import { decideTaskMove, stateOfWords, TASK_STATES } from './task.ts';
import { isGenerated, readWork, renderWork } from './work-file.ts';

const brief = (text: string, project = 'main') => readWork(text, project).map((task) => [task.project, task.name, task.state, task.title]);

describe('task lists', () => {
  it('headings with bullets', () => {
    const text = [
      '# Proactive Jobs',
      '## Project: Gateway Rework',
      '### p1-2-a: Build the thing',
      '- **Status:** 🔄 in progress',
      '- **Owner:** worker-7',
      'some prose with status: nothing',
      '### ✅ p1-2-b: Done thing',
      '### [p1-3] - Needs a look',
      '* Status: needs-validation',
      '## Completed',
      '### US-001: Story',
      '- **Status**: complete (conditional)',
    ].join('\n');
    assert.deepEqual(brief(text), [
      ['gateway-rework', 'p1-2-a', 'working', 'Build the thing'],
      ['gateway-rework', 'p1-2-b', 'closed_unproven', 'Done thing'],
      ['gateway-rework', 'p1-3', 'submitted', 'Needs a look'],
      ['gateway-rework', 'US-001', 'working', 'Story'],
    ]);
    const [first] = readWork(text, 'main');
    assert.equal(first?.owner, 'worker-7');
    assert.match(first?.original ?? '', /some prose/);
  });

  it('tables, check lists and lines with bars', () => {
    const text = [
      '| Task ID | Description | Status | Assigned |',
      '|---|---|---|---|',
      '| `p2-1` | Left | **blocked** | validator |',
      '| p2-2 | Right | ✅ DONE | |',
      '',
      '- [x] p3-1: over',
      '- [ ] p3-2 – to come (needs-validation)',
      '- [~] p3-3: half',
      '- [ ] no id here',
      'p4-1|pending|the last',
      'p4-2 | self-validated',
    ].join('\n');
    assert.deepEqual(brief(text, 'x'), [
      ['x', 'p2-1', 'blocked', 'Left'],
      ['x', 'p2-2', 'closed_unproven', 'Right'],
      ['x', 'p3-1', 'closed_unproven', 'over'],
      ['x', 'p3-2', 'submitted', 'to come (needs-validation)'],
      ['x', 'p3-3', 'working', 'half'],
      ['x', 'p4-1', 'ready', 'the last'],
      ['x', 'p4-2', 'submitted', 'p4-2'],
    ]);
  });

  it('one id in several projects is several tasks', () => {
    assert.deepEqual(
      brief('## Alpha\n### p1-2-a: x\n## Beta\n### p1-2-a: y').map(([project]) => project),
      ['alpha', 'beta'],
    );
  });

  it('what is rendered is read back', () => {
    const state = fc.constantFrom(...TASK_STATES);
    const task = fc.record({
      project: fc.constantFrom('alpha', 'beta-2'),
      name: fc.stringMatching(/^[a-z][a-z-]{0,5}\d{1,3}$/),
      title: fc.stringMatching(/^[A-Za-z][A-Za-z |]{0,20}[a-z]$/),
      owner: fc.constant(null),
      state,
      attempts: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.uniqueArray(task, { selector: ({ project, name }) => `${project} ${name}`, maxLength: 20 }), (tasks) => {
        const text = renderWork(tasks);
        assert.ok(isGenerated(text));
        assert.deepEqual(
          new Set(readWork(text, 'main').map(({ project, name, said }) => `${project} ${name} ${said}`)),
          new Set(tasks.map(({ project, name, state: now }) => `${project} ${name} ${now}`)),
        );
      }),
    );
  });

  it('nothing that is thrown at it makes it fail, or take long', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('#', '##', '###', '|', '-', '[x]', ' p1-2: ', 'Status:', '\n', '**', 'done', '| id | status |', 'é', ':')),
        (parts) => void readWork(parts.join(''), 'x'),
      ),
    );
    readWork('|'.repeat(200_000), 'x');
    readWork(`- ${'['.repeat(100_000)}`, 'x');
  });
});

it('statuses in many words', () => {
  const said: Record<string, string> = {
    pending: 'ready',
    'not started': 'ready',
    'IN-PROGRESS': 'working',
    'in_progress (worker spawned)': 'working',
    'needs-validation': 'submitted',
    'self-validated': 'submitted',
    'Awaiting validation': 'submitted',
    validated: 'closed_unproven',
    '✅ COMPLETE': 'closed_unproven',
    'complete (conditional)': 'working',
    'mostly done': 'working',
    '80% complete': 'working',
    '100% complete': 'closed_unproven',
    'BLOCKED - waiting on infra': 'blocked',
    'failed validation': 'ready',
    '⏸ paused': 'blocked',
    cancelled: 'cancelled',
    'superseded by p3': 'cancelled',
  };
  for (const [words, state] of Object.entries(said)) assert.equal(stateOfWords(words), state, words);
  assert.equal(stateOfWords('xyzzy'), null);
});

it('no role and nobody by a file reaches done, and closed work stays closed', () => {
  for (const who of ['human', 'worker-impl', 'coordinator', 'task-manager', 'validator', 'nobody'])
    for (const from of TASK_STATES) {
      for (const to of ['done', 'merging', 'proving', 'validated', 'closed_unproven'] as const)
        if (from !== to) assert.equal(decideTaskMove(DEFAULT_POLICIES, who, from, to).ok, false, `${who}: ${from} to ${to}`);
      if (from !== 'ready') assert.equal(decideTaskMove(DEFAULT_POLICIES, who, 'done', from).ok, from === 'done');
    }
  assert.deepEqual(decideTaskMove(DEFAULT_POLICIES, 'worker-impl', 'working', 'submitted'), { ok: true });
  assert.equal(decideTaskMove(DEFAULT_POLICIES, 'worker-cmd', 'working', 'submitted').ok, false);
});
