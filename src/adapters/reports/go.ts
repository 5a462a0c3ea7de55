// go test -json: one event a line.

import { failureKind, type TestCase, type TestReport } from '../../domain/test-report.ts';
import { isObject } from '../../kit/json.ts';

/** @throws Error when there is no report in it */
export function readGo(text: string): TestReport {
  const events = text.split('\n').flatMap((line) => {
    try {
      const event: unknown = JSON.parse(line);
      return isObject(event) && typeof event['Action'] === 'string' ? [event] : [];
    } catch {
      return [];
    }
  });
  if (events.length === 0) throw new Error('there is no report of go test -json');
  const output = new Map<string, string>();
  const cases: TestCase[] = [];
  for (const event of events) {
    const { Action: action, Package: pkg, Test: test } = event;
    const name = typeof test === 'string' ? `${String(pkg)} > ${test}` : String(pkg);
    if (action === 'output') output.set(name, (output.get(name) ?? '') + String(event['Output'] ?? ''));
    const said = output.get(name) ?? '';
    if (typeof test !== 'string') {
      if (action === 'fail' && !cases.some((one) => one.name.startsWith(`${name} > `)))
        cases.push({ name, status: 'fail', failure: 'error', message: said.slice(0, 4000) });
      continue;
    }
    if (action === 'pass' || action === 'skip') cases.push({ name, status: action });
    if (action === 'fail')
      cases.push({ name, status: 'fail', failure: /panic:|undefined:/.test(said) ? 'error' : failureKind(`assert ${said}`), message: said.slice(0, 4000) });
  }
  return { cases };
}
