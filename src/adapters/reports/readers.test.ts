// Reports as the runners themselves wrote them (vitest 4, jest 30, pytest 7, go 1.19) or as their formats say (Playwright, cargo nextest, TAP).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { RunnerName } from '../../domain/proof.ts';
import { casesNamed } from '../../domain/test-report.ts';
import { REPORTS } from './catalog.ts';

const text = (name: string) => readFileSync(new URL(`../../../test/fixtures/reports/${name}`, import.meta.url), 'utf8');
const read = (runner: RunnerName, name: string) => REPORTS[runner].read({ stdout: text(name), file: text(name) });
const brief = (runner: RunnerName, name: string) =>
  read(runner, name)
    .cases.map((one) => `${one.name}: ${one.status}${one.failure === undefined ? '' : ` by ${one.failure}`}`)
    .sort();

describe('reports', () => {
  it('of vitest and jest', () => {
    const same = [
      'each 1: pass',
      'each 2: pass',
      'price > calls what is not there: fail by error',
      'price > is cheaper from ten on: fail by assertion',
      'price > later: skip',
      'price > multiplies: pass',
    ];
    for (const [runner, name] of [
      ['vitest', 'vitest.json'],
      ['jest', 'jest.json'],
    ] as const) {
      const [broken, ...rest] = brief(runner, name);
      assert.match(broken ?? '', /\/repo\/b\.test\.js: fail by error/, 'a file that cannot be loaded is a failure, not nothing');
      assert.deepEqual(rest, same, runner);
    }
  });

  it('of pytest', () => {
    assert.deepEqual(brief('pytest', 'pytest.xml'), [
      'test_price > test_cheaper: fail by assertion',
      'test_price > test_each[1]: pass',
      'test_price > test_each[2]: pass',
      'test_price > test_later: skip',
      'test_price > test_missing: fail by error',
      'test_price > test_multiplies: pass',
      'test_price.TestOuter > test_inner: pass',
    ]);
    assert.equal(casesNamed(read('pytest', 'pytest.xml'), 'test_cheaper').length, 1, 'a test is found by its own name');
  });

  it('of go test', () => {
    assert.deepEqual(brief('go', 'go.jsonl'), [
      'shop > TestCheaper: fail by assertion',
      'shop > TestEach/one: pass',
      'shop > TestEach/two_of_them: fail by assertion',
      'shop > TestEach: fail by assertion',
      'shop > TestLater: skip',
      'shop > TestMultiplies: pass',
    ]);
    assert.ok(brief('go', 'go-panic.jsonl').includes('shop > TestPanics: fail by error'));
  });

  it('as JUnit XML of Playwright and cargo nextest, and as TAP', () => {
    assert.deepEqual(brief('junit', 'playwright.xml'), [
      'shop.spec.ts > basket › keeps its items: pass',
      'shop.spec.ts > basket › later: skip',
      'shop.spec.ts > basket › shows the price: fail by assertion',
    ]);
    assert.deepEqual(brief('junit', 'nextest.xml'), ['shop > tests::cheaper: fail by assertion', 'shop > tests::multiplies: pass']);
    assert.deepEqual(brief('tap', 'plain.tap'), ['is cheaper: fail by assertion', 'later: skip', 'multiplies: pass', 'one day: skip']);
  });

  it('that are none are refused', () => {
    for (const runner of Object.keys(REPORTS) as RunnerName[])
      for (const junk of ['', 'all 12 tests passed!', '{"ok": true}', '<html></html>'])
        assert.throws(() => {
          if (REPORTS[runner].read({ stdout: junk, file: junk }).cases.length === 0) throw new Error('not one test');
        }, `${runner} took ${junk}`);
  });
});
