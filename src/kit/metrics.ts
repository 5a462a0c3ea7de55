// The Prometheus registry of one process and the names of everything it counts.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const histogram = (name: string, help: string, labelNames: string[]) => new Histogram({ name, help, labelNames, buckets: SECONDS, registers });
  return {
    registry,
    storeOps: histogram('clawdbot_store_op_seconds', 'Time from asking the store to its durable answer', ['op', 'ok']),
    rpcCalls: histogram('clawdbot_rpc_seconds', 'Time a method took', ['method', 'ok']),
    runsEnded: new Counter({ name: 'clawdbot_runs_ended_total', help: 'Runs by terminal state', labelNames: ['state'], registers }),
    runsQueued: new Gauge({ name: 'clawdbot_runs_queued', help: 'Runs waiting in a lane', labelNames: ['lane'], registers }),
    runsActive: new Gauge({ name: 'clawdbot_runs_active', help: 'Runs holding a slot of a lane', labelNames: ['lane'], registers }),
    modelCalls: histogram('clawdbot_model_call_seconds', 'Model calls by outcome', ['model', 'outcome']),
    providerLimit: new Gauge({ name: 'clawdbot_provider_limit', help: 'Model calls at once that a provider is given', labelNames: ['provider'], registers }),
    providerCalls: new Gauge({
      name: 'clawdbot_provider_calls',
      help: 'Model calls in flight, and those that wait for one to end',
      labelNames: ['provider', 'state'],
      registers,
    }),
    runsRefused: new Counter({ name: 'clawdbot_runs_refused_total', help: 'Work that was refused because too much waits', labelNames: ['reason'], registers }),
    toolCalls: histogram('clawdbot_tool_call_seconds', 'Tool calls by outcome', ['tool', 'outcome']),
    clients: new Gauge({ name: 'clawdbot_clients', help: 'Connected WebSocket clients', registers }),
    workerDeaths: new Counter({ name: 'clawdbot_worker_deaths_total', help: 'Worker processes that died', registers }),
    loopDelay: new Gauge({
      name: 'clawdbot_event_loop_delay_seconds',
      help: 'Event loop delay of the gateway thread since the last scrape',
      labelNames: ['quantile'],
      registers,
    }),
  };
}

/** One observation made in a worker, sent to the gateway's registry. */
export type Observation =
  | { readonly kind: 'model' | 'tool'; readonly name: string; readonly outcome: string; readonly seconds: number }
  | { readonly kind: 'limit'; readonly name: string; readonly limit: number; readonly inFlight: number; readonly waiting: number };

export function observe(metrics: Metrics, seen: Observation): void {
  if ('limit' in seen) {
    metrics.providerLimit.set({ provider: seen.name }, seen.limit);
    metrics.providerCalls.set({ provider: seen.name, state: 'in flight' }, seen.inFlight);
    metrics.providerCalls.set({ provider: seen.name, state: 'waiting' }, seen.waiting);
  } else if (seen.kind === 'model') metrics.modelCalls.observe({ model: seen.name, outcome: seen.outcome }, seen.seconds);
  else metrics.toolCalls.observe({ tool: seen.name, outcome: seen.outcome }, seen.seconds);
}
