// A soak of the Slack channel: many conversations at once through a Slack with all its troubles, every message with a number that must come back once.

import { startSlackSimulator } from '../../src/adapters/slack-simulator/server.ts';
import { BOT_USER } from '../../src/adapters/slack-simulator/workspace.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { connectClient, createInstallation } from '../support/installation.ts';
import { chanceOf, OWNER, slackConfig } from '../support/slack.ts';

interface Soak {
  readonly dir: string;
  readonly events: number;
  readonly seed: number;
  /** How often the gateway is killed with -9 meanwhile. */
  readonly kills: number;
  readonly onProgress?: (text: string) => void;
}

const PLACES = Array.from({ length: 12 }, (_, i) => `C0SOAK${String(i).padStart(3, '0')}`);
/** Messages under way at once: more would only wait. */
const AHEAD = 60;
const PATIENCE_MS = 180_000;
const numberOf = (text: string) => /number (\d+)\./.exec(text)?.[1];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function soakSlack({ dir, events, seed, kills, onProgress = () => undefined }: Soak) {
  const chance = chanceOf(seed);
  const slack = await startSlackSimulator({ port: 0, clock: systemClock, chance });
  Object.assign(slack.faults, { copies: 3, dropResponses: 0.03, limited: 0.02, retryAfterSeconds: 1, disconnectEveryMs: 60_000 });
  const installation = await createInstallation({
    dir,
    scenario: { name: 'soak', rules: [{ text: '{{user}}' }] },
    config: {
      channels: slackConfig(slack.url, { streaming: false, historyLimit: 0, channels: { '*': { requireMention: false } } }),
      agents: { defaults: { maxConcurrent: 16 } },
      messages: { queue: { mode: 'followup', cap: 1000 } },
      logging: { level: 'info', dir: `${dir}/logs` },
    },
  });
  let gateway = await installation.start();
  const since = performance.now();
  const parents = new Map<string, string>();
  const said: string[] = [];
  const answered = () => PLACES.flatMap((place) => slack.ofBot(place).flatMap(({ text }) => numberOf(text) ?? []));
  let killsLeft = kills;
  let lastProgress = performance.now();
  const settledCount = () => answered().length;

  const keepPace = async (most: number) => {
    const start = performance.now();
    while (said.length - settledCount() > most) {
      if (performance.now() - start > PATIENCE_MS) return false;
      await pause(20);
    }
    return true;
  };
  for (let i = 0; i < events; i++) {
    const place = PLACES[Math.floor(chance() * PLACES.length)] ?? '';
    const thread = chance() < 0.4 ? parents.get(place) : undefined;
    const ts = slack.say({ user: OWNER, channel: place, text: `<@${BOT_USER}> number ${i}.`, ...(thread !== undefined && { thread }) });
    if (thread === undefined && chance() < 0.05) parents.set(place, ts);
    said.push(String(i));
    if (killsLeft > 0 && i > 0 && i % Math.max(1, Math.floor(events / (kills + 1))) === 0) {
      killsLeft -= 1;
      gateway.child.kill('SIGKILL');
      await gateway.exited;
      gateway = await installation.start();
    }
    if (i % 10 === 0 && !(await keepPace(AHEAD))) break;
    if (performance.now() - lastProgress > 30_000) {
      lastProgress = performance.now();
      onProgress(`${i} said, ${settledCount()} answered, ${slack.counts.lost} events lost by Slack`);
    }
  }
  await keepPace(0);
  await pause(3000);
  const minutes = (performance.now() - since) / 60_000;
  const all = answered();
  const once = new Set(all);
  let outOfOrder = 0;
  for (const place of PLACES) {
    const last = new Map<string, number>();
    for (const { text, thread_ts: thread = '' } of slack.ofBot(place)) {
      const number = Number(numberOf(text) ?? -1);
      if (number < (last.get(thread) ?? -1)) outOfOrder += 1;
      last.set(thread, Math.max(number, last.get(thread) ?? -1));
    }
  }
  const client = await connectClient(gateway.port);
  const asked = installation.simulator.requests().length;
  client.close();
  await installation.close();
  await slack.close();
  return {
    events: said.length,
    envelopes: slack.counts.events,
    answered: once.size,
    lost: said.filter((n) => !once.has(n)).length,
    doubled: all.length - once.size,
    outOfOrder,
    modelRequests: asked,
    kills: kills - killsLeft,
    minutes: Math.round(minutes * 10) / 10,
    perSecond: Math.round(said.length / minutes / 60),
  };
}

/** Slack is away for a while; people go on talking. Answers how long after its end all of it was answered, in seconds, and what was doubled. */
export async function outlastOutage({ dir, minutes, said = 20 }: { readonly dir: string; readonly minutes: number; readonly said?: number }) {
  const slack = await startSlackSimulator({ port: 0, clock: systemClock, chance: chanceOf(1) });
  const installation = await createInstallation({
    dir,
    scenario: { name: 'outage', rules: [{ text: '{{user}}' }] },
    config: {
      channels: slackConfig(slack.url, { streaming: false, channels: { '*': { requireMention: false } } }),
      messages: { queue: { mode: 'followup', cap: 1000 } },
    },
  });
  await installation.start();
  const [place = ''] = PLACES;
  const answered = () => slack.ofBot(place).flatMap(({ text }) => numberOf(text) ?? []);
  while (slack.sockets() < 2) await pause(50);
  slack.say({ user: OWNER, channel: place, text: 'number 0.' });
  while (answered().length < 1) await pause(50);
  slack.faults.offline = true;
  slack.cut();
  for (let i = 1; i <= said; i++) {
    await pause((minutes * 60_000) / said);
    slack.say({ user: OWNER, channel: place, text: `number ${i}.`, silently: true });
  }
  const over = performance.now();
  slack.faults.offline = false;
  while (new Set(answered()).size < said + 1 && performance.now() - over < PATIENCE_MS) await pause(50);
  const healedAfter = (performance.now() - over) / 1000;
  await pause(3000);
  const all = answered();
  await installation.close();
  await slack.close();
  return {
    minutes,
    said: said + 1,
    answered: new Set(all).size,
    doubled: all.length - new Set(all).size,
    inOrder: all.join() === all.toSorted((a, b) => Number(a) - Number(b)).join(),
    healedAfterSeconds: Math.round(healedAfter * 10) / 10,
  };
}
