import assert from 'node:assert/strict';
import { test } from 'node:test';
import { total } from '../src/basket.js';

test('one item costs its price', () => {
  assert.equal(total([{ price: 250, count: 1 }]), 250);
});

test('of three one is free', () => {
  assert.equal(total([{ price: 250, count: 3 }]), 500);
});

test('of seven two are free', () => {
  assert.equal(total([{ price: 100, count: 7 }]), 500);
});
