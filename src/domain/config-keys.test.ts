// Keys that are misspelt are found, those of the original are known.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { keyFindings, nearestName } from './config-keys.ts';

const found = (value: unknown) => keyFindings(value).map(({ path, message }) => `${path}: ${message}`);

it('a misspelt key is named with what was meant, at every depth', () => {
  assert.deepEqual(found({ gatway: {}, gateway: { prot: 1 }, agents: { defaults: { maxConcurent: 2 }, list: [{ id: 'a', worksapce: 'x' }] } }), [
    'gatway: unknown key; it is kept and ignored. Did you mean "gateway"?',
    'gateway.prot: unknown key; it is kept and ignored. Did you mean "port"?',
    'agents.defaults.maxConcurent: unknown key; it is kept and ignored. Did you mean "maxConcurrent"?',
    'agents.list[0].worksapce: unknown key; it is kept and ignored. Did you mean "workspace"?',
  ]);
  assert.deepEqual(found({ zzzzzz: 1 }), ['zzzzzz: unknown key; it is kept and ignored']);
});

it('keys of the original that are not used yet are told apart from unknown ones, and looked into no further', () => {
  assert.deepEqual(
    found({ channels: { telegram: { whatever: 1 } }, gateway: { tailscale: { mode: 'off' }, http: { endpoints: { responses: { maxBodyBytes: 1 } } } } }),
    [
      'channels.telegram: this version does not use this key yet; it is kept as it is',
      'gateway.tailscale: this version does not use this key yet; it is kept as it is',
      'gateway.http.endpoints.responses.maxBodyBytes: this version does not use this key yet; it is kept as it is',
    ],
  );
});

it('names that people choose are no keys to check', () => {
  const value = {
    env: { vars: { ANY: 'x' }, OTHER: 'y' },
    auth: { profiles: { 'a:b': { provider: 'p', mode: 'token' } }, order: { p: ['a:b'] } },
    models: { providers: { mine: { baseUrl: 'http://x', models: [{ id: 'm', cost: { input: 1, output: 2 } }] } }, replacements: { a: 'b' } },
    agents: { defaults: { models: { 'mine/m': { alias: 'm' } }, model: { primary: 'm', fallbacks: [] } } },
  };
  assert.deepEqual(found(value), []);
});

it('the nearest name is near, or there is none', () => {
  assert.equal(nearestName('tokn', ['token', 'mode']), 'token');
  assert.equal(nearestName('TOKEN', ['token']), 'token');
  assert.equal(nearestName('banana', ['token', 'mode']), undefined);
});
