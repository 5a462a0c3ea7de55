// Slots of scheduled jobs: what is missed, and the changes of clocks in every zone of the world.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isFault } from '../kit/fault.ts';
import { CronSpec, dueSlots, nextSlot, normaliseJob, parseJob } from './cron.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 24, 18, 0);

const job = (schedule: CronSpec['schedule'], more: Partial<CronSpec> = {}): CronSpec =>
  CronSpec.parse({ name: 'j', schedule, sessionTarget: 'isolated', payload: { kind: 'agentTurn', message: 'go' }, ...more });
const every = (everyMs: number): CronSpec['schedule'] => ({ kind: 'every', everyMs, anchorMs: NOW });

describe('slots', () => {
  it('a stop of any length leaves each slot with one decision, and the latest is made up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 0, max: 200 }), (period, stopped) => {
        const now = NOW + stopped * MINUTE;
        const due = dueSlots(job(every(period * MINUTE)), { cursor: NOW, now, graceMs: 10_000 * MINUTE });
        assert.equal(due.length, Math.min(100, Math.floor(stopped / period)));
        assert.equal(due.filter(({ decision }) => decision === 'run').length, due.length > 0 ? 1 : 0);
        assert.equal(due.at(-1)?.decision ?? 'run', 'run');
        for (const { at } of due) assert.equal((at - NOW) % (period * MINUTE), 0);
      }),
    );
  });

  it('missed slots run all, or none, or not after their window of grace, as the owner wants', () => {
    const decisions = (more: Partial<CronSpec>, graceMs = DAY) =>
      dueSlots(job(every(HOUR), more), { cursor: NOW, now: NOW + 3 * HOUR + 10 * MINUTE, graceMs }).map(({ decision }) => decision);
    assert.deepEqual(decisions({}), ['missed', 'missed', 'run']);
    assert.deepEqual(decisions({ catchUp: 'run-all' }), ['run', 'run', 'run']);
    assert.deepEqual(decisions({ catchUp: 'skip' }), ['missed', 'missed', 'missed']);
    assert.deepEqual(decisions({}, 5 * MINUTE), ['missed', 'missed', 'missed']);
  });

  it('a one-shot job is made up however late, once', () => {
    const once = job({ kind: 'at', atMs: NOW });
    assert.deepEqual(dueSlots(once, { cursor: NOW - 1, now: NOW + 40 * DAY, graceMs: 0 }), [{ at: NOW, decision: 'run', reason: null }]);
    assert.deepEqual(dueSlots(once, { cursor: NOW, now: NOW + DAY, graceMs: 0 }), []);
    assert.equal(nextSlot(once.schedule, NOW), null);
  });

  it('what clients send is understood, and what cannot run is refused with a reason', () => {
    const parse = (written: unknown) => parseJob(normaliseJob(written), { zone: 'Europe/London', now: NOW });
    const fine = { name: 'x', sessionTarget: 'isolated', payload: { message: 'go' }, schedule: { expr: '0 7 * * *' } };
    assert.deepEqual(parse({ job: fine }).schedule, { kind: 'cron', expr: '0 7 * * *', tz: 'Europe/London' });
    assert.deepEqual(parse({ ...fine, schedule: { at: '2027-01-01T00:00:00' } }).schedule, { kind: 'at', atMs: Date.UTC(2027, 0, 1) });
    assert.deepEqual(parse({ ...fine, schedule: { everyMs: 60_000 } }).schedule, { kind: 'every', everyMs: 60_000, anchorMs: NOW });
    const refused = (more: object, said: RegExp) =>
      assert.throws(
        () => parse({ ...fine, ...more }),
        (error) => isFault(error, 'cron.invalid') && said.test(error.message),
      );
    refused(
      { schedule: { expr: 'not a cron' } },
      /TypeError: CronPattern: invalid configuration format \('not a cron'\), exactly five or six space separated parts are required\./,
    );
    refused({ schedule: { expr: '0 7 * * *', tz: 'Mars/Olympus' } }, /"Mars\/Olympus" is no time zone/);
    refused({ sessionTarget: 'main' }, /^Error: main cron jobs require payload\.kind="systemEvent"$/);
    refused({ payload: { text: 'x' } }, /^Error: isolated cron jobs require payload\.kind="agentTurn"$/);
    refused({ onlyIf: ['moon'] }, /onlyIf/);
  });
});

/** Minutes that local time is ahead of UTC. */
function offsets(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  return (at) => {
    const [, sign = '+', hours = '0', minutes = '0', seconds = '0'] = /GMT([+-])?(\d+)?:?(\d+)?:?(\d+)?/.exec(format.format(at)) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes) + Number(seconds) / 60);
  };
}

/** Every instant from 2024 to 2030 at which the zone's offset changes. */
function transitions(offset: (at: number) => number): number[] {
  const found: number[] = [];
  for (let day = Date.UTC(2024, 0, 1); day < Date.UTC(2031, 0, 1); day += DAY) {
    if (offset(day) === offset(day + DAY)) continue;
    let [low, high] = [day, day + DAY];
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / (2 * MINUTE)) * MINUTE;
      if (offset(middle) === offset(low)) low = middle;
      else high = middle;
    }
    found.push(high);
  }
  return found;
}

/** The instants at which the clocks of a zone show this time of that day, near a change of clocks. */
function instantsOf(local: number, change: number, offset: (at: number) => number): number[] {
  const both = [offset(change - 1), offset(change)].map((ahead) => local - ahead * MINUTE);
  return [...new Set(both)].filter((at) => at + offset(at) * MINUTE === local).sort((a, b) => a - b);
}

describe('changes of clocks, 2024 to 2030, in every zone', () => {
  it('a daily job runs once a day: at the first valid instant where its time is skipped, once where it comes twice', () => {
    let changes = 0;
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const offset = offsets(zone);
      for (const change of transitions(offset)) {
        changes += 1;
        const [before, after] = [offset(change - 1), offset(change)];
        const skipped = after > before;
        // A time within the hour that is skipped or comes twice, in the local time of that day.
        const local = (skipped ? change + before * MINUTE : change + after * MINUTE) + 10 * MINUTE;
        const clock = new Date(local);
        const expr = `${clock.getUTCMinutes()} ${clock.getUTCHours()} * * *`;
        const first = instantsOf(local, change, offset)[0] ?? change;
        const schedule = { kind: 'cron', expr, tz: zone } as const;
        const label = `${zone} ${new Date(change).toISOString()} ${before}->${after} "${expr}"`;
        assert.equal(nextSlot(schedule, first - 6 * HOUR), first, label);
        const next = nextSlot(schedule, first) ?? 0;
        assert.ok(next - first > 20 * HOUR && next - first < 28 * HOUR, `${label}: then at ${new Date(next).toISOString()}`);
      }
    }
    assert.ok(changes > 1000, `${changes} changes`);
  });

  it('what runs every quarter of an hour keeps its pace through every change', () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const offset = offsets(zone);
      for (const change of transitions(offset).slice(0, 4)) {
        let at = change - HOUR;
        const schedule = { kind: 'cron', expr: '*/15 * * * *', tz: zone } as const;
        for (let i = 0; i < 8; i++) {
          const next = nextSlot(schedule, at) ?? 0;
          assert.ok(next - at <= 15 * MINUTE && next > at, `${zone} ${new Date(at).toISOString()} -> ${new Date(next).toISOString()}`);
          at = next;
        }
      }
    }
  });
});
