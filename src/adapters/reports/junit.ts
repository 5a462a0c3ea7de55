// JUnit XML: what node, pytest, Playwright, Cypress and cargo nextest write. Only as much XML as a report has, from a hostile hand.

import { failureKind, type TestCase, type TestReport } from '../../domain/test-report.ts';

const TOKEN = /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\/?([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|([^<]+)/g;
const ATTRIBUTE = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** @throws Error when there is no report in it */
export function readJunit(xml: string): TestReport {
  const start = xml.search(/<testsuites?[\s>]/);
  if (start < 0) throw new Error('there is no JUnit report');
  const cases: TestCase[] = [];
  const suites: string[] = [];
  let open: { name: string; status: TestCase['status']; message: string; isError: boolean } | undefined;
  let isInFailure = false;
  for (const [whole, cdata, tag, attributes = '', closed, text] of xml.slice(start).matchAll(TOKEN)) {
    if (tag === undefined) {
      if (open && isInFailure) open.message += cdata ?? (text === undefined ? '' : unescapeXml(text));
      continue;
    }
    const isEnd = whole.startsWith('</');
    const own = isEnd ? {} : attributesOf(attributes);
    if (tag === 'testsuite') {
      if (isEnd) suites.pop();
      else if (closed !== '/') suites.push(own['name'] ?? '');
    } else if (tag === 'testcase') {
      if (!isEnd) {
        const outer = suites.filter((name) => name !== '' && name !== 'pytest');
        const scope = outer.length > 0 ? outer : own['classname'] !== undefined && own['classname'] !== 'test' ? [own['classname']] : [];
        open = { name: [...scope, own['name'] ?? ''].join(' > '), status: 'pass', message: '', isError: false };
      }
      if ((isEnd || closed === '/') && open) {
        cases.push(settle(open));
        open = undefined;
      }
    } else if (open && (tag === 'failure' || tag === 'error')) {
      if (!isEnd) {
        open.status = 'fail';
        open.isError ||= tag === 'error';
        open.message += own['message'] ?? '';
      }
      isInFailure = !isEnd && closed !== '/';
    } else if (open && tag === 'skipped' && !isEnd) open.status = 'skip';
  }
  return { cases };
}

function settle({ name, status, message, isError }: { name: string; status: TestCase['status']; message: string; isError: boolean }): TestCase {
  return status === 'fail' ? { name, status, failure: isError ? 'error' : failureKind(message), message: message.slice(0, 4000) } : { name, status };
}

function attributesOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(ATTRIBUTE)].map(([, name = '', double, single]) => [name, unescapeXml(unescapeXml(double ?? single ?? ''))])); // node escapes quotes twice
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x?[\da-fA-F]+|\w+);/g, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
    const code = name.startsWith('#x') ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
