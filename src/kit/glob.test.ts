// Patterns of paths, odd ones included.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { matchesAny, matchesPath } from './glob.ts';

it('stars, folders and letters that mean something elsewhere', () => {
  const fits: [string, string, boolean][] = [
    ['src/a.ts', 'src/*.ts', true],
    ['src/b/a.ts', 'src/*.ts', false],
    ['src/b/c/a.ts', 'src/**/*.ts', true],
    ['src/a.ts', 'src/**/*.ts', true],
    ['src/a.ts', 'src/', true],
    ['srcx/a.ts', 'src/', false],
    ['a.test.ts', '**/*.test.ts', true],
    ['x/y/a.test.ts', '**/*.test.ts', true],
    ['axtest.ts', '*.test.ts', false],
    ['app/(setup)/[channelId]/page with space.tsx', 'app/(setup)/[channelId]/*.tsx', true],
    ['ünïcode/✅.md', 'ünïcode/?.md', true],
    ['package.json', '**', true],
  ];
  for (const [path, pattern, expected] of fits) assert.equal(matchesPath(path, pattern), expected, `${path} ${pattern}`);
  assert.equal(matchesAny('x', []), false);
});
