// The limit of a provider: it finds what the provider takes, and keeps away from what it refuses.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { afterAnswer, afterRefusal, startLimiter } from './limiter.ts';

const BOUNDS = { floor: 1, ceiling: 64 };

/** A provider that answers `capacity` calls at once within 20 ms and refuses the rest. Answers what came of `callers` in `ms`. */
function simulate(phases: readonly { readonly ms: number; readonly capacity: number }[], callers: number) {
  let state = startLimiter(BOUNDS);
  let now = 1;
  let [answered, refused] = [0, 0];
  const limits: number[] = [];
  const flying: { readonly endsAt: number; readonly sentAt: number; readonly ok: boolean }[] = [];
  for (const { ms, capacity } of phases) {
    for (const end = now + ms; now < end; now++) {
      for (const call of flying.filter(({ endsAt }) => endsAt === now)) {
        flying.splice(flying.indexOf(call), 1);
        if (call.ok) {
          answered += 1;
          state = afterAnswer(state, BOUNDS, { inFlight: flying.length + 1, firstMs: 20 });
        } else {
          refused += 1;
          state = afterRefusal(state, BOUNDS, { now, sentAt: call.sentAt, retryAfterMs: null, jitter: 0.5 });
        }
      }
      while (flying.length < Math.min(callers, Math.floor(state.limit)) && now >= state.pausedUntil) {
        const ok = flying.filter((call) => call.ok).length < capacity;
        flying.push({ sentAt: now, endsAt: now + (ok ? 20 : 1), ok });
      }
    }
    limits.push(state.limit);
  }
  return { answered, refused, limits };
}

it('follows a capacity that falls and rises again', () => {
  const { answered, refused, limits } = simulate(
    [
      { ms: 2000, capacity: 8 },
      { ms: 2000, capacity: 3 },
      { ms: 4000, capacity: 8 },
    ],
    24,
  );
  const [first = 0, low = 0, last = 0] = limits;
  assert.ok(first >= 5 && first <= 12 && low >= 1 && low <= 5 && last >= 5 && last <= 12, limits.join(' '));
  const possible = (2000 * 8 + 2000 * 3 + 4000 * 8) / 20;
  assert.ok(answered > possible * 0.8, `${answered} of ${possible}`);
  assert.ok(refused < answered * 0.2, `${refused} refused`);
});

it('one burst of refusals is one decrease, and a provider that says when is believed', () => {
  let state = { ...startLimiter(BOUNDS), limit: 20 };
  for (let i = 0; i < 10; i++) state = afterRefusal(state, BOUNDS, { now: 1000 + i, sentAt: 900, retryAfterMs: null, jitter: 0 });
  assert.equal(state.limit, 14);
  state = afterRefusal(state, BOUNDS, { now: 2000, sentAt: 1900, retryAfterMs: 5000, jitter: 0 });
  assert.equal(state.pausedUntil, 7000);
});

it('stays within its bounds, and a fixed limit does not move', () => {
  const fixed = { floor: 3, ceiling: 3 };
  let state = startLimiter(fixed);
  for (let i = 0; i < 50; i++) state = afterAnswer(state, fixed, { inFlight: 3, firstMs: 10 });
  assert.equal(state.limit, 3);
  for (let i = 0; i < 50; i++) state = afterRefusal(state, fixed, { now: i * 1000 + 1, sentAt: i * 1000 + 1, retryAfterMs: null, jitter: 0 });
  assert.equal(state.limit, 3);
});
