// Model references, aliases, prices, and the rules for trying again or elsewhere.

import { own } from '../kit/own.ts';
import type { Config } from './config.ts';

export interface ModelRef {
  readonly provider: string;
  readonly model: string;
}

const ALIASES: Readonly<Record<string, string>> = {
  opus: 'anthropic/claude-opus-5-5',
  sonnet: 'anthropic/claude-sonnet-5-5',
  haiku: 'anthropic/claude-haiku-5-5',
};

/** Ids that providers no longer serve, and what takes their place. `models.replacements` adds to it. */
const REPLACEMENTS: readonly (readonly [RegExp, string])[] = [
  [/^anthropic\/claude-(3-opus|3-opus-\d+|opus-4|opus-4-0|opus-4-1|opus-4-5|opus-4-6)(-\d{8}|-latest)?$/, 'anthropic/claude-opus-5-5'],
  [/^anthropic\/claude-(3-sonnet|3-5-sonnet|3-7-sonnet|sonnet-4|sonnet-4-0|sonnet-4-5|sonnet-4-6)(-\d{8}|-latest)?$/, 'anthropic/claude-sonnet-5-5'],
  [/^anthropic\/claude-(3-haiku|3-5-haiku|haiku-4-5)(-\d{8}|-latest)?$/, 'anthropic/claude-haiku-5-5'],
];

export interface ResolvedModel extends ModelRef {
  /** What the configuration or the caller wrote, when it was replaced. */
  readonly writtenAs?: string;
}

/** `provider/model` of an alias, a bare model id (anthropic is assumed) or a full reference; dead ids are replaced. */
export function resolveModel(written: string, config: Pick<Config, 'agents' | 'models'>): ResolvedModel {
  const full = expandAlias(written.trim(), config);
  const replacement = own(config.models.replacements, full) ?? REPLACEMENTS.find(([dead]) => dead.test(full))?.[1] ?? full;
  const slash = replacement.indexOf('/');
  const ref = { provider: replacement.slice(0, slash).toLowerCase(), model: replacement.slice(slash + 1) };
  return replacement === written ? ref : { ...ref, writtenAs: written };
}

function expandAlias(written: string, config: Pick<Config, 'agents'>): string {
  const named = Object.entries(config.agents.defaults.models ?? {}).find(([, entry]) => entry.alias?.toLowerCase() === written.toLowerCase());
  const full = named?.[0] ?? own(ALIASES, written.toLowerCase()) ?? written;
  return full.includes('/') ? full : `anthropic/${full}`;
}

/** The models a run may use, in order: primary, then fallbacks, without repeats. */
export function modelChain(config: Config, agentId: string, override: string | null): readonly ResolvedModel[] {
  const own = config.agents.list.find((agent) => agent.id === agentId)?.model;
  const setting = own ?? config.agents.defaults.model;
  const { primary, fallbacks = [] } = typeof setting === 'string' ? { primary: setting } : setting;
  const chain = [override ?? primary, ...fallbacks].map((written) => resolveModel(written, config));
  return chain.filter((ref, i) => chain.findIndex((other) => other.provider === ref.provider && other.model === ref.model) === i);
}

/** Dollars per million tokens. The configuration's `models.providers.<id>.models[].cost` goes first. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

const PRICES: readonly (readonly [RegExp, Price])[] = [
  [/^anthropic\/claude-(opus|fable)/, { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 }],
  [/^anthropic\/claude-sonnet/, { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 }],
  [/^anthropic\/claude-haiku/, { input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 }],
];
const FREE: Price = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

/** The price of a model, or null when nobody stated one. A provider at a loopback address is free unless it states a price. */
export function priceOf({ provider, model }: ModelRef, config: Config): Price | null {
  const entry = own(config.models.providers, provider);
  const stated = entry?.models?.find((candidate) => candidate.id === model)?.cost;
  if (stated) return { ...FREE, ...stated };
  if (entry?.baseUrl !== undefined && isLoopback(entry.baseUrl)) return FREE;
  return PRICES.find(([name]) => name.test(`${provider}/${model}`))?.[1] ?? null;
}

/** What a model costs at most: its price, or, when nobody stated one, the highest of those that are known. Null for a free one. */
export function worstPriceOf(ref: ModelRef, config: Config): Price | null {
  const known = priceOf(ref, config);
  const price = known ?? highestPrice(config);
  return price.input + price.output + price.cacheRead + price.cacheWrite === 0 ? null : price;
}

function highestPrice(config: Config): Price {
  const stated = Object.values(config.models.providers).flatMap(({ models = [] }) => models.flatMap(({ cost }) => (cost ? [{ ...FREE, ...cost }] : [])));
  return [...PRICES.map(([, price]) => price), ...stated].reduce((highest, price) => (price.output > highest.output ? price : highest));
}

/** Tokens that a request to the model may have: what the configuration says of it, at most `agents.defaults.contextTokens`. */
export function contextWindowOf({ provider, model }: ModelRef, config: Config): number {
  const stated = own(config.models.providers, provider)?.models?.find((candidate) => candidate.id === model)?.contextWindow;
  return Math.min(stated ?? Number.POSITIVE_INFINITY, config.agents.defaults.contextTokens);
}

export function isLoopback(url: string): boolean {
  return /^\w+:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(\/|$)/i.test(url);
}

interface Tokens {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

export function costOf(tokens: Tokens, price: Price | null): number | null {
  if (price === null) return null;
  return (tokens.input * price.input + tokens.output * price.output + tokens.cacheRead * price.cacheRead + tokens.cacheWrite * price.cacheWrite) / 1e6;
}

const TRIES_PER_MODEL = 4;
const BUSY: ReadonlySet<string> = new Set(['model.rate_limited', 'model.overloaded', 'model.circuit_open']);
const LONGEST_BACKOFF_MS = 20_000;

export interface ModelFailure {
  /** A `model.*` fault code. */
  readonly code: string;
  readonly retryAfterMs: number | null;
  /** Failed tries on this model so far, this one included. */
  readonly tries: number;
  readonly hasFallback: boolean;
  readonly remainingMs: number;
  /** Uniform in [0, 1). */
  readonly jitter: number;
}

export type AfterModelFailure = { readonly kind: 'retry'; readonly afterMs: number } | { readonly kind: 'next_model' } | { readonly kind: 'give_up' };

/** Whether a failed model call is repeated (and when), moved to the next model, or given up. */
export function decideAfterModelFailure({ code, retryAfterMs, tries, hasFallback, remainingMs, jitter }: ModelFailure): AfterModelFailure {
  const elsewhere: AfterModelFailure = hasFallback ? { kind: 'next_model' } : { kind: 'give_up' };
  if (code === 'model.invalid') return { kind: 'give_up' };
  if (code === 'model.auth' || code === 'model.billing' || code === 'model.not_found' || code === 'model.no_credential' || code === 'model.unknown_provider') {
    return elsewhere;
  }
  // A provider that is too busy is waited for as long as the run may take: that is no failure of the run.
  const patient = !hasFallback && BUSY.has(code);
  if (tries >= TRIES_PER_MODEL && !patient) return elsewhere;
  if (code === 'model.circuit_open' && hasFallback) return elsewhere;
  const exponential = Math.min(LONGEST_BACKOFF_MS, 500 * 2 ** (tries - 1));
  const afterMs = Math.max(retryAfterMs ?? 0, Math.round(exponential * (0.5 + jitter / 2)));
  if (afterMs >= remainingMs || (hasFallback && afterMs > LONGEST_BACKOFF_MS)) return elsewhere;
  return { kind: 'retry', afterMs };
}
