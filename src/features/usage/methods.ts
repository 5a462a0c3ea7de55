// What was spent, and how the budgets stand.

import { z } from 'zod';
import { dayIn, toMicros } from '../../domain/budget.ts';
import type { Config } from '../../domain/config.ts';
import { localZone } from '../../kit/cron-time.ts';
import { method } from '../../ports/method.ts';
import type { SpendTable } from '../../ports/tables-work.ts';
import { fundBudget, type Spending, spendingSince } from './ops.ts';

const DAY_MS = 86_400_000;
const Days = z.int().min(1).max(3650).optional().describe('Days back from today, today included.');
const Payload = z.record(z.string(), z.unknown());

interface Totals {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly totalTokens: number;
  readonly totalCost: number;
  /** Calls without a known price: they count by the highest that is known. */
  readonly missingCostEntries: number;
}

function totalsOf(rows: readonly SpendTable[]): Totals {
  const sum = (pick: (row: SpendTable) => number) => rows.reduce((total, row) => total + Number(pick(row)), 0);
  return {
    input: sum(({ input }) => input),
    output: sum(({ output }) => output),
    cacheRead: sum(({ cache_read }) => cache_read),
    cacheWrite: sum(({ cache_write }) => cache_write),
    totalTokens: sum(({ input, output, cache_read, cache_write }) => input + output + cache_read + cache_write),
    totalCost: sum(({ micros }) => micros) / 1e6,
    missingCostEntries: sum(({ unpriced }) => unpriced),
  };
}

function groupBy(rows: readonly SpendTable[], nameOf: (row: SpendTable) => string): [name: string, rows: SpendTable[]][] {
  const groups = new Map<string, SpendTable[]>();
  for (const row of rows) groups.set(nameOf(row), [...(groups.get(nameOf(row)) ?? []), row]);
  return [...groups];
}

function zoneOf(config: Config): string {
  return config.agents.defaults.userTimezone ?? localZone();
}

export const usageCost = method({
  name: 'usage.cost',
  scope: 'operator.read',
  about: 'Tokens and cost by day, from the ledger of model calls.',
  input: z.strictObject({ days: Days }),
  output: Payload,
  run: async ({ store, workspaceId, gateway, clock }, { days = 30 }) => {
    const zone = zoneOf(gateway.config().config);
    const now = clock.now();
    const { rows } = await store.call(spendingSince, { workspaceId, since: dayIn(zone, now - (days - 1) * DAY_MS), today: dayIn(zone, now) });
    const daily = groupBy(rows, ({ day }) => day).map(([date, of]) => ({ date, ...totalsOf(of) }));
    return { updatedAt: now, days, daily, totals: totalsOf(rows) };
  },
});

const BY = {
  day: ({ day }: SpendTable) => day,
  agent: ({ agent_id }: SpendTable) => agent_id,
  role: ({ role }: SpendTable) => role || '(none)',
  job: ({ job_id }: SpendTable) => job_id || '(none)',
  model: ({ provider, model }: SpendTable) => `${provider}/${model}`,
} as const;

export const usageReport = method({
  name: 'usage.report',
  scope: 'operator.read',
  about: 'Calls, tokens and cost by day, agent, role, job or model, and how the budgets of today stand.',
  input: z.strictObject({ days: Days, by: z.enum(['day', 'agent', 'role', 'job', 'model']).optional() }),
  output: Payload,
  run: async ({ store, workspaceId, gateway, clock }, { days = 7, by = 'day' }) => {
    const { config } = gateway.config();
    const zone = zoneOf(config);
    const today = dayIn(zone, clock.now());
    const spending = await store.call(spendingSince, { workspaceId, since: dayIn(zone, clock.now() - (days - 1) * DAY_MS), today });
    const groups = groupBy(spending.rows, BY[by]).map(([name, rows]) => ({ name, calls: rows.reduce((sum, { calls }) => sum + calls, 0), ...totalsOf(rows) }));
    return { days, by, groups, totals: totalsOf(spending.rows), budgets: budgetsOf(config, spending, today) };
  },
});

/** Where the budgets of today stand that are not those of single runs. */
function budgetsOf({ budgets }: Config, { rows, notes, reserved }: Spending, today: string) {
  const scoped = (kind: string, by: Readonly<Record<string, { usd?: number | undefined; tokens?: number | undefined }>>) =>
    Object.entries(by).map(([name, money]) => [`${kind}:${name}`, money] as const);
  const scopes = [['day', budgets.day] as const, ...scoped('agent', budgets.agents), ...scoped('role', budgets.roles), ...scoped('job', budgets.jobs)];
  return scopes.map(([scope, { usd, tokens }]) => {
    const fits = (row: { agent_id: string; role: string; job_id: string }) =>
      scope === 'day' || scope === `agent:${row.agent_id}` || scope === `role:${row.role}` || scope === `job:${row.job_id}`;
    const own = rows.filter((row) => row.day === today && fits(row));
    const note = notes.find((candidate) => candidate.scope === scope);
    const limitUsd = usd === undefined ? null : usd + (note?.extra_micros ?? 0) / 1e6;
    const { totalCost, input, output } = totalsOf(own);
    const state = note?.approval_id ? 'exhausted' : limitUsd !== null && totalCost >= limitUsd * budgets.warnAt && limitUsd > 0 ? 'warned' : 'open';
    const aside = reserved.filter(fits).reduce((sum, { micros }) => sum + micros, 0) / 1e6;
    return {
      scope,
      limitUsd,
      limitTokens: tokens ?? null,
      spentUsd: totalCost,
      spentTokens: input + output,
      reservedUsd: aside,
      state,
      approvalId: note?.approval_id ?? null,
    };
  });
}

export const usageFund = method({
  name: 'usage.fund',
  scope: 'operator.admin',
  about: 'Adds money to a budget for today (day, agent:<id>, role:<name>, job:<id>, run:<id>). Runs that wait for it go on.',
  input: z.strictObject({ scope: z.string().min(1).max(200), usd: z.number().positive().max(100_000) }),
  output: z.object({ resumed: z.number() }),
  run: ({ store, workspaceId, principal, gateway, clock }, { scope, usd }) =>
    store.call(fundBudget, { workspaceId, actor: principal.actor, scope, day: dayIn(zoneOf(gateway.config().config), clock.now()), micros: toMicros(usd) }),
});
