// Checks: what is well, what is not, and which modes follow.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { degradedBy, examine, type HostMeasures, type StoreMeasures } from './checks.ts';

const STORE: StoreMeasures = {
  ...{ waiting: {}, longestWaitMs: 0, spawnP95Ms: null, deliveryP95Ms: null, unsent: 0, failedSends: 0, beating: 0, stale: 0 },
  ...{ inboxAges: {}, cronLateMs: 0, answered: 5, modelFailures: 0, refusals: [] },
};
const HOST: HostMeasures = {
  ...{
    storeMs: 1,
    diskFreeBytes: 5e9,
    diskBytes: 1e11,
    diskPath: '/state',
    memoryBytes: 1e8,
    loopP99Ms: 2,
    clockAheadMs: 0,
    workers: 1,
    wantedWorkers: 1,
    sandboxes: { main: { level: 'bwrap' } },
  },
  ...{ channels: [], backup: { lastAt: 1000, problem: null, everyHours: 24 }, uptimeMs: 1000, now: 2000 },
};
const bad = (store: Partial<StoreMeasures>, host: Partial<HostMeasures> = {}) =>
  examine({ ...STORE, ...store }, { ...HOST, ...host })
    .filter(({ severity }) => severity !== 'ok')
    .map(({ id, severity }) => `${id} ${severity}`);

it('a gateway that is well has nothing but good findings', () => {
  assert.deepEqual(bad({}), []);
});

it('goals and alert bounds: spawn 30 and 60 s, queue 5 and 20, delivery 1 and 5 s, stale 5 and 10 %', () => {
  assert.deepEqual([bad({ spawnP95Ms: 29_000 }), bad({ spawnP95Ms: 30_000 }), bad({ spawnP95Ms: 60_000 })].flat(), ['spawn info', 'spawn warning']);
  assert.deepEqual([bad({ waiting: { main: 4 } }), bad({ waiting: { main: 3, cron: 2 } }), bad({ waiting: { main: 20 } })].flat(), [
    'queue info',
    'queue warning',
  ]);
  const channels = [{ name: 'slack/default', state: 'connected', problem: null, forMs: 1, isWanted: true }];
  assert.deepEqual([bad({ deliveryP95Ms: 900 }, { channels }), bad({ deliveryP95Ms: 1000 }, { channels }), bad({ deliveryP95Ms: 5000 }, { channels })].flat(), [
    'delivery info',
    'delivery warning',
  ]);
  assert.deepEqual([bad({ beating: 100, stale: 4 }), bad({ beating: 100, stale: 5 }), bad({ beating: 100, stale: 10 })].flat(), [
    'stale-agents info',
    'stale-agents warning',
  ]);
});

it('what is down holds back what can wait, and says so', () => {
  const findings = examine(
    { ...STORE, answered: 0, modelFailures: 3 },
    { ...HOST, diskFreeBytes: 1e8, channels: [{ name: 'slack/default', state: 'refused', problem: 'token_revoked', forMs: 1, isWanted: true }] },
  );
  const { modes, held } = degradedBy(findings);
  assert.deepEqual(
    modes.map(({ mode }) => mode),
    ['model down', 'disk nearly full', 'channel down'],
  );
  assert.deepEqual(held, ['cron', 'proof']);
  assert.deepEqual(degradedBy(examine(STORE, HOST)), { modes: [], held: [] });
});

it('a small disk is not full because it is small', () => {
  assert.deepEqual(bad({}, { diskBytes: 16e6, diskFreeBytes: 10e6 }), []);
  assert.deepEqual(bad({}, { diskBytes: 16e6, diskFreeBytes: 0.5e6 }), ['disk critical']);
  assert.deepEqual(bad({}, { diskFreeBytes: 0.5e9 }), ['disk warning']);
});
