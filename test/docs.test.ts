// The generated reference is the one the program would write now, and the README keeps its promises.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { referencePages } from '../scripts/docs.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

for (const [name, text] of Object.entries(referencePages())) {
  it(`docs/reference/${name} is fresh (npm run docs writes it)`, () => assert.equal(read(`docs/reference/${name}`), text));
}

it('the README is short', () => assert.ok(read('README.md').split('\n').length < 150));

it('links between the documents lead somewhere', () => {
  const guides = readdirSync(join(ROOT, 'docs', 'guide')).map((name) => `docs/guide/${name}`);
  for (const page of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'bench/README.md', ...guides]) {
    for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      assert.ok(existsSync(join(ROOT, dirname(page), target)), `${page} links to ${target}`);
    }
  }
});
