// An edit changes what was asked and nothing else, whatever the file looks like.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import JSON5 from 'json5';
import { editText, maskText, unmaskText } from './edit.ts';

type Plain = Record<string, unknown>;

const KEYS = ['gateway', 'port', 'auth', 'token', 'agents', 'defaults', 'model', 'list', 'a-b', 'x.y', 'été'];
const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ maxLength: 12 }), fc.array(fc.integer(), { maxLength: 3 }));
const section = fc.letrec<{ node: Plain }>((tie) => ({
  node: fc.dictionary(fc.constantFrom(...KEYS), fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: tie('node') }), {
    maxKeys: 5,
  }) as fc.Arbitrary<Plain>,
})).node;

/** The value as somebody may have written it: comments, quotes, commas and line ends of all kinds. */
function write(value: unknown, choose: () => number, depth = 1): string {
  const pick = <T>(...choices: readonly T[]): T => choices[choose() % choices.length] as T;
  if (Array.isArray(value))
    return `[${pick('', ' ')}${value.map((item) => write(item, choose, depth + 1)).join(pick(',', ', '))}${value.length > 0 ? pick('', ',', ' ') : ''}]`;
  if (value === null || typeof value !== 'object') return typeof value === 'string' && pick(0, 1) === 1 ? JSON5.stringify(value) : JSON.stringify(value);
  const line = `${pick('\n', '\r\n', ' ', '')}${pick('  ', '\t', '').repeat(depth)}`;
  const note = () => pick('', '', '', '/* kept */', '// kept, with { braces } and "quotes"\n', ' ');
  const name = (key: string) => (/^[a-zé]\w*$/i.test(key) ? pick(key, JSON.stringify(key), `'${key}'`) : JSON.stringify(key));
  const entries = Object.entries(value).map(
    ([key, inner]) => `${line}${note()}${name(key)}${pick('', ' ')}:${pick('', ' ')}${write(inner, choose, depth + 1)}${note()}`,
  );
  return `{${note()}${entries.join(',')}${entries.length > 0 ? pick('', ',') : ''}${note()}${pick('', '\n')}}`;
}

const file = fc.tuple(section, fc.array(fc.nat(1000), { minLength: 200, maxLength: 200 })).map(([value, numbers]) => {
  let next = 0;
  const choose = () => numbers[next++ % numbers.length] ?? 0;
  return { value, text: `${choose() % 2 ? '// first line\n' : ''}${write(value, choose)}${choose() % 2 ? '\n' : ''}` };
});

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Plain | undefined)?.[key], value);
}

function without(value: unknown, path: readonly string[]): unknown {
  const [key = '', ...rest] = path;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const { [key]: inner, ...others } = value as Plain;
  return rest.length === 0 || inner === undefined ? others : { ...others, [key]: without(inner, rest) };
}

/** Whether the first text is what is left of the second when some of its characters are taken out. */
function isWithin(part: string, whole: string): boolean {
  let at = 0;
  for (const char of whole) if (char === part[at]) at += 1;
  return at === part.length;
}

/** What stands between the longest common beginning and the longest common end. */
function changedPart(before: string, after: string): string {
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  return before.slice(start, before.length - end);
}

const COMMENT = /\/\* kept \*\/|\/\/ kept,[^\n]*/g;
const commentsIn = (text: string) => text.match(COMMENT) ?? [];

const sectionsOf = (value: Plain, path: readonly string[] = []): (readonly string[])[] => [
  path,
  ...Object.entries(value).flatMap(([key, inner]) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner) ? sectionsOf(inner as Plain, [...path, key]) : [],
  ),
];

describe('editing the configuration file', () => {
  it('sets one key: everything else has the same value, and stands there byte for byte', () => {
    fc.assert(
      fc.property(file, fc.nat(), fc.constantFrom(...KEYS), leaf, ({ value, text }, where, key, fresh) => {
        const sections = sectionsOf(value);
        const path = [...(sections[where % sections.length] ?? []), key];
        const old = valueAt(value, path);
        const after = editText(text, [{ path, value: fresh }]);
        assert.deepEqual(valueAt(JSON5.parse(after), path), JSON.parse(JSON.stringify(fresh)));
        assert.deepEqual(without(JSON5.parse(after), path), without(JSON5.parse(text), path));
        if (old === undefined) assert.ok(isWithin(text, after), `only adds: ${JSON.stringify(after)}`);
        else if (old === null || typeof old !== 'object') {
          const gone = changedPart(text, after);
          const spelled = [JSON.stringify(old), JSON5.stringify(old), write(old, () => 1)];
          assert.ok(gone === '' || spelled.some((whole) => whole.includes(gone)), `only the value goes: ${JSON.stringify(gone)} of ${JSON.stringify(spelled)}`);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('removes one key: everything else has the same value, and every comment outside it stays', () => {
    fc.assert(
      fc.property(file, fc.nat(), ({ value, text }, where) => {
        const paths = sectionsOf(value).flatMap((path) =>
          Object.keys((path.length === 0 ? value : (valueAt(value, path) as Plain)) ?? {}).map((key) => [...path, key]),
        );
        if (paths.length === 0) return;
        const path = paths[where % paths.length] ?? [];
        const after = editText(text, [{ path, value: undefined }]);
        assert.deepEqual(JSON5.parse(after), without(JSON5.parse(text), path));
        assert.ok(isWithin(after, text), `only takes out: ${JSON.stringify(after)}`);
        const old = valueAt(value, path);
        if (old === null || typeof old !== 'object') assert.deepEqual(commentsIn(after), commentsIn(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps comments, order, spelling and references to variables', () => {
    const text = `// mine\n{\n  gateway: { port: 1, /* in */ auth: { token: '\${TOKEN}' } }, // tail\n  'list': [1,\n    2],\n}\n`;
    assert.equal(editText(text, [{ path: ['gateway', 'port'], value: 5 }]), text.replace('port: 1', 'port: 5'));
    const added = editText(text, [{ path: ['agents', 'defaults', 'maxConcurrent'], value: 3 }]);
    assert.ok(added.startsWith(text.slice(0, text.lastIndexOf('}'))), added);
    assert.deepEqual(JSON5.parse(added).agents, { defaults: { maxConcurrent: 3 } });
  });

  it('refuses what it cannot do, with the reason', () => {
    assert.throws(() => editText('{ a: ', [{ path: ['a'], value: 1 }]), /cannot be edited in place/);
    assert.throws(() => editText('[1]', [{ path: ['a'], value: 1 }]), /does not hold an object/);
    assert.throws(() => editText('{ a: "x" }', [{ path: ['a', 'b'], value: 1 }]), /no section/);
    assert.throws(() => editText('{}', [{ path: ['__proto__', 'x'], value: 1 }]), /is no key/);
    assert.throws(() => editText('{ list: [] }', [{ path: ['list', '3'], value: 1 }]), /no item/);
  });

  it('masks credentials where they stand and nowhere else, and takes masks back', () => {
    const text = `{ gateway: { auth: { token: 'k' } }, models: { providers: { a: { apiKey: "\${KEY}" }, b: { apiKey: 'bb' } } }, note: 'k is a letter' }`;
    const masked = maskText(text);
    assert.ok(!masked.includes("'bb'") && masked.includes('k is a letter') && masked.includes('${KEY}'), masked);
    assert.deepEqual(JSON5.parse(unmaskText(masked, text)), JSON5.parse(text));
    const edited = masked.replace('k is a letter', 'changed');
    assert.equal(JSON5.parse(unmaskText(edited, text)).gateway.auth.token, 'k');
    assert.throws(() => unmaskText(masked, '{}'), /no earlier value is known/);
  });
});
