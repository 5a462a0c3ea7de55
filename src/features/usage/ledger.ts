// The ledger of model calls and the budgets before them: reserved before a call, settled with its result, in the caller's transaction.

import { sql } from 'kysely';
import type { BudgetLimit, Charge } from '../../domain/budget.ts';
import { limitOf } from '../../domain/budget.ts';
import type { RunInput } from '../../domain/run.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { LedgerTable, ReservationTable, SpendTable } from '../../ports/tables-work.ts';
import { openApproval } from '../approvals/ops.ts';
import { appendEvent } from '../events/ops.ts';
import { ALWAYS, noteWork, workLimits, workOf } from './work-budget.ts';

const insertCharge = statement<LedgerTable>()((db, p) =>
  db
    .insertInto('ledger')
    .values(
      pick(
        p,
        'id',
        'workspace_id',
        'at',
        'day',
        'run_id',
        'root_id',
        'session_key',
        'agent_id',
        'role',
        'job_id',
        'provider',
        'model',
        'input',
        'output',
        'cache_read',
        'cache_write',
        'micros',
        'priced',
      ),
    ),
);
const addSpend = statement<SpendTable>()((db, p) =>
  db
    .insertInto('spend')
    .values(
      pick(
        p,
        'workspace_id',
        'day',
        'agent_id',
        'role',
        'job_id',
        'provider',
        'model',
        'calls',
        'input',
        'output',
        'cache_read',
        'cache_write',
        'micros',
        'unpriced',
      ),
    )
    .onConflict((clash) =>
      clash.columns(['workspace_id', 'day', 'agent_id', 'role', 'job_id', 'provider', 'model']).doUpdateSet((row) => ({
        calls: row('spend.calls', '+', p.calls),
        input: row('spend.input', '+', p.input),
        output: row('spend.output', '+', p.output),
        cache_read: row('spend.cache_read', '+', p.cache_read),
        cache_write: row('spend.cache_write', '+', p.cache_write),
        micros: row('spend.micros', '+', p.micros),
        unpriced: row('spend.unpriced', '+', p.unpriced),
      })),
    ),
);
const addToRun = statement<{ id: string; micros: number; tokens: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({ spent_micros: row('spent_micros', '+', p.micros), spent_tokens: row('spent_tokens', '+', p.tokens) }))
    .where('id', '=', p.id)
    .returning(['parent_id']),
);
const dropReservation = statement<{ runId: string }>()((db, p) =>
  db.deleteFrom('reservation').where('run_id', '=', p.runId).returning(['day', 'provider', 'model', 'micros', 'tokens']),
);
const putReservation = statement<ReservationTable>()((db, p) =>
  db
    .insertInto('reservation')
    .values(
      pick(p, 'run_id', 'workspace_id', 'day', 'agent_id', 'role', 'job_id', 'root_id', 'task_id', 'plan_id', 'provider', 'model', 'micros', 'tokens', 'at'),
    )
    .onConflict((clash) =>
      clash.column('run_id').doUpdateSet({ day: p.day, provider: p.provider, model: p.model, micros: p.micros, tokens: p.tokens, at: p.at }),
    ),
);

interface Scope {
  readonly workspaceId: string;
  readonly day: string;
  /** Null leaves a condition out. */
  readonly agentId: string | null;
  readonly role: string | null;
  readonly jobId: string | null;
}

const spentIn = statement<Scope>()((db, p) =>
  db
    .selectFrom('spend')
    .select((row) => [row.fn.sum<number>('micros').as('micros'), sql<number>`sum(input + output)`.as('tokens')])
    .where('workspace_id', '=', p.workspaceId)
    .where('day', '=', p.day)
    .where(sql<boolean>`(agent_id = ${p.agentId} or ${p.agentId} is null)`)
    .where(sql<boolean>`(role = ${p.role} or ${p.role} is null)`)
    .where(sql<boolean>`(job_id = ${p.jobId} or ${p.jobId} is null)`),
);
const reservedIn = statement<Scope & { but: string; rootId: string | null }>()((db, p) =>
  db
    .selectFrom('reservation')
    .select((row) => [row.fn.sum<number>('micros').as('micros'), row.fn.sum<number>('tokens').as('tokens')])
    .where('workspace_id', '=', p.workspaceId)
    .where('run_id', '<>', p.but)
    .where(sql<boolean>`(agent_id = ${p.agentId} or ${p.agentId} is null)`)
    .where(sql<boolean>`(role = ${p.role} or ${p.role} is null)`)
    .where(sql<boolean>`(job_id = ${p.jobId} or ${p.jobId} is null)`)
    .where(sql<boolean>`(root_id = ${p.rootId} or ${p.rootId} is null)`),
);
const reservedFor = statement<{ but: string; taskId: string | null; planId: string | null }>()((db, p) =>
  db
    .selectFrom('reservation')
    .select((row) => [row.fn.sum<number>('micros').as('micros'), row.fn.sum<number>('tokens').as('tokens')])
    .where('run_id', '<>', p.but)
    .where(sql<boolean>`(task_id = ${p.taskId} or ${p.taskId} is null)`)
    .where(sql<boolean>`(plan_id = ${p.planId} or ${p.planId} is null)`),
);
const noteOf = statement<{ workspaceId: string; scope: string; day: string }>()((db, p) =>
  db.selectFrom('budget_note').selectAll().where('workspace_id', '=', p.workspaceId).where('scope', '=', p.scope).where('day', '=', p.day),
);
const putNote = statement<{ workspaceId: string; scope: string; day: string; extra: number; warnedAt: number | null; approvalId: string | null }>()((db, p) =>
  db
    .insertInto('budget_note')
    .values({ workspace_id: p.workspaceId, scope: p.scope, day: p.day, extra_micros: p.extra, warned_at: p.warnedAt, approval_id: p.approvalId })
    .onConflict((clash) =>
      clash.columns(['workspace_id', 'scope', 'day']).doUpdateSet({ extra_micros: p.extra, warned_at: p.warnedAt, approval_id: p.approvalId }),
    ),
);
const ancestor = statement<{ id: string }>()((db, p) =>
  db.selectFrom('run').select(['id', 'parent_id', 'input', 'spent_micros', 'spent_tokens']).where('id', '=', p.id),
);

/** Writes calls into the ledger, the sums of the day, the run and the runs above it. What was reserved for the run is free again. */
export function* noteCharges(tx: Tx, run: RunTable, day: string, charges: readonly Charge[]): OpSteps<void> {
  const { workspace_id, agent_id, role, job_id } = run;
  for (const { provider, model, input, output, cacheRead: cache_read, cacheWrite: cache_write, micros, priced } of charges) {
    const call = { workspace_id, day, agent_id, provider, model, input, output, cache_read, cache_write, micros };
    yield* tx.run(insertCharge, {
      ...call,
      id: tx.newId('call'),
      at: tx.now,
      run_id: run.id,
      root_id: run.root_id,
      session_key: run.session_key,
      role,
      job_id,
      priced: priced ? 1 : 0,
    });
    yield* tx.run(addSpend, { ...call, role: role ?? '', job_id: job_id ?? '', calls: 1, unpriced: priced ? 0 : 1 });
    for (let id: string | null = run.id; id !== null; ) {
      const above: { parent_id: string | null } | undefined = yield* tx.one(addToRun, { id, micros, tokens: micros === 0 ? 0 : input + output });
      id = above?.parent_id ?? null;
    }
  }
  const work = charges.length > 0 ? yield* workOf(tx, run) : undefined;
  if (work) {
    const sums = charges.reduce(
      (sum, { micros, input, output }) => ({ micros: sum.micros + micros, tokens: sum.tokens + (micros === 0 ? 0 : input + output) }),
      { micros: 0, tokens: 0 },
    );
    yield* noteWork(tx, work, sums.micros, sums.tokens);
  }
  yield* tx.run(dropReservation, { runId: run.id });
}

/** An attempt died with a call in flight: whether it cost anything is unknown, so it counts as all that was reserved. */
export function* chargeInterrupted(tx: Tx, run: RunTable): OpSteps<void> {
  const open = yield* tx.one(dropReservation, { runId: run.id });
  if (!open) return;
  const { day, provider, model, micros, tokens } = open;
  yield* noteCharges(tx, run, day, [{ provider, model, input: tokens, output: 0, cacheRead: 0, cacheWrite: 0, micros, priced: false }]);
}

export interface Reservation {
  readonly day: string;
  readonly provider: string;
  readonly model: string;
  readonly micros: number;
  readonly tokens: number;
  readonly limits: readonly BudgetLimit[];
  readonly warnAt: number;
  readonly askForMs: number;
}

export type Reserved =
  | { readonly ok: true }
  /** Other calls in flight have set aside what is left: they may leave some. */
  | { readonly ok: false; readonly busy: true }
  | { readonly ok: false; readonly busy: false; readonly scope: string; readonly approvalId: string; readonly deadlineAt: number };

/** Sets aside what a call may cost in every scope, or answers which budget is used up and the question for more. */
export function* reserve(tx: Tx, run: RunTable, wanted: Reservation): OpSteps<Reserved> {
  const { day, limits, micros, tokens } = wanted;
  const whose = { workspaceId: run.workspace_id, day };
  const fit = { run, wanted, whose };
  for (const limit of limits) {
    if (limit.scope === 'run') continue;
    const scope = scopeOf(limit.scope);
    const spent = yield* tx.one(spentIn, { ...whose, ...scope });
    const open = yield* tx.one(reservedIn, { ...whose, ...scope, but: run.id, rootId: null });
    const used = { micros: sum(spent?.micros), tokens: sum(spent?.tokens) };
    const refused = yield* check(tx, { ...fit, limit, used, aside: open, key: limit.scope });
    if (refused) return refused;
  }
  const work = yield* workOf(tx, run);
  for (const { limit, used } of work ? yield* workLimits(tx, work) : []) {
    const [kind, id = ''] = splitScope(limit.scope);
    const open = yield* tx.one(reservedFor, { but: run.id, taskId: kind === 'task' ? id : null, planId: kind === 'plan' ? id : null });
    const refused = yield* check(tx, { ...fit, whose: { ...whose, day: ALWAYS }, limit, used, aside: open, key: limit.scope });
    if (refused) return refused;
  }
  const ofRun = limits.find(({ scope }) => scope === 'run');
  for (let id: string | null = run.id; id !== null; ) {
    const above: { parent_id: string | null; input: string; spent_micros: number; spent_tokens: number } | undefined = yield* tx.one(ancestor, { id });
    const own = above ? (JSON.parse(above.input) as RunInput).budget : undefined; // written by enqueueRun
    const limit = own ? limitOf('run', own) : id === run.id ? ofRun : undefined;
    if (above && limit) {
      const open = yield* tx.one(reservedIn, { ...whose, ...NOBODY, but: run.id, rootId: own ? run.root_id : '' });
      const used = { micros: above.spent_micros, tokens: above.spent_tokens };
      const refused = yield* check(tx, { ...fit, limit, used, aside: open, key: `run:${id}` });
      if (refused) return refused;
    }
    id = above?.parent_id ?? null;
  }
  const { workspace_id, agent_id, role, job_id, root_id } = run;
  const { provider, model } = wanted;
  yield* tx.run(putReservation, {
    run_id: run.id,
    workspace_id,
    day,
    agent_id,
    role: role ?? '',
    job_id: job_id ?? '',
    root_id,
    task_id: work?.taskId ?? '',
    plan_id: work?.planId ?? '',
    provider,
    model,
    micros,
    tokens,
    at: tx.now,
  });
  return { ok: true };
}

const NOBODY = { agentId: null, role: null, jobId: null };

function scopeOf(name: string): Pick<Scope, 'agentId' | 'role' | 'jobId'> {
  const [kind, id = ''] = splitScope(name);
  return { ...NOBODY, ...(kind === 'agent' && { agentId: id }), ...(kind === 'role' && { role: id }), ...(kind === 'job' && { jobId: id }) };
}

function splitScope(scope: string): [string, string?] {
  const at = scope.indexOf(':');
  return at < 0 ? [scope] : [scope.slice(0, at), scope.slice(at + 1)];
}

function sum(...numbers: readonly (number | string | null | undefined)[]): number {
  return numbers.reduce<number>((total, number) => total + Number(number ?? 0), 0);
}

interface Check {
  readonly run: RunTable;
  readonly wanted: Reservation;
  readonly whose: { readonly workspaceId: string; readonly day: string };
  readonly limit: BudgetLimit;
  readonly used: { readonly micros: number; readonly tokens: number };
  /** Set aside for other calls in flight. */
  readonly aside: { readonly micros: number | null; readonly tokens: number | null } | undefined;
  /** The scope by its full name. */
  readonly key: string;
}

/** One scope: lets the call pass, warns once, or asks for more. */
function* check(tx: Tx, { run, wanted, whose, limit, used, aside, key }: Check): OpSteps<Extract<Reserved, { ok: false }> | undefined> {
  const named = { ...whose, scope: key };
  const note = yield* tx.one(noteOf, named);
  const extra = note?.extra_micros ?? 0;
  const mostMicros = limit.micros === null ? null : limit.micros + extra;
  /** Money that is added to a budget of tokens adds tokens in the same proportion as one whole budget. */
  const mostTokens = limit.tokens === null ? null : limit.tokens * (1 + Math.floor(extra / 1e6));
  const overMoney = mostMicros !== null && used.micros + wanted.micros > mostMicros;
  const overTokens = mostTokens !== null && used.tokens + wanted.tokens > mostTokens;
  if (!overMoney && !overTokens) {
    const [money, tokens] = [used.micros + wanted.micros + sum(aside?.micros), used.tokens + wanted.tokens + sum(aside?.tokens)];
    if ((mostMicros !== null && money > mostMicros) || (mostTokens !== null && tokens > mostTokens)) return { ok: false, busy: true };
    const share = mostMicros === null || mostMicros === 0 ? 0 : (used.micros + wanted.micros) / mostMicros;
    if (share >= wanted.warnAt && note?.warned_at == null) {
      yield* tx.run(putNote, { ...named, extra, warnedAt: tx.now, approvalId: note?.approval_id ?? null });
      const body = { kind: 'budget.warned', scope: key, spentUsd: used.micros / 1e6, limitUsd: (mostMicros ?? 0) / 1e6 } as const;
      yield* appendEvent(tx, { workspaceId: whose.workspaceId, stream: `budget:${key}`, actor: `run:${run.id}`, sessionKey: run.session_key, body });
    }
    return undefined;
  }
  const approvalId = note?.approval_id ?? tx.newId('budget');
  const question = overMoney
    ? `The budget ${key} of $${((mostMicros ?? 0) / 1e6).toFixed(2)} is used up: $${(used.micros / 1e6).toFixed(4)} are spent. Grant as much again?`
    : `The budget ${key} of ${mostTokens ?? 0} tokens is used up: ${used.tokens} are spent. Grant as much again?`;
  const request = { scope: key, day: whose.day, question, micros: overMoney ? (limit.micros ?? 0) : 1e6, runId: run.id, sessionKey: run.session_key };
  const { workspaceId } = whose;
  const approval = yield* openApproval(tx, { workspaceId, id: approvalId, kind: 'budget', request, owner: `budget:${key}`, timeoutMs: wanted.askForMs });
  yield* tx.run(putNote, { ...named, extra, warnedAt: note?.warned_at ?? tx.now, approvalId });
  return { ok: false, busy: false, scope: key, approvalId, deadlineAt: approval.deadlineAt };
}

/** Adds money to a budget of a day, and closes its open question. */
export function* addToBudget(
  tx: Tx,
  { workspaceId, scope, micros, ...of }: { workspaceId: string; scope: string; day: string; micros: number },
): OpSteps<string | null> {
  const day = /^(task|plan):/.test(scope) ? ALWAYS : of.day;
  const note = yield* tx.one(noteOf, { workspaceId, scope, day });
  yield* tx.run(putNote, { workspaceId, scope, day, extra: (note?.extra_micros ?? 0) + micros, warnedAt: null, approvalId: null });
  return note?.approval_id ?? null;
}

/** Whether the runs above leave so much for a new one. */
export function* fitsAbove(tx: Tx, parentId: string, { usd, tokens }: { usd?: number; tokens?: number }): OpSteps<boolean> {
  for (let id: string | null = parentId; id !== null; ) {
    const above: { parent_id: string | null; input: string; spent_micros: number; spent_tokens: number } | undefined = yield* tx.one(ancestor, { id });
    const own = above ? (JSON.parse(above.input) as RunInput).budget : undefined; // written by enqueueRun
    if (above && own?.usd !== undefined && usd !== undefined && usd * 1e6 > own.usd * 1e6 - above.spent_micros) return false;
    if (above && own?.tokens !== undefined && tokens !== undefined && tokens > own.tokens - above.spent_tokens) return false;
    id = above?.parent_id ?? null;
  }
  return true;
}
