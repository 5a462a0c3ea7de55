// Events of one conversation are taken one after the other, and those that come together over two sockets in the order in which they were said.

import type { ChannelEvent } from '../../domain/channel.ts';

interface Waiting {
  readonly event: ChannelEvent;
  readonly settle: (taken: Promise<void>) => void;
}

export function createOrder(take: (event: ChannelEvent) => Promise<void>): (event: ChannelEvent) => Promise<void> {
  /** What has come within the same turn of the event loop, by conversation. */
  const arrived = new Map<string, Waiting[]>();
  /** The end of what is being taken. */
  const tails = new Map<string, Promise<void>>();

  const takeAll = (key: string) => {
    const waiting = arrived.get(key) ?? [];
    arrived.delete(key);
    waiting.sort((a, b) => saidAt(a.event) - saidAt(b.event));
    for (const { event, settle } of waiting) {
      const taken = (tails.get(key) ?? Promise.resolve()).then(() => take(event));
      const tail: Promise<void> = taken
        .catch(() => undefined)
        .then(() => {
          if (tails.get(key) === tail) tails.delete(key);
        });
      tails.set(key, tail);
      settle(taken);
    }
  };

  return (event) =>
    new Promise<void>((resolve) => {
      const key = `${event.channel}:${event.account}:${event.place}`;
      const waiting = arrived.get(key) ?? [];
      waiting.push({ event, settle: resolve });
      arrived.set(key, waiting);
      if (waiting.length === 1) setImmediate(() => setImmediate(() => takeAll(key)));
    });
}

/** The provider's own order of messages. */
function saidAt(event: ChannelEvent): number {
  return event.kind === 'message' ? Number(event.messageId) || 0 : 0;
}
