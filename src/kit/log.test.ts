// The daily file: scrubbed, private, moving on at midnight, never following a link.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { handClock } from '../../test/conformance/store/suite.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { openDailyLog } from './log.ts';
import { createScrub } from './scrub.ts';

it('writes scrubbed JSON lines that only the owner can read, a file a day, and lets old ones go', (t) => {
  const dir = scratchDir(t);
  const clock = handClock(Date.parse('2026-03-01T12:00:00Z'));
  writeFileSync(join(dir, 'moltbot-2026-02-01.log'), 'old');
  writeFileSync(join(dir, 'notes.log'), 'not ours');
  const log = openDailyLog({ dir, level: 'info', retentionDays: 7, scrub: createScrub(['my-secret-token']), clock });
  log.child({ run: 'r1' }).info({ deep: { a: { token: 'my-secret-token' } } }, 'hello');
  log.debug({}, 'not shown');
  log.flush();
  const [line] = readFileSync(log.file(), 'utf8').trim().split('\n');
  assert.deepEqual(JSON.parse(line ?? ''), {
    level: 'info',
    time: '2026-03-01T12:00:00.000Z',
    run: 'r1',
    deep: { a: { token: '[secret]' } },
    message: 'hello',
  });
  assert.equal(statSync(log.file()).mode & 0o777, 0o600);
  clock.advance(86_400_000);
  log.info({}, 'next day');
  log.flush();
  assert.deepEqual(readdirSync(dir).sort(), ['moltbot-2026-03-01.log', 'moltbot-2026-03-02.log', 'notes.log']);
});

it('does not follow a link put in its place', (t) => {
  const dir = scratchDir(t);
  const clock = handClock(Date.parse('2026-03-01T12:00:00Z'));
  symlinkSync(join(dir, 'victim'), join(dir, 'moltbot-2026-03-01.log'));
  const log = openDailyLog({ dir, level: 'info', retentionDays: 7, scrub: createScrub(), clock });
  log.info({}, 'hello');
  log.flush();
  assert.ok(!existsSync(join(dir, 'victim')));
});
