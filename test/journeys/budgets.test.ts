// Money: every call is in the ledger, no budget is overspent, and a run that waits for money goes on when there is some.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

const SCENARIO = {
  name: 'money',
  rules: [{ when: { user: 'work (\\d+)', step: 0 }, tools: [{ name: 'exec', input: { command: 'true' } }] }, { text: 'heard {{user}}' }],
};
/** A dollar for a thousand tokens of output, at most a hundred a call: a call is sure to cost no more than ten cents. */
const priced = (simulatorUrl: string, cost = { input: 0, output: 1000, cacheRead: 0, cacheWrite: 0 }) => ({
  providers: { paid: { baseUrl: simulatorUrl, api: 'anthropic-messages', apiKey: 'none', models: [{ id: 'any', cost }] } },
});

/** The run by its key, or nothing yet. */
const runOf = async (client: Parameters<typeof ask>[0], runId: string) => ask(client, 'runs.get', { runId }).catch(() => undefined);

async function withMoney(t: Parameters<typeof startJourney>[0], budgets: object, more: object = {}) {
  const started = await startJourney(t, { scenario: SCENARIO, config: { agents: { defaults: { maxOutputTokens: 100, maxConcurrent: 64 } }, ...more } });
  const { client, simulator } = started;
  const { hash } = await ask(client, 'config.get');
  const patch = { models: priced(simulator.url), agents: { defaults: { model: 'paid/any' } }, budgets };
  await ask(client, 'config.patch', { raw: JSON.stringify(patch), baseHash: hash });
  return started;
}

it('a run whose budget is used up waits without a slot, asks, and goes on when it is granted', async (t) => {
  const { client, installation, gateway } = await withMoney(t, { day: { usd: 0.101 } });
  const env = { CLAWDBOT_GATEWAY_PORT: String(gateway.port) };
  assert.match(textOf(await order(client, 'one')), /heard one/);
  const waiting = order(client, 'two', { key: 'two' });
  const run = await until('the run to wait', async () => {
    const found = await runOf(client, 'two');
    return found?.state === 'waiting' && found;
  });
  assert.deepEqual([run.wait.for, run.wait.on], ['budget', ['budget:day']]);
  const usage = await installation.cli(['usage'], env);
  assert.match(usage.stdout, /day +\$0\.\d+ of \$0\.10 +exhausted: clawdbot approvals resolve budget_\S+ grant/, usage.stderr);
  const { approvals } = await ask(client, 'approvals.list');
  assert.match(approvals[0].request.question, /The budget day of \$0\.10 is used up/);
  assert.equal((await installation.cli(['approvals', 'resolve', approvals[0].id, 'grant'], env)).code, 0);
  assert.match(textOf(await waiting), /heard two/);
  const { daily, totals } = await ask(client, 'usage.cost', { days: 1 });
  assert.equal(daily.length, 1);
  assert.ok(totals.totalCost > 0 && totals.totalCost <= 0.202, `${totals.totalCost}`);
});

it('the owner may fund the run with a message, or stop it; no answer stops it too', async (t) => {
  const { client } = await withMoney(t, { day: { usd: 0.01 }, askForHours: 0.002 });
  const say = async (key: string, message: string) => {
    await ask(client, 'chat.send', { sessionKey: 'main', message, idempotencyKey: key });
  };
  const waits = (key: string) => until(`${key} to wait`, async () => (await runOf(client, key))?.state === 'waiting');
  const first = order(client, 'one', { key: 'one' });
  await waits('one');
  await until('that it says so', () =>
    client.events.some(({ event, payload }) => event === 'chat' && /I wait for money: the budget day/.test(JSON.stringify(payload))),
  );
  await say('fund', '/fund 0.092');
  assert.match(textOf(await first), /heard one/);
  const second = order(client, 'two', { key: 'two' });
  const third = order(client, 'three', { key: 'three', session: 'other' });
  await waits('two');
  await waits('three');
  await say('stop', '/stop');
  assert.equal((await second).summary, 'aborted');
  assert.equal((await ask(client, 'runs.get', { runId: 'three' })).state, 'waiting', 'the question of the other run stands');
  assert.equal((await third).summary, 'aborted', 'nobody answered within 7 s');
  assert.equal((await ask(client, 'runs.get', { runId: 'three' })).outcome.stopReason, 'budget');
});

it('64 runs at once spend no more than there is', async (t) => {
  const { client, simulator } = await withMoney(t, { day: { usd: 0.3 }, run: {} });
  const keys = Array.from({ length: 64 }, (_, i) => `w${i}`);
  for (const [i, key] of keys.entries()) void order(client, `work ${i}`, { key, session: `s${i}` }).catch(() => undefined);
  await until(
    'all ended or waiting',
    async () => {
      const states = await Promise.all(keys.map(async (key) => (await ask(client, 'runs.get', { runId: key }).catch(() => ({ state: 'unknown' }))).state));
      return states.every((state) => state === 'succeeded' || state === 'waiting');
    },
    30_000,
  );
  const { totals } = await ask(client, 'usage.cost', { days: 1 });
  assert.ok(totals.totalCost <= 0.3, `spent ${totals.totalCost}`);
  assert.ok(totals.totalCost > 0.1);
  const { approvals } = await ask(client, 'approvals.list');
  assert.equal(approvals.length, 1, 'one question for all of them');
  assert.ok(simulator.requests().length < 128);
});

it('what is free counts nowhere, and an unknown price counts as the highest', async (t) => {
  const { client, installation, gateway } = await startJourney(t, { scenario: SCENARIO, config: { budgets: { day: { usd: 0.000001 }, run: { tokens: 1 } } } });
  assert.match(textOf(await order(client, 'work 1')), /heard/);
  const { totals } = await ask(client, 'usage.cost', { days: 1 });
  assert.deepEqual([totals.totalCost, totals.missingCostEntries, totals.totalTokens > 0], [0, 0, true]);
  const report = JSON.parse((await installation.cli(['usage', '--by', 'model', '--json'], { CLAWDBOT_GATEWAY_PORT: String(gateway.port) })).stdout);
  assert.deepEqual(
    report.groups.map(({ name, calls }: { name: string; calls: number }) => [name, calls]),
    [['simulator/any', 2]],
  );
});
