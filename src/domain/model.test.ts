// Names of models, and what follows a failed call.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseConfig } from './config-schema.ts';
import { decideAfterModelFailure, modelChain, priceOf, resolveModel } from './model.ts';

const config = (value: unknown) => {
  const parsed = parseConfig(value);
  assert.ok(parsed.ok);
  return parsed.config;
};
const nameOf = (written: string, value: unknown = {}) => {
  const { provider, model } = resolveModel(written, config(value));
  return `${provider}/${model}`;
};

it('aliases and dead ids become models that are served', () => {
  assert.equal(nameOf('opus'), 'anthropic/claude-opus-5-5');
  assert.equal(nameOf('Sonnet'), 'anthropic/claude-sonnet-5-5');
  assert.equal(nameOf('anthropic/claude-3-haiku-20240307'), 'anthropic/claude-haiku-5-5');
  assert.equal(nameOf('claude-sonnet-4-20250514'), 'anthropic/claude-sonnet-5-5');
  assert.equal(nameOf('anthropic/claude-opus-4-5'), 'anthropic/claude-opus-5-5');
  assert.equal(nameOf('anthropic/claude-3-5-haiku-latest'), 'anthropic/claude-haiku-5-5');
  assert.equal(nameOf('ollama/llama3:8b'), 'ollama/llama3:8b');
  assert.equal(nameOf('openrouter/meta/llama-3'), 'openrouter/meta/llama-3');
});

it('the configuration edits the table and adds aliases', () => {
  assert.equal(nameOf('anthropic/claude-opus-4-5', { models: { replacements: { 'anthropic/claude-opus-4-5': 'local/big' } } }), 'local/big');
  assert.equal(nameOf('fast', { agents: { defaults: { models: { 'local/small': { alias: 'Fast' } } } } }), 'local/small');
});

it('the chain is primary, then fallbacks, without repeats', () => {
  const value = config({ agents: { defaults: { model: { primary: 'opus', fallbacks: ['sonnet', 'anthropic/claude-opus-4-5'] } } } });
  assert.deepEqual(
    modelChain(value, 'main', null).map(({ model }) => model),
    ['claude-opus-5-5', 'claude-sonnet-5-5'],
  );
  assert.deepEqual(
    modelChain(value, 'main', 'haiku').map(({ model }) => model),
    ['claude-haiku-5-5', 'claude-sonnet-5-5', 'claude-opus-5-5'],
  );
});

it('a price is stated, known, free on loopback, or null', () => {
  const value = config({
    models: {
      providers: {
        local: { baseUrl: 'http://127.0.0.1:1/v1' },
        remote: { baseUrl: 'https://models.example/v1', models: [{ id: 'a', cost: { input: 1, output: 2 } }] },
      },
    },
  });
  assert.equal(priceOf({ provider: 'local', model: 'x' }, value)?.input, 0);
  assert.equal(priceOf({ provider: 'remote', model: 'a' }, value)?.output, 2);
  assert.equal(priceOf({ provider: 'remote', model: 'b' }, value), null);
  assert.equal(priceOf({ provider: 'anthropic', model: 'claude-sonnet-5-5' }, value)?.input, 3);
});

const failure = { code: 'model.overloaded', retryAfterMs: null, tries: 1, hasFallback: true, remainingMs: 60_000, jitter: 0.5 };

it('a passing trouble is waited out, growing with the tries, never less than the provider asked', () => {
  assert.deepEqual(decideAfterModelFailure(failure), { kind: 'retry', afterMs: 375 });
  assert.deepEqual(decideAfterModelFailure({ ...failure, tries: 3 }), { kind: 'retry', afterMs: 1500 });
  assert.deepEqual(decideAfterModelFailure({ ...failure, retryAfterMs: 7000 }), { kind: 'retry', afterMs: 7000 });
});

it('a lasting trouble goes to the next model at once, or ends', () => {
  for (const code of ['model.auth', 'model.billing', 'model.not_found']) {
    assert.deepEqual(decideAfterModelFailure({ ...failure, code }), { kind: 'next_model' });
    assert.deepEqual(decideAfterModelFailure({ ...failure, code, hasFallback: false }), { kind: 'give_up' });
  }
  assert.deepEqual(decideAfterModelFailure({ ...failure, code: 'model.invalid' }), { kind: 'give_up' });
});

it('no wait reaches past the deadline, and no model is tried for ever', () => {
  assert.deepEqual(decideAfterModelFailure({ ...failure, retryAfterMs: 61_000 }), { kind: 'next_model' });
  assert.deepEqual(decideAfterModelFailure({ ...failure, tries: 4 }), { kind: 'next_model' });
});
