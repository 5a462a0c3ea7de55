// The floors hold: who may import whom, who may read the environment, the clock and chance, and how long a file may be.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../src/main/version.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');

interface Floor {
  readonly may: readonly string[];
  /** npm packages, or true for any. */
  readonly packages: readonly string[] | true;
}

const FLOORS: Readonly<Record<string, Floor>> = {
  kit: { may: ['kit'], packages: true },
  domain: { may: ['kit', 'domain'], packages: ['zod'] },
  ports: { may: ['kit', 'domain', 'ports'], packages: ['zod', 'kysely'] },
  features: { may: ['kit', 'domain', 'ports', 'features'], packages: ['zod', 'kysely'] },
  adapters: { may: ['kit', 'domain', 'ports', 'adapters'], packages: true },
  doors: { may: ['kit', 'domain', 'ports', 'features', 'doors'], packages: true },
  main: { may: ['kit', 'domain', 'ports', 'features', 'adapters', 'doors', 'main'], packages: true },
  'bin.ts': { may: ['doors', 'main'], packages: [] },
};

const MAX_LINES = 400;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(SRC, name), 'utf8') }));
const product = files.filter(({ name }) => !name.endsWith('.test.ts'));

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|\n)\s*(?:import|export)[^'"\n]*?from\s+'([^']+)'|(?:^|\n)import\s+'([^']+)'|\bimport\('([^']+)'\)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}

/** Multi-line import clauses end in `} from '…'` on a line of their own. */
function allImports(text: string): string[] {
  return [...new Set([...importsOf(text), ...[...text.matchAll(/\}\s+from\s+'([^']+)'/g)].map((match) => match[1] ?? '')])];
}

describe('architecture', () => {
  it('a file imports only its own floor and lower ones', () => {
    const wrong: string[] = [];
    for (const { name, text } of product) {
      const floorName = name.split('/')[0] ?? '';
      const floor = FLOORS[floorName];
      assert.ok(floor, `${name} stands on no floor`);
      for (const imported of allImports(text)) {
        if (imported.startsWith('node:')) continue;
        if (!imported.startsWith('.')) {
          const pkg = imported
            .split('/')
            .slice(0, imported.startsWith('@') ? 2 : 1)
            .join('/');
          if (floor.packages !== true && !floor.packages.includes(pkg)) wrong.push(`${name} imports ${pkg}`);
          continue;
        }
        const target = relative(SRC, resolve(dirname(join(SRC, name)), imported)).split('/')[0] ?? '';
        if (!floor.may.includes(target)) wrong.push(`${name} imports ${imported}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('sibling adapters do not import each other', () => {
    const wrong = product.flatMap(({ name, text }) => {
      const [floor, room] = name.split('/');
      if (floor !== 'adapters') return [];
      return allImports(text)
        .filter((imported) => imported.startsWith('.'))
        .map((imported) => relative(SRC, resolve(dirname(join(SRC, name)), imported)))
        .filter((target) => target.startsWith('adapters/') && target.split('/')[1] !== room)
        .map((target) => `${name} imports ${target}`);
    });
    assert.deepEqual(wrong, []);
  });

  const onlyIn = (what: string, pattern: RegExp, allowed: (name: string) => boolean) =>
    it(what, () => {
      assert.deepEqual(
        product.filter(({ name, text }) => pattern.test(text) && !allowed(name)).map(({ name }) => name),
        [],
      );
    });
  onlyIn('the environment is read only in main/', /\bprocess\.env\b/, (name) => name.startsWith('main/'));
  onlyIn('the time is read only in kit/clock.ts', /\bDate\.now\(|new Date\(\)/, (name) => name === 'kit/clock.ts');
  onlyIn('chance is drawn only in kit/id.ts', /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(/, (name) => name === 'kit/id.ts');
  onlyIn('no default exports and no barrels', /export default|export \* from/, () => false);
  onlyIn('no empty catch', /catch\s*(\([^)]*\))?\s*\{\s*\}/, () => false);

  it(`no file is longer than ${MAX_LINES} lines`, () => {
    assert.deepEqual(
      product.filter(({ text }) => text.split('\n').length > MAX_LINES).map(({ name }) => name),
      [],
    );
  });

  it('every file begins by saying what it is', () => {
    assert.deepEqual(
      files.filter(({ text }) => !/^(#!.*\n)?\/\/ [A-Z`]/i.test(text)).map(({ name }) => name),
      [],
    );
  });

  it('the version is the one of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    assert.equal(VERSION, version);
  });
});
