// No path leads out of the root.

import assert from 'node:assert/strict';
import { linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { scratchDir } from '../../../test/support/scratch.ts';
import { isFault } from '../../kit/fault.ts';
import { readInside, writeInside } from './inside.ts';

function setUp(t: TestContext) {
  const dir = scratchDir(t);
  const root = join(dir, 'workspace');
  mkdirSync(join(root, 'sub'), { recursive: true });
  mkdirSync(join(root, 'state'));
  writeFileSync(join(dir, 'secret'), 'secret');
  writeFileSync(join(root, 'state', 'token'), 'token');
  writeFileSync(join(root, 'file'), 'inside');
  return { dir, root, area: { base: root, root, forbidden: [join(root, 'state')] } };
}
const refused = (error: unknown) => isFault(error, 'tool.refused');

it('reads inside, by relative and absolute paths and through links that stay inside', async (t) => {
  const { root, area } = setUp(t);
  symlinkSync('../file', join(root, 'sub', 'link'));
  symlinkSync('sub', join(root, 'alias'));
  for (const path of ['file', './sub/../file', join(root, 'file'), 'sub/link', 'alias/link'])
    assert.equal((await readInside(area, path)).toString(), 'inside', path);
});

it('refuses every way out', async (t) => {
  const { dir, root, area } = setUp(t);
  symlinkSync(join(dir, 'secret'), join(root, 'absolute'));
  symlinkSync('../secret', join(root, 'relative'));
  symlinkSync('..', join(root, 'up'));
  symlinkSync('loop', join(root, 'loop'));
  for (const path of [
    '../secret',
    join(dir, 'secret'),
    'absolute',
    'relative',
    'up/secret',
    'loop',
    'sub/../../secret',
    '/etc/passwd',
    '.',
    'state/token',
    'sub',
    'gone',
  ]) {
    await assert.rejects(readInside(area, path), refused, path);
  }
  for (const path of ['../new', 'up/new', 'absolute', 'state/new', '/tmp/elsewhere/new']) await assert.rejects(writeInside(area, path, 'x'), refused, path);
  assert.equal(readFileSync(join(dir, 'secret'), 'utf8'), 'secret');
});

it('a link into the gateway state is refused under another name too', async (t) => {
  const { root, area } = setUp(t);
  symlinkSync('state', join(root, 'innocent'));
  await assert.rejects(readInside(area, 'innocent/token'), refused);
});

it('writes whole files, makes folders, keeps the mode', async (t) => {
  const { root, area } = setUp(t);
  await writeInside(area, 'deep/er/new.txt', 'hello');
  assert.equal(readFileSync(join(root, 'deep/er/new.txt'), 'utf8'), 'hello');
  writeFileSync(join(root, 'script'), '#!/bin/sh', { mode: 0o755 });
  await writeInside(area, 'script', '#!/bin/bash');
  assert.equal(statSync(join(root, 'script')).mode & 0o777, 0o755);
});

it('a write does not go through a hard link to a file elsewhere', async (t) => {
  const { dir, root, area } = setUp(t);
  linkSync(join(dir, 'secret'), join(root, 'hard'));
  await writeInside(area, 'hard', 'changed');
  assert.equal(readFileSync(join(dir, 'secret'), 'utf8'), 'secret');
});
