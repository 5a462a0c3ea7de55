// After a round: every accepted unit has exactly one outcome, no effect happened twice, no session had two turns at once, no budget was overspent.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SealedEvent } from '../../src/domain/event.ts';
import { chainHash } from '../../src/features/events/ops.ts';
import type { SpawnView } from '../../src/features/spawns/rows.ts';
import { until } from '../support/scratch.ts';
import { MESSAGE, type Unit } from './work.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
export type Ask = (method: string, params: unknown) => Promise<any>;

export interface Evidence {
  readonly ask: Ask;
  readonly units: readonly Unit[];
  readonly workspace: string;
  readonly requests: readonly { readonly status: number; readonly problem?: string }[];
  readonly budgetUsd: number;
}

interface Message {
  readonly role: string;
  readonly content: readonly { readonly text?: string }[];
}

export interface Findings {
  readonly units: number;
  readonly runs: number;
  readonly attempts: number;
  readonly interruptedCalls: number;
  /** Runs that ended because no model could be had. */
  readonly gaveUp: readonly string[];
  readonly spentUsd: number;
}

export async function check({ ask, units, workspace, requests, budgetUsd }: Evidence): Promise<Findings> {
  const spawns = await settledSpawns(ask);
  const gaveUp: string[] = [];
  const allTexts = new Map<string, { role: string; text: string }[]>();
  const textsOf = async (session: string) => {
    if (!allTexts.has(session)) {
      const { messages } = (await ask('chat.history', { sessionKey: session, limit: 1000 })) as { messages: Message[] };
      allTexts.set(
        session,
        messages.map(({ role, content }) => ({ role, text: content[0]?.text ?? '' })),
      );
    }
    return allTexts.get(session) ?? [];
  };
  for (const { kind, id, session } of units) {
    if (kind === 'cron') {
      const { entries } = (await ask('cron.runs', { id })) as { entries: { status: string; summary?: string; error?: string }[] };
      assert.equal(entries.length, 1, id);
      if (entries[0]?.status === 'error') gaveUp.push(`${id}: ${entries[0].error}`);
      else assert.deepEqual([entries[0]?.status, entries[0]?.summary], ['ok', `done ${id}`], id);
      continue;
    }
    const run = (await ask('runs.get', { runId: id })) as { state: string; outcome: { text: string; error?: { code: string; message: string } } };
    if (run.state === 'failed' && run.outcome.error?.code.startsWith('model.')) {
      gaveUp.push(`${id}: ${run.outcome.error.message}`); // an outcome with its reason: the model was not to be had
      continue;
    }
    if (kind === 'stopped') {
      assert.ok(run.state === 'cancelled' || run.state === 'succeeded', `${id}: ${run.state}`);
      continue;
    }
    assert.deepEqual([run.state, run.outcome.text], ['succeeded', kind === 'tree' ? `done ${id} d3` : `done ${id}`], id);
    const own = spawns.filter(({ label }) => label === id || label?.startsWith(`${id} `));
    const wantedSpawns = kind === 'tree' ? 3 : kind === 'background' ? 1 : 0;
    const cutShort = own.some(({ runState }) => runState === 'failed'); // it could not ask for those below it
    assert.ok(cutShort ? own.length <= wantedSpawns : own.length === wantedSpawns, `${id}: sub-agents: ${JSON.stringify(own)}`);
    for (const { status, runState, label, result } of own) {
      assert.equal(status, 'settled', label ?? id);
      if (runState === 'failed') gaveUp.push(`${label}: ${result?.error}`);
      else assert.equal(runState, 'succeeded', label ?? id);
    }
    const orders = (await textsOf(session)).filter(({ role, text }) => role === 'user' && text.endsWith(MESSAGE[kind](id)));
    assert.equal(orders.length, 1, `${id} stands once in its transcript`);
    if (kind !== 'background') continue;
    const how = own[0]?.runState === 'failed' ? 'has failed' : 'has finished';
    const told = (await textsOf(session)).filter(({ role, text }) => role === 'user' && text.includes(`The sub-agent "${id}" ${how}`));
    assert.equal(told.length, 1, `the result of ${id} is told once; ${JSON.stringify(own)}`);
  }
  assert.ok(gaveUp.length <= units.length / 50, gaveUp.join('\n'));
  const interruptedCalls = await countInterrupted(ask, units, spawns);
  const effects = existsSync(join(workspace, 'effects')) ? readFileSync(join(workspace, 'effects'), 'utf8').trim().split('\n') : [];
  assert.equal(new Set(effects).size, effects.length, 'an effect happened twice');
  const wanted = units.filter(({ kind }) => kind !== 'stopped').length;
  assert.ok(
    wanted - effects.length <= interruptedCalls + gaveUp.length,
    `${wanted - effects.length} effects are missing, ${interruptedCalls} calls were told as interrupted`,
  );
  assert.deepEqual(
    requests.filter(({ problem }) => problem !== undefined),
    [],
    'a request was not valid',
  );
  const usage = (await ask('usage.report', { days: 1 })) as { totals: { totalCost: number }; budgets: { scope: string; reservedUsd: number }[] };
  assert.ok(usage.totals.totalCost > 0 && usage.totals.totalCost <= budgetUsd, `$${usage.totals.totalCost} were spent`);
  assert.equal(usage.budgets.find(({ scope }) => scope === 'day')?.reservedUsd, 0, 'nothing stays set aside');
  const { runs, attempts } = await checkEvents(ask);
  return { units: units.length, runs, attempts, interruptedCalls, gaveUp, spentUsd: Number(usage.totals.totalCost.toFixed(4)) };
}

/** Sub-agents in the background may still be told: that ends by itself. */
async function settledSpawns(ask: Ask): Promise<readonly SpawnView[]> {
  let left: unknown[] = [];
  const look = async () => {
    const { spawns } = (await ask('spawns.list', { limit: 500 })) as { spawns: SpawnView[] };
    const { runs } = (await ask('runs.list', { limit: 500 })) as { runs: { state: string; runKey: string }[] };
    const open = runs.filter(({ state }) => ['queued', 'running', 'waiting'].includes(state));
    left = [...open, ...spawns.filter(({ status, delivery }) => status !== 'settled' || delivery !== 'delivered')];
    return left.length === 0 && spawns;
  };
  try {
    return await until('every spawn to be settled and told', look, 60_000);
  } catch {
    throw new Error(`these are not over: ${JSON.stringify(left, null, 1)}`);
  }
}

async function countInterrupted(ask: Ask, units: readonly Unit[], spawns: readonly SpawnView[]): Promise<number> {
  const { jobs } = (await ask('cron.list', { includeDisabled: true })) as { jobs: { id: string }[] };
  const sessions = new Set([
    ...units.map(({ session }) => session),
    ...spawns.map(({ childSessionKey }) => childSessionKey),
    ...jobs.map(({ id }) => `agent:main:cron:${id}`),
  ]);
  let count = 0;
  for (const sessionKey of sessions) {
    const { messages } = (await ask('chat.history', { sessionKey, limit: 1000 })) as { messages: Message[] };
    count += messages.filter(({ role, content }) => role === 'toolResult' && content[0]?.text?.includes('interrupted')).length;
  }
  return count;
}

/** The chain is whole, every run ended once, and no session had two turns at once. */
async function checkEvents(ask: Ask): Promise<{ runs: number; attempts: number }> {
  let cursor = 0;
  let hash = '';
  let attempts = 0;
  const ends: string[] = [];
  const queued = new Set<string>();
  const active = new Map<string, string>();
  for (;;) {
    const page = (await ask('events.since', { cursor })) as { cursor: number; events: SealedEvent[]; more: boolean };
    for (const event of page.events) {
      assert.equal(event.sealedSeq, cursor + 1, 'a gap in the events');
      cursor = event.sealedSeq;
      const { workspaceId, stream, seq, actor, sessionKey, runKey, body, at } = event;
      const row = {
        workspace_id: workspaceId,
        stream,
        seq,
        actor,
        session_key: sessionKey,
        run_key: runKey,
        body: JSON.stringify(body),
        at,
        sealed_seq: null,
        hash: null,
      };
      hash = chainHash(hash, row);
      assert.equal(event.hash, hash, 'the chain is broken');
      if (body.kind === 'run.queued') queued.add(stream);
      if (body.kind === 'run.ended') ends.push(stream);
      if (sessionKey === null) continue;
      if (body.kind === 'run.started') {
        attempts += 1;
        assert.ok((active.get(sessionKey) ?? stream) === stream, `two turns at once in ${sessionKey}`);
        active.set(sessionKey, stream);
      } else if ((body.kind === 'run.ended' || body.kind === 'run.requeued') && active.get(sessionKey) === stream) active.delete(sessionKey);
    }
    if (!page.more) break;
  }
  assert.equal(new Set(ends).size, ends.length, 'a run ended twice');
  assert.equal(ends.length, queued.size, 'a run has no end');
  return { runs: ends.length, attempts };
}
