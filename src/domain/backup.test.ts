// Which backups are kept.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outdated } from './backup.ts';

const HOUR = 3_600_000;
const backups = (hours: readonly number[]) => hours.map((hour) => ({ id: `h${hour}`, createdAt: hour * HOUR }));

it('the latest stay, then the last of each day and of each week', () => {
  const hourly = backups(Array.from({ length: 24 * 30 }, (_, i) => i));
  const gone = new Set(outdated(hourly, { latest: 3, daily: 7, weekly: 4 }));
  const kept = hourly.filter(({ id }) => !gone.has(id)).map(({ id }) => id);
  const daily = [23, 24, 25, 26, 27, 28, 29].map((day) => `h${day * 24 + 23}`);
  for (const id of ['h717', 'h718', 'h719', ...daily]) assert.ok(kept.includes(id), id);
  assert.ok(kept.length <= 3 + 7 + 4, `${kept.length} are kept`);
});

it('few are all kept', () => {
  assert.deepEqual(outdated(backups([1, 2]), { latest: 3, daily: 7, weekly: 4 }), []);
});
