// Tiny real repositories: a small module, its tests, and commits as workers make them.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ProofPolicy, USUAL_FROZEN, USUAL_TESTS } from '../../src/domain/proof.ts';

export type Files = Readonly<Record<string, string | null>>;

export interface TinyRepo {
  readonly dir: string;
  readonly git: (...args: readonly string[]) => string;
  /** Writes files (null removes one), commits everything, and answers the commit. */
  readonly commit: (message: string, files: Files) => string;
}

const ENV = {
  ...process.env,
  GIT_AUTHOR_NAME: 'w',
  GIT_AUTHOR_EMAIL: 'w@x',
  GIT_COMMITTER_NAME: 'w',
  GIT_COMMITTER_EMAIL: 'w@x',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

export function tinyRepo(dir: string): TinyRepo {
  mkdirSync(dir, { recursive: true });
  const git = (...args: readonly string[]) =>
    execFileSync('git', args as string[], { cwd: dir, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] })
      .toString()
      .trim();
  git('init', '--quiet', '-b', 'main');
  const commit = (message: string, files: Files) => {
    for (const [path, text] of Object.entries(files)) {
      const target = join(dir, path);
      if (text === null) rmSync(target, { force: true });
      else {
        mkdirSync(dirname(target), { recursive: true });
        writeFileSync(target, text);
      }
    }
    git('add', '--all', '--force');
    git('commit', '--quiet', '--allow-empty', '-m', message);
    return git('rev-parse', 'HEAD');
  };
  return { dir, git, commit };
}

export const POLICY: ProofPolicy = {
  risk: 'low',
  target: 'main',
  paths: ['**'],
  tests: USUAL_TESTS,
  frozen: USUAL_FROZEN,
  command: { runner: 'node', argv: ['node', '--test'], timeoutSeconds: 30 },
};

export const BASE: Files = {
  'package.json': '{ "name": "shop", "type": "module", "scripts": { "test": "node --test" } }\n',
  'src/price.js': 'export function price(count, each) {\n  return count * each;\n}\n',
  'test/price.test.js':
    "import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { price } from '../src/price.js';\ntest('price multiplies', () => assert.equal(price(2, 3), 6));\n",
};

/** The honest way to "orders of 10 or more are 10 % off". */
export const RED: Files = {
  'test/discount.test.js':
    "import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { price } from '../src/price.js';\ntest('ten or more are cheaper', () => {\n  assert.equal(price(10, 10), 90);\n  assert.equal(price(20, 5), 90);\n});\ntest('nine are not', () => assert.equal(price(9, 10), 90));\n",
};
export const GREEN: Files = {
  'src/price.js': 'export function price(count, each) {\n  const full = count * each;\n  return count >= 10 ? full * 0.9 : full;\n}\n',
};
export const AC = { 'AC-1': ['ten or more are cheaper'] };
