// npm run chaos:slack -- --outage 10: Slack is away for ten minutes. Or --events 10000: every event three times, a disconnect a minute, answers whose confirmation is lost, limits; one in, one out, in order.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { outlastOutage, soakSlack } from './slack.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '0' },
    outage: { type: 'string', default: '0' },
  },
});
const dir = mkdtempSync(join(tmpdir(), 'clawdbot-slack-'));
if (Number(values.outage) > 0) {
  const outlasted = await outlastOutage({ dir, minutes: Number(values.outage) });
  process.stdout.write(`${JSON.stringify(outlasted, null, 2)}\n`);
  process.exit(outlasted.answered === outlasted.said && outlasted.doubled === 0 && outlasted.healedAfterSeconds < 30 ? 0 : 1);
}
const result = await soakSlack({
  dir,
  events: Number(values.events),
  seed: Number(values.seed),
  kills: Number(values.kills),
  onProgress: (text) => process.stdout.write(`${text}\n`),
});
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
rmSync(dir, { recursive: true, force: true });
// A reply in a thread that was unknown when the gateway was killed comes with Slack's own repetition, after what was said meanwhile.
process.exit(result.lost + result.doubled + (result.kills > 0 ? 0 : result.outOfOrder) === 0 ? 0 : 1);
