// Who is next in a lane, and how much of it one tree may hold.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { CLOCK_STEP, fairTag, PRIORITY, queueBound, treeLimit } from './lane.ts';

it('trees take turns, however many runs one of them has waiting', () => {
  let clock = 0;
  const queue: { tree: string; tag: number }[] = [];
  const latest = (tree: string) => queue.filter((run) => run.tree === tree).reduce<number | null>((most, { tag }) => Math.max(most ?? 0, tag), null);
  const add = (tree: string) => queue.push({ tree, tag: fairTag({ clock, latestOfTree: latest(tree), priority: PRIORITY.spawn }) });
  const take = () => {
    queue.sort((a, b) => a.tag - b.tag);
    const next = queue.shift();
    assert.ok(next);
    clock = Math.max(clock, next.tag) + CLOCK_STEP;
    return next.tree;
  };
  for (let i = 0; i < 200; i++) add('noisy');
  for (let i = 0; i < 50; i++) take();
  add('quiet');
  const order = [take(), take(), take()];
  assert.ok(order.includes('quiet'), `a newcomer is among the next three: ${order.join(' ')}`);
});

it('a lower priority goes later, and is never overtaken for ever', () => {
  let clock = 0;
  const background = fairTag({ clock, latestOfTree: null, priority: PRIORITY.background });
  let overtaken = 0;
  for (;;) {
    const tag = fairTag({ clock, latestOfTree: null, priority: PRIORITY.interactive });
    if (background < tag) break;
    clock = Math.max(clock, tag) + CLOCK_STEP;
    overtaken += 1;
  }
  assert.ok(overtaken > 10 && overtaken < 100, `overtaken by ${overtaken}`);
});

it('a tree has its share of a lane at least, and together trees may use all of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.double({ min: 0, max: 500, noNaN: true }), fc.integer({ min: 1, max: 50 }), (slots, wanted, others) => {
      const limit = treeLimit(slots, wanted, others);
      assert.ok(limit >= 1 && limit <= slots);
      assert.ok(limit * (others + 1) >= slots, 'no slot stays empty while trees want it');
    }),
  );
  assert.equal(treeLimit(8, 0, 0), 7, 'one slot is kept for somebody who comes');
});

it('too much work is refused from the lowest class up', () => {
  const bounds = [PRIORITY.background, PRIORITY.cron, PRIORITY.spawn, PRIORITY.urgent, PRIORITY.interactive].map((priority) => queueBound(priority, 1000));
  assert.deepEqual(bounds, [250, 250, 500, 1000, 1000]);
});
