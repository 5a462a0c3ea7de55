// Worker and gateway are killed in the middle; the same run goes on from its last durable step.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { startTimeOf } from '../../src/kit/process-ref.ts';
import { connectClient } from '../support/installation.ts';
import { health, order, startJourney, textOf, toolEvent, workerPid } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

/** A step with a side effect, then a slow one to be killed in. */
const TWO_STEPS = {
  name: 'two steps',
  rules: [
    { when: { step: 0 }, tools: [{ name: 'exec', input: { command: 'echo once >> effects' } }] },
    { when: { step: 1 }, tools: [{ name: 'exec', input: { command: 'echo twice >> effects; sleep 30 & echo $! > pid; wait' } }] },
    { when: { result: 'interrupted, may have run' }, text: 'It was interrupted, I leave it.' },
    { text: 'unexpected: {{result}}' },
  ],
};

it('kill -9 of the worker: the run goes on within 2 s, nothing is repeated, the model is told', async (t) => {
  const { client, workspace, simulator } = await startJourney(t, { scenario: TWO_STEPS });
  const pid = await workerPid(client);
  const answer = order(client, 'go', { key: 'r' });
  await toolEvent(client, 'exec', 'start', 2);
  const tool = Number(await until('the command runs', () => readOr(join(workspace, 'pid'))));
  const killedAt = performance.now();
  process.kill(pid, 'SIGKILL');
  assert.equal(textOf(await answer), 'It was interrupted, I leave it.');
  assert.ok(performance.now() - killedAt < 2000, `${Math.round(performance.now() - killedAt)} ms`);
  assert.equal(readFileSync(join(workspace, 'effects'), 'utf8'), 'once\ntwice\n');
  assert.equal(simulator.requests().length, 3, 'the finished step was not asked again');
  await until('the orphan is dead', () => startTimeOf(tool) === '');
  const run = (await client.call('runs.get', { runId: 'r' })) as { state: string; attempts: number; deaths: number };
  assert.deepEqual([run.state, run.attempts, run.deaths], ['succeeded', 2, 1]);
  assert.equal((await health(client)).workers[0].deaths, 1);
});

it('kill -9 of the gateway: the next one resumes the run and cleans up what was left', async (t) => {
  const { client, installation, gateway, workspace } = await startJourney(t, { scenario: TWO_STEPS });
  const pid = await workerPid(client);
  order(client, 'go', { key: 'r' }).catch(() => undefined);
  await toolEvent(client, 'exec', 'start', 2);
  const tool = Number(await until('the command runs', () => readOr(join(workspace, 'pid'))));
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  const second = await installation.start();
  const again = await connectClient(second.port);
  t.after(() => again.close());
  const run = (await until('the run ends', async () => {
    const seen = (await again.call('runs.get', { runId: 'r' })) as { state: string };
    return seen.state === 'succeeded' && seen;
  })) as { outcome?: { text: string }; deaths?: number };
  assert.equal(run.outcome?.text, 'It was interrupted, I leave it.');
  assert.equal(run.deaths, 0, 'a restart is not the fault of the run');
  for (const left of [pid, tool]) await until('what was left is dead', () => startTimeOf(left) === '');
  assert.equal(readFileSync(join(workspace, 'effects'), 'utf8'), 'once\ntwice\n');
  assert.equal(textOf(await order(again, 'go', { key: 'r' })), 'It was interrupted, I leave it.', 'the client that asks again gets the answer');
});

it('messages that were accepted before a kill -9 are all answered, in order', async (t) => {
  const { client, installation, gateway } = await startJourney(t, { scenario: { name: 'slow', rules: [{ text: 'ok {{user}}', stream: { firstMs: 150 } }] } });
  const accepted: string[] = [];
  for (const n of [1, 2, 3, 4]) {
    const { runId } = (await client.call('chat.send', { sessionKey: 'main', message: `m${n}`, idempotencyKey: `k${n}` })) as { runId: string };
    accepted.push(runId);
  }
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  const second = await installation.start();
  const again = await connectClient(second.port);
  t.after(() => again.close());
  for (const runId of accepted) assert.deepEqual(((await again.call('agent.wait', { runId, timeoutMs: 20_000 })) as { status: string }).status, 'ok');
  const { messages } = (await again.call('chat.history', { sessionKey: 'main' })) as { messages: { role: string; content: { text: string }[] }[] };
  assert.deepEqual(
    messages.map(({ content }) => content[0]?.text),
    ['m1', 'ok m1', 'm2', 'ok m2', 'm3', 'ok m3', 'm4', 'ok m4'],
  );
});

it('an idempotent call is run again after a crash, and its result reaches the model', async (t) => {
  const { client, workspace } = await startJourney(t, {
    scenario: {
      name: 'read again',
      rules: [
        {
          when: { step: 0 },
          tools: [
            { name: 'exec', input: { command: 'echo 42 > fact.txt; sleep 30' } },
            { name: 'read', input: { path: 'fact.txt' } },
          ],
        },
        { text: 'results: {{result}}' },
      ],
    },
  });
  const pid = await workerPid(client);
  const answer = order(client, 'go');
  await toolEvent(client, 'exec');
  await until('the fact', () => readOr(join(workspace, 'fact.txt')));
  process.kill(pid, 'SIGKILL');
  const text = textOf(await answer);
  assert.match(text, /interrupted, may have run/, 'the command is not repeated');
  assert.match(text, /42/, 'the read is');
});

it('a worker that hangs loses its leases and is replaced', async (t) => {
  const { client } = await startJourney(t, { scenario: { name: 'slow', rules: [{ text: 'done', stream: { firstMs: 2000 } }] } });
  const pid = await workerPid(client);
  const answer = order(client, 'go', { key: 'r' });
  await until('it runs', async () => ((await client.call('runs.list', {})) as { runs: { state: string }[] }).runs[0]?.state === 'running');
  process.kill(pid, 'SIGSTOP');
  assert.equal(textOf(await answer), 'done');
  assert.notEqual(await workerPid(client), pid);
  assert.equal(startTimeOf(pid), '');
});

it('SIGTERM: running turns end, long ones are handed to the next start', async (t) => {
  const { client, installation, gateway } = await startJourney(t, {
    scenario: {
      name: 'both',
      rules: [
        { when: { user: 'short' }, text: 'short done', stream: { firstMs: 300 } },
        { when: { user: 'long', step: 0 }, tools: [{ name: 'exec', input: { command: 'sleep 30' } }] },
        { text: 'long done: {{result}}' },
      ],
    },
    config: { gateway: { mode: 'local', port: 0, auth: { mode: 'token', token: 'test-token-0123456789abcdef' }, drainSeconds: 1 } },
  });
  const short = order(client, 'short', { session: 'a', key: 'short' }).catch(() => undefined);
  const long = order(client, 'long', { session: 'b', key: 'long' }).catch(() => undefined);
  await toolEvent(client, 'exec');
  gateway.child.kill('SIGTERM');
  assert.equal(await gateway.exited, 0);
  await Promise.all([short, long]);
  assert.deepEqual(client.events.findLast(({ event }) => event === 'shutdown')?.payload, { reason: 'gateway stopping' });
  const second = await installation.start();
  const again = await connectClient(second.port);
  t.after(() => again.close());
  const state = async (runId: string) => (await again.call('runs.get', { runId })) as { state: string; deaths: number; outcome: { text: string } };
  assert.equal((await state('short')).outcome.text, 'short done');
  const ended = await until('the long one ends', async () => {
    const run = await state('long');
    return run.state === 'succeeded' && run;
  });
  assert.match(ended.outcome.text, /interrupted, may have run/);
  assert.equal(ended.deaths, 0);
});

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined; // not there yet
  }
}

it('a worker that hangs before it holds a run is noticed and replaced', { timeout: 60_000 }, async (t) => {
  const { client } = await startJourney(t, { scenario: { name: 'quick', rules: [{ text: 'here' }] } });
  process.kill(await workerPid(client), 'SIGSTOP');
  assert.equal(textOf(await order(client, 'anybody there?')), 'here');
});
