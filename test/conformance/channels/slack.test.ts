// Slack keeps to what every channel must do.

import { connectClient } from '../../support/installation.ts';
import { ask } from '../../support/journey.ts';
import { DIRECT, OWNER, startOnSlack } from '../../support/slack.ts';
import { channelConformance, type Harness } from './suite.ts';

const SCENARIO = { name: 'channel', rules: [{ text: '{{user}}' }] };

channelConformance('slack', async (t): Promise<Harness> => {
  const { slack, texts, simulator, gateway, client, installation } = await startOnSlack(t, {
    scenario: SCENARIO,
    config: { messages: { queue: { mode: 'followup' } } },
    slack: { streaming: false },
  });
  let asked = client;
  return {
    say: (text) => void slack.say({ user: OWNER, channel: DIRECT, text }),
    saySilently: (text) => void slack.say({ user: OWNER, channel: DIRECT, text, silently: true }),
    answers: () => texts(DIRECT),
    asked: () => simulator.requests().length,
    trouble: {
      copies: (count) => void (slack.faults.copies = count),
      dropResponses: (part) => void (slack.faults.dropResponses = part),
      limited: (part) => void (slack.faults.limited = part),
      offline: (isOff) => void (slack.faults.offline = isOff),
      cut: slack.cut,
      refused: (isRefused) => void (slack.faults.refuse = isRefused ? 'token_revoked' : ''),
    },
    status: async () => (await ask(asked, 'channels.status')).channelAccounts.slack[0],
    gateway,
    restart: async () => {
      const next = await installation.start();
      asked = await connectClient(next.port);
      t.after(() => asked.close());
    },
  };
});
