// A gateway on a simulated Slack, for one test.

import { startSlackSimulator } from '../../src/adapters/slack-simulator/server.ts';
import { systemClock } from '../../src/kit/clock.ts';
import type { InstallationOptions } from './installation.ts';
import { ask, startJourney } from './journey.ts';
import { type Cleanup, until } from './scratch.ts';

export const OWNER = 'U0OWNER00';
/** The direct messages of the owner. */
export const DIRECT = 'D0OWNER00';
export const TEAM_CHANNEL = 'C0TEAM000';
export const STRANGER = 'U0STRANGE';

/** A number in [0, 1) from a seed: the same in every run. */
export function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function slackConfig(apiUrl: string, more: Readonly<Record<string, unknown>> = {}) {
  return { slack: { enabled: true, botToken: 'xoxb-simulated-bot', appToken: 'xapp-simulated-app', apiUrl, owner: OWNER, ...more } };
}

export async function startOnSlack(
  t: Cleanup,
  { slack = {}, config = {}, ...options }: Omit<InstallationOptions, 'dir'> & { readonly slack?: Readonly<Record<string, unknown>> },
) {
  const simulated = await startSlackSimulator({ port: 0, clock: systemClock, chance: chanceOf(20_261_127) });
  t.after(() => simulated.close());
  const journey = await startJourney(t, { ...options, config: { ...config, channels: slackConfig(simulated.url, slack) } });
  await until('the channel to be connected', async () => (await ask(journey.client, 'channels.status')).channelAccounts.slack?.[0]?.sockets === 2);
  const texts = (place: string) => simulated.ofBot(place).map(({ text }) => text);
  return {
    ...journey,
    slack: simulated,
    texts,
    /** The texts of the agent in a conversation, once there are so many. */
    answers: (place: string, count: number, ms = 15_000) =>
      until(`${count} answers in ${place}`, () => texts(place).length >= count && simulated.open() === 0 && texts(place), ms),
  };
}
