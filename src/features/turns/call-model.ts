// One answer from a model, whatever it takes: retries, other credentials, other models, within one deadline.

import { type Charge, chargeOf, worstCase } from '../../domain/budget.ts';
import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { costOf, decideAfterModelFailure, type ModelRef, priceOf, type ResolvedModel, worstPriceOf } from '../../domain/model.ts';
import { type EntryUsage, NO_USAGE, type ToolCall } from '../../domain/transcript.ts';
import type { Clock } from '../../kit/clock.ts';
import { type Fault, isFault, messageOf } from '../../kit/fault.ts';
import { jitter } from '../../kit/id.ts';
import type { Log } from '../../kit/log.ts';
import type { Observation } from '../../kit/metrics.ts';
import type { ModelEndpoint, ModelRequest, Models, ProviderGates } from '../../ports/model.ts';
import type { Store } from '../../ports/store.ts';
import type { Refusal } from '../models/ops.ts';
import type { Refusals } from '../models/refusals.ts';
import { estimateTokens } from './history.ts';

export interface ModelWorld {
  readonly store: Store;
  readonly models: Models;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly observe: (observation: Observation) => void;
  readonly gates: ProviderGates;
  readonly refusals: Refusals;
}

export interface ModelAsk {
  readonly workspaceId: string;
  readonly agentId: string;
  readonly chain: readonly ResolvedModel[];
  readonly request: Omit<ModelRequest, 'model'>;
  readonly deadlineAt: number;
  readonly signal: AbortSignal;
  readonly onText: (piece: string) => void;
  /** A try failed after it had streamed text: what arrived is void. */
  readonly onRestart: () => void;
  /** What a call has cost, also one that failed after it had begun to answer. */
  readonly onCharge: (charge: Charge) => void;
  /** Sets aside what a call may cost. Throws when a budget is used up. */
  readonly reserve: (ref: ModelRef, most: { readonly micros: number; readonly tokens: number }) => Promise<void>;
}

export interface ModelAnswer extends ModelRef {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly stopReason: 'stop' | 'tool_use' | 'length';
  readonly usage: EntryUsage;
}

interface Candidate {
  readonly ref: ResolvedModel;
  readonly endpoint: ModelEndpoint;
}

const REFUSED_FOR_MS = 6 * 3_600_000;

/** @throws Fault `model.all_failed` with each model's reason, or the only model's own fault; the abort reason when aborted */
export async function callModel(world: ModelWorld, ask: ModelAsk): Promise<ModelAnswer> {
  const { candidates, skipped } = await findCandidates(world, ask);
  const failures: { readonly name: string; readonly fault: Fault }[] = [...skipped];
  for (const [i, candidate] of candidates.entries()) {
    const result = await tryCandidate(world, ask, candidate, i < candidates.length - 1);
    if (!isFault(result)) return result;
    failures.push({ name: nameOf(candidate.ref), fault: result });
    if (result.code === 'model.invalid') break;
  }
  const [only] = failures;
  if (only && failures.length === 1) throw only.fault;
  throw fault('model.all_failed', { attempts: failures.map(({ name, fault: { message } }) => `${name}: ${message}`).join(' | ') });
}

async function findCandidates({ refusals: known, models, log }: ModelWorld, { workspaceId, agentId, chain }: ModelAsk) {
  const refusals = await known.list(workspaceId);
  const candidates: Candidate[] = [];
  const skipped: { name: string; fault: Fault }[] = [];
  for (const ref of chain) {
    try {
      const endpoints = await models.endpointsFor(ref.provider, agentId);
      const allowed = endpoints.filter(({ credential }) => !isRefused(refusals, credential.id, ref));
      candidates.push(...allowed.map((endpoint) => ({ ref, endpoint })));
      if (allowed.length === 0) {
        const [refusal] = refusals.filter(({ model }) => model === nameOf(ref));
        skipped.push({
          name: nameOf(ref),
          fault: fault('model.not_found', { reason: `${refusal?.reason ?? 'refused'} (remembered; the credential is tried again later)` }),
        });
      }
    } catch (error) {
      if (!isFault(error)) throw error;
      skipped.push({ name: nameOf(ref), fault: error });
      log.warn({ model: nameOf(ref), error: error.message }, 'a model of the chain cannot be used');
    }
  }
  return { candidates, skipped };
}

/** Calls until an answer, or the fault after which the next candidate is due. */
async function tryCandidate(world: ModelWorld, ask: ModelAsk, { ref, endpoint }: Candidate, hasFallback: boolean): Promise<ModelAnswer | Fault> {
  const { models, clock, config, log, observe } = world;
  const { signal, deadlineAt, request } = ask;
  const client = await models.clientFor(endpoint);
  const inputTokens = () => estimateTokens(JSON.stringify(request));
  const most = worstPriceOf(ref, config) === null ? null : worstCase(ref, { input: inputTokens(), output: request.maxOutputTokens }, config);
  for (let tries = 1; ; tries++) {
    let since = clock.elapsed();
    if (most) await ask.reserve(ref, most);
    let streamed = 0;
    let firstAt: number | undefined;
    const onText = (piece: string) => {
      firstAt ??= clock.elapsed();
      streamed += piece.length;
      ask.onText(piece);
    };
    const done = (outcome: string) => observe({ kind: 'model', name: nameOf(ref), outcome, seconds: (clock.elapsed() - since) / 1000 });
    try {
      const pass = {
        provider: ref.provider,
        circuit: `${nameOf(ref)} (${endpoint.credential.id})`,
        config,
        signal,
        firstMs: () => (firstAt ?? clock.elapsed()) - since,
      };
      const { usage, ...reply } = await world.gates.pass(pass, () => {
        since = clock.elapsed();
        return client.call({ ...request, model: ref.model }, { signal, onText });
      });
      done('ok');
      ask.onCharge(chargeOf(ref, usage, config));
      return { ...reply, provider: ref.provider, model: ref.model, usage: { ...usage, cost: costOf(usage, priceOf(ref, config)) } };
    } catch (error) {
      if (streamed > 0) ask.onCharge(chargeOf(ref, { ...NO_USAGE, input: inputTokens(), output: estimateTokens(' '.repeat(streamed)) }, config));
      signal.throwIfAborted();
      if (!isFault(error)) throw error;
      done(error.code);
      if (streamed > 0) ask.onRestart();
      const { retryAfterMs } = error.details as { retryAfterMs?: number | null }; // put there by the adapter
      const next = decideAfterModelFailure({
        code: error.code,
        retryAfterMs: retryAfterMs ?? null,
        tries,
        hasFallback,
        remainingMs: deadlineAt - clock.now(),
        jitter: jitter(),
      });
      log.warn({ model: nameOf(ref), tries, code: error.code, next: next.kind, error: messageOf(error) }, 'a model call failed');
      if (next.kind !== 'retry') {
        await rememberRefusal(world, ask.workspaceId, endpoint, ref, error);
        return error;
      }
      await clock.sleep(next.afterMs, signal);
      signal.throwIfAborted();
    }
  }
}

async function rememberRefusal({ refusals }: ModelWorld, workspaceId: string, { credential }: ModelEndpoint, ref: ResolvedModel, { code, message }: Fault) {
  if (code !== 'model.not_found' && code !== 'model.billing') return;
  await refusals.note(workspaceId, { credential: credential.id, model: nameOf(ref), reason: message }, REFUSED_FOR_MS);
}

function isRefused(refusals: readonly Refusal[], credential: string, ref: ModelRef): boolean {
  return refusals.some((refusal) => refusal.credential === credential && refusal.model === nameOf(ref));
}

function nameOf({ provider, model }: ModelRef): string {
  return `${provider}/${model}`;
}
