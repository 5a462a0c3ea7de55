// Which program a command line starts.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { scratchDir } from '../../../test/support/scratch.ts';
import { resolveProgram } from './exec-permission.ts';

it('finds the program a shell would start, and none where that is not certain', (t) => {
  const dir = scratchDir(t);
  const [first, second] = [join(dir, 'first'), join(dir, 'second')];
  for (const folder of [first, second]) mkdirSync(folder);
  mkdirSync(join(first, 'tool'));
  writeFileSync(join(first, 'plain'), '');
  for (const name of ['tool', 'plain']) {
    writeFileSync(join(second, name), '#!/bin/sh\n');
    chmodSync(join(second, name), 0o755);
  }
  const path = `${first}:${second}`;
  assert.equal(resolveProgram('tool', path), join(second, 'tool'), 'a folder of the name is no program');
  assert.equal(resolveProgram('plain', path), join(second, 'plain'), 'nor is a file without the right to run');
  assert.equal(resolveProgram('.', path), undefined, 'the dot of the shell reads a script');
  assert.equal(resolveProgram('eval', path), undefined);
  assert.equal(resolveProgram('./tool', path), undefined);
  assert.equal(resolveProgram('/usr/bin/../../bin/sh', path), '/bin/sh');
  assert.equal(resolveProgram('tool', `${path}:`), undefined, 'an empty part of PATH is the folder of the agent');
});
