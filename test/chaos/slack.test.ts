// A short soak of the Slack channel; the long one is npm run chaos:slack.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { scratchDir } from '../support/scratch.ts';
import { soakSlack } from './slack.ts';

it('50 messages in twelve channels, each event three times, confirmations lost, limits: one in, one out, in order', async (t) => {
  const { lost, doubled, outOfOrder, answered } = await soakSlack({ dir: scratchDir(t), events: 50, seed: 7, kills: 0 });
  assert.deepEqual({ lost, doubled, outOfOrder, answered }, { lost: 0, doubled: 0, outOfOrder: 0, answered: 50 });
});
