// A spawn request, through every door: the child works in a session of its own, and what it found is heard once.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';

/** The parent starts helpers when asked to; helpers find something. */
const SCENARIO = {
  name: 'spawns',
  rules: [
    { when: { user: 'findings:' }, text: 'the helper says: {{user}}' },
    {
      when: { user: 'delegate and wait: (\\d)', step: 0 },
      tools: [
        { name: 'sessions_spawn', input: { task: 'look under stone 1', label: 'one' } },
        { name: 'sessions_spawn', input: { task: 'look under stone 2', label: 'two' } },
      ],
    },
    { when: { user: 'delegate and wait', result: 'accepted', step: 1 }, tools: [{ name: 'sessions_await', input: {} }] },
    { when: { user: 'delegate and wait', result: '(.*)' }, text: 'all back: {{result.1}}' },
    { when: { user: 'delegate: (.+)', step: 0 }, tools: [{ name: 'sessions_spawn', input: { task: '{{user.1}}', label: 'helper' } }] },
    { when: { user: 'delegate: ', result: '(.*)' }, text: 'started: {{result.1}}' },
    { when: { user: 'look under (.+)' }, text: 'found a frog under {{user.1}}', stream: { firstMs: 30 } },
    { when: { user: 'never end' }, text: 'slow '.repeat(4000), stream: { chunk: 5, delayMs: 50 } },
    { text: 'heard {{user}}' },
  ],
};

it('a result is told to the parent in a turn of its own, once, and stands in its transcript', async (t) => {
  const { client } = await startJourney(t, { scenario: SCENARIO });
  const started = JSON.parse(textOf(await order(client, 'delegate: look under the tree')).replace('started: ', ''));
  assert.deepEqual([started.status, /^agent:main:subagent:[0-9a-f-]{36}$/.test(started.childSessionKey)], ['accepted', true]);
  const announced = await until('the announcement', async () => {
    const { messages } = await ask(client, 'chat.history', { sessionKey: 'main' });
    return messages.length >= 6 && messages;
  });
  const texts = announced.map((message: { content: { text?: string }[] }) => message.content[0]?.text ?? '');
  assert.match(texts[4], /"helper" has finished\.[\s\S]*found a frog under the tree[\s\S]*Stats: runtime/);
  assert.equal(texts.filter((text: string) => text.includes('has finished')).length, 1, 'told once');
  assert.match(texts[5], /^the helper says/);
  const { spawn } = await ask(client, 'spawns.get', { id: started.runId });
  assert.deepEqual([spawn.status, spawn.delivery, spawn.result.text, spawn.depth], ['settled', 'delivered', 'found a frog under the tree', 1]);
  const { status } = await ask(client, 'agent.wait', { runId: started.runId, timeoutMs: 1000 });
  assert.equal(status, 'ok');
});

it('a parent that waits for its children holds no slot, and gets what they found as the result of its call', async (t) => {
  const { client, simulator } = await startJourney(t, {
    scenario: SCENARIO,
    config: { agents: { defaults: { maxConcurrent: 1, subagents: { maxConcurrent: 1 } } } },
  });
  const answer = textOf(await order(client, 'delegate and wait: 2'));
  const { status, results } = JSON.parse(answer.replace('all back: ', ''));
  assert.equal(status, 'ok');
  assert.deepEqual(
    results.map(({ label, reply }: { label: string; reply: string }) => [label, reply]),
    [
      ['one', 'found a frog under stone 1'],
      ['two', 'found a frog under stone 2'],
    ],
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { messages } = await ask(client, 'chat.history', { sessionKey: 'main' });
  assert.equal(messages.length, 7, 'nothing is announced that was awaited: user, two calls, two results, await, its result, answer');
  assert.equal(simulator.requests().length, 5);
});

it('a tree of waiting parents finishes with one slot for all of them', { timeout: 60_000 }, async (t) => {
  const levels = [3, 2, 1].flatMap((depth) => {
    const spawn = (side: string) => ({ name: 'sessions_spawn', input: { task: `fan {{user.1}}${side} d${depth - 1}` } });
    const user = `fan (\\w*) d${depth}`;
    return [
      { when: { user, step: 0 }, tools: [spawn('l'), spawn('r')] },
      { when: { user, step: 1 }, tools: [{ name: 'sessions_await', input: {} }] },
      { when: { user, result: '"reply": "(\\d+)"[\\s\\S]*"reply": "(\\d+)"' }, text: '{{result.1}}{{result.2}}' },
    ];
  });
  const { client } = await startJourney(t, {
    scenario: { name: 'fan', rules: [...levels, { text: '1' }] },
    config: { agents: { defaults: { maxConcurrent: 1, subagents: { maxConcurrent: 1 } } } },
  });
  assert.equal(textOf(await order(client, 'fan x d3')), '11111111');
  const { spawns } = await ask(client, 'spawns.list');
  assert.deepEqual([spawns.length, new Set(spawns.map(({ status }: { status: string }) => status)).size], [14, 1]);
});

it('the command line asks, waits, lists and stops; the same key is one sub-agent', async (t) => {
  const { installation, gateway } = await startJourney(t, { scenario: SCENARIO });
  const env = { CLAWDBOT_GATEWAY_PORT: String(gateway.port) };
  const first = await installation.cli(['spawn', 'request', 'look', 'under', 'the', 'bed', '--key', 'k1', '--wait'], env);
  assert.match(first.stdout, /settled[\s\S]*found a frog under the bed/, first.stderr);
  const again = await installation.cli(['spawn', 'request', 'look under the bed', '--key', 'k1', '--json'], env);
  const { id } = JSON.parse(again.stdout);
  assert.ok(first.stdout.includes(id), 'the same spawn');
  const slow = JSON.parse((await installation.cli(['spawn', 'request', 'never end', '--json'], env)).stdout);
  const notOver = await installation.cli(['spawn', 'wait', slow.id, '--for', '0.2'], env);
  assert.deepEqual([notOver.code, /is not over yet/.test(notOver.stderr)], [1, true]);
  const stopped = await installation.cli(['spawn', 'cancel', slow.id], env);
  assert.match(stopped.stdout, /is stopped/);
  const list = await installation.cli(['spawn', 'list'], env);
  assert.match(list.stdout, /cancelled[\s\S]*settled/);
  const unknown = await installation.cli(['spawn', 'show', 'nope'], env);
  assert.deepEqual([unknown.code, /no spawn "nope"/.test(unknown.stderr)], [1, true]);
});

it('what a sub-agent may not start it is told by the name of the rule, and the deepest level does not see the tool', async (t) => {
  const { client } = await startJourney(t, {
    scenario: SCENARIO,
    config: { agents: { defaults: { subagents: { maxDepth: 1, fanOut: 1 } }, list: [{ id: 'main' }, { id: 'other' }] } },
  });
  await order(client, 'delegate: delegate: look under the rug');
  const helper = await until('the end of the helper', async () => {
    const { spawns } = await ask(client, 'spawns.list');
    return spawns.find(({ task, status }: { task: string; status: string }) => task.startsWith('delegate: look') && status === 'settled');
  });
  assert.match(helper.result.text, /sessions_spawn not found/);
  const refused = textOf(await order(client, 'delegate and wait: 2'));
  assert.match(refused, /found a frog/);
  const { spawns } = await ask(client, 'spawns.list');
  assert.deepEqual(
    spawns.filter(({ rule }: { rule: string | null }) => rule !== null).map(({ rule, status }: { rule: string; status: string }) => [rule, status]),
    [['fan_out', 'denied']],
  );
});
