// A conversation that outgrows its window: it is summarised once in a while, also across a crash, and goes on.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connectClient, createInstallation } from '../support/installation.ts';
import { ask, order, textOf } from '../support/journey.ts';
import { scratchDir } from '../support/scratch.ts';

const SCENARIO = {
  name: 'long',
  rules: [
    { when: { user: '^USER:|SUMMARY SO FAR' }, text: 'Goals: count. Facts: it went well so far.' },
    { when: { user: 'look (\\d+)', step: 0 }, tools: [{ name: 'exec', input: { command: 'seq 1 400' } }] },
    { text: 'done with {{user}}' },
  ],
};

it('summaries are rare, requests fit, and nothing is lost to readers', async (t) => {
  const installation = await createInstallation({
    dir: scratchDir(t),
    scenario: SCENARIO,
    config: { agents: { defaults: { contextTokens: 16_000, maxOutputTokens: 1000, compaction: { everyTokens: 2000 } } } },
  });
  t.after(() => installation.close());
  let gateway = await installation.start();
  let client = await connectClient(gateway.port);
  await order(client, 'Remember: the code word is heron.');
  let summaries = 0;
  for (let n = 0; n < 40; n++) {
    if (n === 20) {
      client.close();
      gateway.child.kill('SIGKILL');
      await gateway.exited;
      gateway = await installation.start();
      client = await connectClient(gateway.port);
    }
    assert.equal(textOf(await order(client, `look ${n}`)), `done with look ${n}`);
    assert.ok(installation.simulator.latestBody().length / 3.5 < 16_000, `${installation.simulator.latestBody().length} characters`);
    summaries = installation.simulator.requests().filter(({ user }) => /^USER:|SUMMARY SO FAR/.test(user)).length;
  }
  assert.ok(summaries >= 3 && summaries <= 14, `${summaries} summaries`);
  assert.match(installation.simulator.latestBody(), /the code word is heron/);
  assert.match(installation.simulator.latestBody(), /Goals: count/);
  const { messages } = await ask(client, 'chat.history', { sessionKey: 'main', limit: 1000 });
  assert.equal(messages.filter(({ role }: { role: string }) => role === 'user').length, 41, 'the whole conversation can be read');
  client.close();
});
