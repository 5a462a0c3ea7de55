// The configuration through the door: changes take effect while clients stay, and nothing in the file stops the gateway.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import JSON5 from 'json5';
import { fuzzedFiles } from '../support/fuzzed-files.ts';
import { createInstallation } from '../support/installation.ts';
import { order, startJourney, textOf } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';
import { connectFrame, enter, raw } from '../support/wire.ts';

const SCENARIO = {
  name: 'ok',
  rules: [
    { when: { user: 'use exec', step: 0 }, tools: [{ name: 'exec', input: { command: 'echo ran' } }] },
    { when: { result: '(.*)' }, text: 'said {{result.1}}' },
    { text: 'heard {{user}} as {{model.0}}' },
  ],
};

it('a change takes effect for the next turn; no client is dropped, comments and variables stay', async (t) => {
  const { gateway, client, installation, simulator } = await startJourney(t, { scenario: SCENARIO, env: { SIM_KEY: 'none' } });
  const path = join(installation.stateDir, 'clawdbot.json');
  const bystander = await enter(t, gateway.port);
  const { gateway: section, models, ...rest } = JSON5.parse(readFileSync(path, 'utf8'));
  models.providers.simulator.apiKey = '${SIM_KEY}';
  writeFileSync(
    path,
    `// mine\n{ gateway: ${JSON.stringify(section)}, models: ${JSON.stringify(models)}, // kept\n ...REST }`.replace(
      '...REST',
      JSON.stringify(rest).slice(1, -1),
    ),
  );
  await until('the edit by hand is seen', async () => ((await client.call('config.get')) as { raw: string }).raw.includes('// mine'));

  const { hash } = (await client.call('config.get')) as { hash: string };
  await assert.rejects(client.call('config.patch', { raw: '{"agents":{"defaults":{"model":"simulator/second"}}}' }), /base hash required/);
  const patched = (await client.call('config.patch', { raw: '{"agents":{"defaults":{"model":"simulator/second"}}}', baseHash: hash })) as {
    changed: string[];
    restart: { needed: boolean };
  };
  assert.deepEqual([patched.changed, patched.restart.needed], [['agents.defaults.model'], false]);
  await assert.rejects(client.call('config.patch', { raw: '{}', baseHash: hash }), /config changed since last load/);
  await order(client, 'hello');
  assert.equal(simulator.requests().at(-1)?.model, 'second');

  await client.call('config.edit', { path: 'tools.deny', value: ['exec'] });
  assert.match(textOf(await order(client, 'use exec')), /not found/);
  await client.call('config.edit', { path: 'tools.deny' });
  assert.match(textOf(await order(client, 'use exec')), /said ran/);
  await client.call('config.edit', { path: 'agents.defaults.maxConcurrent', value: 2 });
  const { lanes } = (await client.call('health')) as { lanes: { name: string; slots: number }[] };
  assert.equal(lanes.find(({ name }) => name === 'main')?.slots, 2);
  const text = readFileSync(path, 'utf8');
  assert.ok(text.startsWith('// mine\n') && text.includes('// kept') && text.includes('"${SIM_KEY}"') && !text.includes('meta'), text);
  assert.equal(bystander.isClosed(), false);
  assert.equal((await bystander.ask('health')).ok, true);
  const { revisions } = (await client.call('config.history')) as { revisions: { actor: string }[] };
  assert.ok(revisions.length >= 5 && revisions.at(-1)?.actor === 'token:cli', JSON.stringify(revisions));
  await client.call('config.undo');
  assert.ok(!readFileSync(path, 'utf8').includes('maxConcurrent":2'));
});

it('the masked file can be written back; a write that loses a credential needs a word more', async (t) => {
  const { client, installation } = await startJourney(t, { scenario: SCENARIO });
  const before = readFileSync(join(installation.stateDir, 'clawdbot.json'), 'utf8');
  const { raw: masked, hash } = (await client.call('config.get')) as { raw: string; hash: string };
  assert.ok(masked.includes('[secret]') && !masked.includes('test-token'));
  await client.call('config.set', { raw: masked, baseHash: hash });
  assert.equal(readFileSync(join(installation.stateDir, 'clawdbot.json'), 'utf8'), before);
  await assert.rejects(client.call('config.set', { raw: '{}', baseHash: hash }), /would remove the credential/);
  await assert.rejects(client.call('config.set', { raw: '{ gateway: { port: "x" } }', baseHash: hash, allowRemoval: true }), /invalid config/);
  assert.equal(readFileSync(join(installation.stateDir, 'clawdbot.json'), 'utf8'), before);
  const { schema } = (await client.call('config.schema')) as { schema: { properties: Record<string, unknown> } };
  assert.ok('gateway' in schema.properties);
});

it('a new token lets those in who hold it, and those out who entered by the old one, within a second', async (t) => {
  const { gateway, client } = await startJourney(t, { scenario: SCENARIO });
  const old = await enter(t, gateway.port);
  const fresh = 'another-token-0123456789abcdef012345';
  const since = performance.now();
  await client.call('config.edit', { path: 'gateway.auth.token', value: fresh });
  assert.equal((await old.closed()).code, 1008);
  assert.ok(performance.now() - since < 1000);
  const stale = raw(t, gateway.port);
  await stale.challenge();
  stale.send(connectFrame());
  assert.equal((await stale.answer('c')).ok, false);
  await enter(t, gateway.port, { auth: { token: fresh } });
});

it('2,000 broken, cut and odd files one after another: the gateway goes on, and a good one heals it', { timeout: 60_000 }, async (t) => {
  const { client, installation } = await startJourney(t, { scenario: SCENARIO });
  const path = join(installation.stateDir, 'clawdbot.json');
  const good = readFileSync(path, 'utf8');
  const { hash } = (await client.call('config.get')) as { hash: string };
  let n = 0;
  for (const bytes of fuzzedFiles(good, 2000, 7)) {
    writeFileSync(path, bytes);
    n += 1;
    if (n % 100 !== 0) continue;
    assert.equal(((await client.call('health')) as { ok: boolean }).ok, true);
    await new Promise((resolve) => setTimeout(resolve, 130)); // long enough for the gateway to look
  }
  writeFileSync(path, good);
  await until('healed', async () => {
    const now = (await client.call('config.get')) as { hash: string; source: string; issues: unknown[] };
    return now.hash === hash && now.source === 'file' && now.issues.length === 0;
  });
  assert.match(textOf(await order(client, 'still here')), /still here/);
});

const starts = Number(process.env['CONFIG_FUZZ_STARTS'] ?? 12);

it('started on such files the gateway is ready within 3 s, on the last good revision', { timeout: 60_000 + starts * 3000 }, async (t) => {
  const installation = await createInstallation({ dir: scratchDir(t) });
  t.after(() => installation.close());
  const path = join(installation.stateDir, 'clawdbot.json');
  const good = readFileSync(path, 'utf8');
  const first = await installation.start();
  first.child.kill('SIGTERM');
  await first.exited;
  let slowest = 0;
  for (const bytes of fuzzedFiles(good, starts, 11)) {
    writeFileSync(path, bytes);
    const since = performance.now();
    const gateway = await installation.start();
    const ready = await until('ready', async () => (await fetch(`http://127.0.0.1:${gateway.port}/ready`)).status === 200, 5000);
    slowest = Math.max(slowest, performance.now() - since);
    assert.ok(ready);
    gateway.child.kill('SIGKILL');
    await gateway.exited;
  }
  t.diagnostic(`${starts} starts, the slowest took ${Math.round(slowest)} ms`);
  assert.ok(slowest < 3000, `${Math.round(slowest)} ms`);
});
