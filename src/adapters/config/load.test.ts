// The gateway always gets a configuration, and never changes the user's file.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { scratchDir } from '../../../test/support/scratch.ts';
import { redactConfig } from '../../domain/config.ts';
import { systemClock } from '../../kit/clock.ts';
import { openConfigFile } from './file.ts';
import { evaluateConfig } from './read.ts';

function setUp(t: TestContext, text?: string) {
  const stateDir = scratchDir(t);
  mkdirSync(join(stateDir, 'config'));
  const path = join(stateDir, 'clawdbot.json');
  if (text !== undefined) writeFileSync(path, text);
  const load = (variables: Readonly<Record<string, string>> = {}) => openConfigFile({ path, stateDir, variables, clock: systemClock }).current();
  return { stateDir, path, load };
}

/** A file as the original writes it, with sections this version does not use. */
const ORIGINALS = `{
  "meta": { "lastTouchedVersion": "2026.1.24-3", "lastTouchedAt": "2026-02-01T00:00:00.000Z" },
  "wizard": { "lastRunCommand": "onboard" },
  "auth": { "profiles": { "anthropic:default": { "provider": "anthropic", "mode": "oauth" } } },
  "agents": { "defaults": { "model": { "primary": "anthropic/claude-opus-4-5" }, "workspace": "/home/someone/clawd", "timeoutSeconds": 3600,
    "maxConcurrent": 4, "subagents": { "maxConcurrent": 8 }, "compaction": { "mode": "safeguard" } } },
  "messages": { "ackReactionScope": "group-mentions" },
  "commands": { "native": "auto" },
  "channels": { "slack": { "mode": "socket", "enabled": true, "botToken": "xoxb-1" } },
  "gateway": { "port": 18789, "mode": "local", "bind": "loopback", "auth": { "mode": "token", "token": "tok" }, "tailscale": { "mode": "off" } },
}`;

describe('the configuration', () => {
  it('of the original starts ours unchanged, and says what is not used yet', (t) => {
    const { load, path } = setUp(t, ORIGINALS);
    const { config, source, issues, warnings } = load();
    assert.equal(source, 'file');
    assert.deepEqual(issues, []);
    assert.equal(config.agents.defaults.timeoutSeconds, 3600);
    assert.deepEqual(
      warnings.map((warning) => warning.path),
      ['wizard', 'agents.defaults.compaction.mode', 'commands', 'gateway.tailscale'],
    );
    assert.equal(readFileSync(path, 'utf8'), ORIGINALS);
  });

  it('is written at the first start with a token of 256 bit that only its owner can read', (t) => {
    const { load, path } = setUp(t);
    const { config, source } = load();
    assert.equal(source, 'file');
    assert.match(config.gateway.auth.token ?? '', /^[0-9a-f]{64}$/);
    assert.equal(config.agents.defaults.sandbox?.mode, 'all');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(load().config.gateway.auth.token, config.gateway.auth.token);
  });

  it('that is broken gives way to the last good revision and is kept aside', (t) => {
    const { load, path, stateDir } = setUp(t, '{ gateway: { port: 4711 } }');
    load();
    writeFileSync(path, '{ gateway: { port: "not a port" ');
    const { config, source, issues, hash } = load();
    assert.equal(source, 'last-good');
    assert.equal(config.gateway.port, 4711);
    assert.equal(issues.length, 1);
    assert.equal(readFileSync(join(stateDir, 'config', `rejected-${hash?.slice(0, 12)}.json5`), 'utf8'), '{ gateway: { port: "not a port" ');
  });

  it('whose variable is missing runs on without that key', (t) => {
    const { load } = setUp(t, '{ gateway: { port: 4711, auth: { token: "${TOK}" } } }');
    assert.equal(load({ TOK: 'abc' }).config.gateway.auth.token, 'abc');
    const { config, source, issues } = load({});
    assert.deepEqual([source, config.gateway.port, config.gateway.auth.token], ['last-good', 4711, undefined]);
    assert.match(issues[0]?.message ?? '', /TOK/);
  });

  it('with a pattern that is no regular expression is not valid', (t) => {
    const { load } = setUp(t, '{ logging: { redactPatterns: ["("] } }');
    const { source, issues } = load();
    assert.deepEqual([source, issues[0]?.path], ['defaults', 'logging.redactPatterns.0']);
  });

  it('that is broken at the first start gives way to the defaults on loopback', (t) => {
    const { load } = setUp(t, 'gateway: lan');
    const { config, source } = load();
    assert.deepEqual([source, config.gateway.bind], ['defaults', 'loopback']);
  });

  it('always loads, whatever the file holds', (t) => {
    const good = '{ gateway: { port: 4711, auth: { token: "abc" } }, agents: { defaults: { model: "opus" } } }';
    const { load, path } = setUp(t, good);
    load();
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
          fc.nat(good.length).map((cut) => Buffer.from(good.slice(0, cut))),
        ),
        (bytes) => {
          writeFileSync(path, bytes);
          const { config, source } = load();
          assert.ok(config.gateway.port > 0);
          if (source !== 'file') assert.ok(['last-good', 'defaults'].includes(source));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('reading', () => {
  it('fills variables, keeps escaped ones, and refuses missing ones by name', () => {
    assert.deepEqual(evaluateConfig('{ a: "x${ONE}y", b: "$${ONE}" }', 'f', { ONE: '1' }), { a: 'x1y', b: '${ONE}' });
    assert.deepEqual(evaluateConfig('{ env: { vars: { TWO: "2" } }, a: "${TWO}" }', 'f', {}), { env: { vars: { TWO: '2' } }, a: '2' });
    assert.throws(() => evaluateConfig('{ a: "${GONE}" }', 'f', {}), /\$\{GONE\}/);
  });

  it('merges includes under the keys beside them, and refuses circles', (t) => {
    const dir = scratchDir(t);
    const path = join(dir, 'main.json5');
    writeFileSync(join(dir, 'a.json5'), '{ gateway: { port: 1, bind: "lan" } }');
    assert.deepEqual(evaluateConfig('{ $include: "./a.json5", gateway: { port: 2 } }', path, {}), { gateway: { port: 2, bind: 'lan' } });
    writeFileSync(join(dir, 'b.json5'), '{ $include: "./b.json5" }');
    assert.throws(() => evaluateConfig('{ $include: "./b.json5" }', path, {}), /circle/);
    assert.throws(() => evaluateConfig('{ $include: "./gone.json5" }', path, {}), /does not exist/);
  });

  it('a key that would change every object is dropped', () => {
    const value = evaluateConfig('{ "__proto__": { polluted: 1 }, a: 1 }', 'f', {});
    assert.deepEqual(value, { a: 1 });
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
});

it('a redacted configuration holds no credential', () => {
  const text = JSON.stringify(
    redactConfig({
      gateway: { auth: { token: 'tok', password: 'pw' } },
      models: { providers: { a: { apiKey: 'k' } } },
      channels: { slack: { botToken: 'xoxb', appToken: 'xapp' } },
      agents: { defaults: { contextTokens: 5 } },
    }),
  );
  for (const secret of ['tok"', '"pw', '"k"', 'xoxb', 'xapp']) assert.ok(!text.includes(secret), secret);
  assert.match(text, /"contextTokens":5/);
});
