// How many calls at once a provider takes, learned from its answers: a little more while it answers well, much less when it refuses.

export interface LimiterBounds {
  readonly floor: number;
  readonly ceiling: number;
}

export interface LimiterState {
  /** Not whole: what may be used is its floor. */
  readonly limit: number;
  /** Nothing is sent before this instant, epoch ms. */
  readonly pausedUntil: number;
  /** Refusals of calls that were sent before this instant say nothing new. */
  readonly decreasedAt: number;
  /** A good answer's usual time to its first piece, ms; 0 when none is known. */
  readonly usualMs: number;
}

const START = 8;
const DECREASE = 0.7;
const SLOW = 3;
const USUAL_WEIGHT = 0.1;
/** The first refusals double their pause; a provider that says when is believed. */
const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 60_000;

export function startLimiter({ floor, ceiling }: LimiterBounds): LimiterState {
  return { limit: Math.min(ceiling, Math.max(floor, START)), pausedUntil: 0, decreasedAt: 0, usualMs: 0 };
}

/** A call was answered. Only a limit that was used up grows, and not while answers have become slow. */
export function afterAnswer(
  state: LimiterState,
  { floor, ceiling }: LimiterBounds,
  { inFlight, firstMs }: { inFlight: number; firstMs: number },
): LimiterState {
  const usualMs = state.usualMs === 0 ? firstMs : Math.min(state.usualMs + (firstMs - state.usualMs) * USUAL_WEIGHT, Math.max(state.usualMs * 1.05, 1));
  const slow = state.usualMs > 0 && firstMs > Math.max(state.usualMs, 50) * SLOW;
  if (slow) return { ...state, usualMs, limit: Math.max(floor, state.limit - 1 / state.limit) };
  const used = inFlight >= Math.floor(state.limit);
  /** Until the first refusal nothing is known: the limit grows by one with each answer. */
  const step = state.decreasedAt === 0 ? 1 : 1 / state.limit;
  return { ...state, usualMs, limit: used ? Math.min(ceiling, state.limit + step) : state.limit };
}

interface Refusal {
  readonly now: number;
  /** When the refused call was sent. */
  readonly sentAt: number;
  readonly retryAfterMs: number | null;
  /** Uniform in [0, 1). */
  readonly jitter: number;
}

/** The provider refused a call for its load. Calls that were sent before the last decrease belong to the same burst. */
export function afterRefusal(state: LimiterState, { floor }: LimiterBounds, { now, sentAt, retryAfterMs, jitter }: Refusal): LimiterState {
  const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(retryAfterMs ?? 0, PAUSE_MS * (0.5 + jitter)));
  const pausedUntil = retryAfterMs === null ? state.pausedUntil : Math.max(state.pausedUntil, now + pauseMs);
  if (sentAt < state.decreasedAt) return { ...state, pausedUntil };
  return { ...state, pausedUntil, decreasedAt: now, limit: Math.max(floor, state.limit * DECREASE) };
}
