// The JSON of jest, which vitest writes too.

import { failureKind, type TestCase, type TestReport } from '../../domain/test-report.ts';
import { isObject } from '../../kit/json.ts';

const SKIPPED = new Set(['pending', 'skipped', 'todo', 'disabled']);

/** @throws Error when it is no report */
export function readJest(text: string): TestReport {
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || !Array.isArray(value['testResults'])) throw new Error('there is no report of jest or vitest');
  const cases = value['testResults'].filter(isObject).flatMap((file): TestCase[] => {
    const own = Array.isArray(file['assertionResults']) ? file['assertionResults'].filter(isObject) : [];
    const message = typeof file['message'] === 'string' ? file['message'] : '';
    if (own.length === 0 && file['status'] === 'failed')
      return [{ name: String(file['name']), status: 'fail', failure: 'error', message: message.slice(0, 4000) }];
    return own.map((one) => {
      const outer = Array.isArray(one['ancestorTitles']) ? one['ancestorTitles'].map(String) : [];
      const name = [...outer.filter((title) => title !== ''), String(one['title'])].join(' > ');
      if (one['status'] === 'passed') return { name, status: 'pass' };
      if (SKIPPED.has(String(one['status']))) return { name, status: 'skip' };
      const said = Array.isArray(one['failureMessages']) ? one['failureMessages'].map(String).join('\n') : '';
      return { name, status: 'fail', failure: failureKind(said), message: said.slice(0, 4000) };
    });
  });
  return { cases };
}
