// What every message channel must do, whatever the provider: run against a simulated provider with its troubles.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GatewayProcess } from '../../support/installation.ts';
import { type Cleanup, until } from '../../support/scratch.ts';

/** A gateway on a simulated provider. */
export interface Harness {
  /** The owner says something in his own conversation. */
  readonly say: (text: string) => void;
  /** The same while nobody is told of it. */
  readonly saySilently: (text: string) => void;
  /** Messages of the agent in that conversation, oldest first, as people see them. */
  readonly answers: () => readonly string[];
  /** Requests that the model got. */
  readonly asked: () => number;
  readonly trouble: {
    /** Every event comes this often. */
    readonly copies: (count: number) => void;
    /** Part of what is sent arrives, and is not answered. */
    readonly dropResponses: (part: number) => void;
    /** Part of what is sent is refused for a second. */
    readonly limited: (part: number) => void;
    readonly offline: (isOff: boolean) => void;
    readonly cut: () => void;
    /** The app may not send, and the rest works. */
    readonly mayNotSend: () => void;
    /** The credentials are refused, or good again. */
    readonly refused: (isRefused: boolean) => void;
  };
  /** State of the account as clients see it. */
  readonly status: () => Promise<{ readonly state: string; readonly lastError: string | null }>;
  readonly gateway: GatewayProcess;
  readonly restart: () => Promise<void>;
}

export function channelConformance(name: string, start: (t: Cleanup) => Promise<Harness>) {
  /** Each of `count` messages was answered once. */
  const eachOnce = async ({ answers }: Harness, count: number, ms = 30_000) => {
    const said = (i: number) => answers().filter((text) => text.endsWith(`message ${i}.`)).length;
    const numbers = Array.from({ length: count }, (_, i) => i);
    await until(`${count} answers`, () => numbers.every((i) => said(i) > 0), ms);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.deepEqual(
      numbers.map(said),
      numbers.map(() => 1),
    );
  };
  const connected = (channel: Harness) => until('the connection to be back', async () => (await channel.status()).state === 'connected', 30_000);

  describe(`channel ${name}`, () => {
    it('an event that comes three times is answered once', async (t) => {
      const channel = await start(t);
      channel.trouble.copies(3);
      for (let i = 0; i < 4; i++) channel.say(`message ${i}.`);
      await eachOnce(channel, 4);
      assert.equal(channel.asked(), 4);
    });

    it('an answer whose confirmation gets lost is looked up, and not sent twice', async (t) => {
      const channel = await start(t);
      channel.trouble.dropResponses(0.4);
      for (let i = 0; i < 5; i++) channel.say(`message ${i}.`);
      await eachOnce(channel, 5, 60_000);
    });

    it('limits of the provider put answers off, in their order', async (t) => {
      const channel = await start(t);
      channel.trouble.limited(0.3);
      for (let i = 0; i < 4; i++) channel.say(`message ${i}.`);
      await eachOnce(channel, 4, 60_000);
      const order = channel.answers().map((text) => /message \d/.exec(text)?.[0]);
      assert.deepEqual(
        order,
        [0, 1, 2, 3].map((i) => `message ${i}`),
      );
    });

    it('connections that are cut lose nothing', async (t) => {
      const channel = await start(t);
      for (let i = 0; i < 4; i++) {
        channel.say(`message ${i}.`);
        channel.trouble.cut();
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      await eachOnce(channel, 4);
      await connected(channel);
    });

    it('what was said during an outage is taken when it is over', async (t) => {
      const channel = await start(t);
      channel.say('message 0.');
      await until('an answer', () => channel.answers().length === 1);
      channel.trouble.offline(true);
      channel.trouble.cut();
      await until('the outage to be seen', async () => (await channel.status()).state === 'reconnecting');
      channel.saySilently('message 1.');
      channel.saySilently('message 2.');
      channel.trouble.offline(false);
      await eachOnce(channel, 3);
    });

    it('refused credentials are a state that says what to do, and the gateway goes on', async (t) => {
      const channel = await start(t);
      channel.trouble.refused(true);
      channel.trouble.cut();
      await until('the refusal to be shown', async () => (await channel.status()).state === 'refused');
      assert.match((await channel.status()).lastError ?? '', /token/);
    });

    it('what the app may not do is said, and the connection stays', async (t) => {
      const channel = await start(t);
      channel.trouble.mayNotSend();
      channel.say('message 0.');
      const { state, lastError } = await until('the problem to be shown', async () => {
        const now = await channel.status();
        return now.lastError !== null && now;
      });
      assert.equal(state, 'connected');
      assert.match(lastError ?? '', /may not/);
      assert.equal(channel.asked(), 1);
    });

    it('a gateway that is killed while it answers sends each answer once', async (t) => {
      const channel = await start(t);
      channel.trouble.dropResponses(0.2);
      for (let i = 0; i < 6; i++) channel.say(`message ${i}.`);
      await until('some answers', () => channel.answers().length >= 2);
      channel.gateway.child.kill('SIGKILL');
      await channel.gateway.exited;
      await channel.restart();
      await eachOnce(channel, 6, 60_000);
    });
  });
}
