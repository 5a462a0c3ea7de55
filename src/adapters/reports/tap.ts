// TAP: what runners without anything better write.

import { failureKind, type TestCase, type TestReport } from '../../domain/test-report.ts';

/** @throws Error when there is no report in it */
export function readTap(text: string): TestReport {
  if (!/^(TAP version|\d+\.\.\d+|(not )?ok\b)/m.test(text)) throw new Error('there is no TAP report');
  const cases: TestCase[] = [];
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    const match = /^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$/.exec(line); // indented ones are parts of another
    if (!match) continue;
    const [, not, number = '', rest = ''] = match;
    const directive = /#\s*(skip|todo)\b/i.exec(rest);
    const name = (directive ? rest.slice(0, directive.index) : rest).trim() || number;
    if (directive) cases.push({ name, status: 'skip' });
    else if (not === undefined) cases.push({ name, status: 'pass' });
    else {
      const next = lines.findIndex((other, k) => k > i && /^(not )?ok\b/.test(other));
      const message = lines.slice(i + 1, next < 0 ? i + 40 : next).join('\n');
      cases.push({ name, status: 'fail', failure: failureKind(message), message: message.slice(0, 4000) });
    }
  }
  return { cases };
}
