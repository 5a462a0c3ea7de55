// Slack keeps to what every channel must do.

import type { Faults } from '../../../src/adapters/slack-simulator/server.ts';
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
  const set = (faults: Partial<Faults>) => void Object.assign(slack.faults, faults);
  return {
    say: (text) => void slack.say({ user: OWNER, channel: DIRECT, text }),
    saySilently: (text) => void slack.say({ user: OWNER, channel: DIRECT, text, silently: true }),
    answers: () => texts(DIRECT),
    asked: () => simulator.requests().length,
    trouble: {
      copies: (copies) => set({ copies }),
      dropResponses: (dropResponses) => set({ dropResponses }),
      limited: (limited) => set({ limited }),
      offline: (offline) => set({ offline }),
      cut: slack.cut,
      mayNotSend: () => set({ withoutScope: ['chat.postMessage'] }),
      refused: (isRefused) => set({ refuse: isRefused ? 'token_revoked' : '' }),
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
