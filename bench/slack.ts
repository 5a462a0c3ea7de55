// Slack: from an event on the socket to the model's first request, and to the answer in the channel.

import { startSlackSimulator } from '../src/adapters/slack-simulator/server.ts';
import { systemClock } from '../src/kit/clock.ts';
import { connectClient } from '../test/support/installation.ts';
import { chanceOf, OWNER, slackConfig, TEAM_CHANNEL } from '../test/support/slack.ts';
import { percentile, QUICK_ANSWER, table, withInstallation } from './support.ts';

const MESSAGES = 200;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function slack(): Promise<void> {
  const simulated = await startSlackSimulator({ port: 0, clock: systemClock, chance: chanceOf(1) });
  const channels = slackConfig(simulated.url, { streaming: false, channels: { [TEAM_CHANNEL]: { requireMention: false } } });
  await withInstallation({ scenario: QUICK_ANSWER, config: { channels, messages: { queue: { mode: 'followup' } } } }, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    while (simulated.sockets() < 2) await pause(20);
    await pause(500);
    const toModel: number[] = [];
    const toAnswer: number[] = [];
    for (let i = 0; i < MESSAGES; i++) {
      const [asked, answered] = [installation.simulator.requests().length, simulated.ofBot(TEAM_CHANNEL).length];
      const since = performance.now();
      simulated.say({ user: OWNER, channel: TEAM_CHANNEL, text: `message ${i}` });
      while (simulated.ofBot(TEAM_CHANNEL).length === answered) await new Promise((resolve) => setImmediate(resolve));
      toAnswer.push(performance.now() - since);
      toModel.push((installation.simulator.requests()[asked]?.arrivedAt ?? 0) - since);
      await pause(10);
    }
    const row = (name: string, times: readonly number[]) => [name, percentile(times, 0.5), percentile(times, 0.99)] as const;
    table(
      `Slack, ${MESSAGES} messages one after another`,
      ['', 'p50 ms', 'p99 ms'],
      [row('event -> first request of the model', toModel), row('event -> answer in the channel', toAnswer)],
    );
    client.close();
  });
  await simulated.close();
}
