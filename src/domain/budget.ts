// What model calls cost, and how much may be spent: by day, agent, role, job and run. What is free counts nowhere.

import type { Config } from './config.ts';
import { costOf, type ModelRef, priceOf, worstPriceOf } from './model.ts';
import { isRole } from './role.ts';
import type { Money } from './run.ts';
import { rolePolicy } from './team.ts';
import type { EntryUsage } from './transcript.ts';

/** One model call in the ledger. */
export interface Charge extends ModelRef {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** Millionths of a US dollar. */
  readonly micros: number;
  readonly priced: boolean;
}

export function toMicros(usd: number): number {
  return Math.round(usd * 1e6);
}

export function chargeOf(ref: ModelRef, usage: Omit<EntryUsage, 'cost'>, config: Config): Charge {
  const { input, output, cacheRead, cacheWrite } = usage;
  const cost = costOf(usage, worstPriceOf(ref, config)) ?? 0;
  return { provider: ref.provider, model: ref.model, input, output, cacheRead, cacheWrite, micros: toMicros(cost), priced: priceOf(ref, config) !== null };
}

/** The most a call can cost, or null for a free model. */
export function worstCase(ref: ModelRef, { input, output }: { input: number; output: number }, config: Config): { micros: number; tokens: number } | null {
  const price = worstPriceOf(ref, config);
  if (price === null) return null;
  const dearest = Math.max(price.input, price.cacheWrite);
  return { micros: Math.ceil(input * dearest + output * price.output), tokens: input + output };
}

/** A limit in one scope: `day`, `agent:<id>`, `role:<name>`, `job:<id>`, `run`. */
export interface BudgetLimit {
  readonly scope: string;
  readonly micros: number | null;
  readonly tokens: number | null;
}

interface Spender {
  readonly agentId: string;
  readonly role: string | null;
  readonly jobId: string | null;
}

/** The limits that the configuration sets for a run. */
export function limitsFor({ budgets, team }: Config, { agentId, role, jobId }: Spender): BudgetLimit[] {
  const found: readonly (readonly [scope: string, money: Money | undefined])[] = [
    ['day', given(budgets.day)],
    [`agent:${agentId}`, given(budgets.agents[agentId])],
    [`role:${role ?? ''}`, role === null ? undefined : given(budgets.roles[role] ?? (isRole(role) ? rolePolicy({ team }, role).budget : undefined))],
    [`job:${jobId ?? ''}`, jobId === null ? undefined : given(budgets.jobs[jobId])],
    ['run', given(budgets.run)],
  ];
  return found.flatMap(([scope, money]) => (money ? [limitOf(scope, money)] : []));
}

function given(money: { usd?: number | undefined; tokens?: number | undefined } | undefined): Money | undefined {
  if (!money) return undefined;
  const { usd, tokens } = money;
  return { ...(usd !== undefined && { usd }), ...(tokens !== undefined && { tokens }) };
}

export function limitOf(scope: string, { usd, tokens }: Money): BudgetLimit {
  return { scope, micros: usd === undefined ? null : toMicros(usd), tokens: tokens ?? null };
}

const DAY_MS = 86_400_000;

/** The instant at which another calendar day begins in a zone. */
export function nextDayIn(zone: string, at: number): number {
  const today = dayIn(zone, at);
  let [low, high] = [at, at + 2 * DAY_MS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (dayIn(zone, middle) === today) low = middle;
    else high = middle;
  }
  return high;
}

const days = new Map<string, Intl.DateTimeFormat>();

/** The calendar day of an instant in a zone, `2026-11-24`. */
export function dayIn(zone: string, at: number): string {
  let format = days.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' });
    days.set(zone, format);
  }
  return format.format(at);
}
