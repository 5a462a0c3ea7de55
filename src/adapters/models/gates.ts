// What stands before a provider's door in this process: as many calls at once as it takes, and none through a broken circuit.

import { BrokenCircuitError, type CircuitBreakerPolicy, ConsecutiveBreaker, circuitBreaker, ExponentialBackoff, handleWhen } from 'cockatiel';
import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { afterAnswer, afterRefusal, type LimiterBounds, type LimiterState, startLimiter } from '../../domain/limiter.ts';
import type { Clock } from '../../kit/clock.ts';
import { isFault } from '../../kit/fault.ts';
import { jitter } from '../../kit/id.ts';
import type { Observation } from '../../kit/metrics.ts';
import { own } from '../../kit/own.ts';
import type { ProviderGates } from '../../ports/model.ts';

const MOST = 64;
const BREAK_AFTER = 5;
const LONGEST_OPEN_MS = 30_000;
/** Failures that say that the provider itself is in trouble. */
const TROUBLE: ReadonlySet<string> = new Set(['model.network', 'model.stalled', 'model.overloaded']);
const LOAD: ReadonlySet<string> = new Set(['model.rate_limited', 'model.overloaded']);

interface Gate {
  readonly bounds: LimiterBounds;
  state: LimiterState;
  inFlight: number;
  readonly queue: (() => void)[];
  timer: NodeJS.Timeout | undefined;
}

export function createProviderGates({ clock, observe }: { readonly clock: Clock; readonly observe: (observation: Observation) => void }): ProviderGates {
  const gates = new Map<string, Gate>();
  const circuits = new Map<string, CircuitBreakerPolicy>();

  const gateOf = (provider: string, config: Config): Gate => {
    const bounds = boundsOf(own(config.lanes.providers, provider));
    const known = gates.get(provider);
    if (known && known.bounds.floor === bounds.floor && known.bounds.ceiling === bounds.ceiling) return known;
    const gate: Gate = { bounds, state: startLimiter(bounds), inFlight: known?.inFlight ?? 0, queue: known?.queue ?? [], timer: undefined };
    gates.set(provider, gate);
    return gate;
  };
  const circuitOf = (key: string): CircuitBreakerPolicy => {
    const known = circuits.get(key);
    if (known) return known;
    const made = circuitBreaker(
      handleWhen((error) => isFault(error) && TROUBLE.has(error.code)),
      { halfOpenAfter: new ExponentialBackoff({ initialDelay: 1000, maxDelay: LONGEST_OPEN_MS }), breaker: new ConsecutiveBreaker(BREAK_AFTER) },
    );
    circuits.set(key, made);
    return made;
  };
  const admit = (gate: Gate): void => {
    clearTimeout(gate.timer);
    const pauseMs = gate.state.pausedUntil - clock.now();
    if (pauseMs > 0) {
      gate.timer = setTimeout(() => admit(gate), pauseMs);
      return;
    }
    while (gate.inFlight < Math.floor(gate.state.limit) && gate.queue.length > 0) {
      gate.inFlight += 1;
      gate.queue.shift()?.();
    }
  };
  const enter = (gate: Gate, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = () => {
        gate.queue.splice(gate.queue.indexOf(go), 1);
        reject(signal.reason);
      };
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      gate.queue.push(go);
      admit(gate);
    });

  return {
    pass: async ({ provider, circuit, config, signal, firstMs }, call) => {
      const gate = gateOf(provider, config);
      await enter(gate, signal);
      const sentAt = clock.now();
      try {
        const answer = await circuitOf(circuit).execute(call);
        gate.state = afterAnswer(gate.state, gate.bounds, { inFlight: gate.inFlight, firstMs: firstMs() });
        return answer;
      } catch (error) {
        if (error instanceof BrokenCircuitError) throw fault('model.circuit_open', { circuit });
        if (isFault(error) && LOAD.has(error.code)) {
          const { retryAfterMs = null } = error.details as { retryAfterMs?: number | null }; // put there by the adapter
          gate.state = afterRefusal(gate.state, gate.bounds, { now: clock.now(), sentAt, retryAfterMs, jitter: jitter() });
        }
        throw error;
      } finally {
        gate.inFlight -= 1;
        observe({ kind: 'limit', name: provider, limit: Math.floor(gate.state.limit), inFlight: gate.inFlight, waiting: gate.queue.length });
        admit(gate);
      }
    },
  };
}

/** A number is a fixed limit; bounds let it adapt. */
function boundsOf(setting: number | { min?: number | undefined; max?: number | undefined } | undefined): LimiterBounds {
  if (typeof setting === 'number') return { floor: setting, ceiling: setting };
  const floor = setting?.min ?? 1;
  return { floor, ceiling: Math.max(floor, setting?.max ?? MOST) };
}
