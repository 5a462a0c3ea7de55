// After a time without a connection: what was said meanwhile is looked up where people were talking, and taken like everything else, once.

import type { ChannelAccount, ChannelEvent } from '../../domain/channel.ts';
import { activePlaces } from '../../features/channels/receive.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import type { Log } from '../../kit/log.ts';
import { type Connection, SendProblem } from '../../ports/channel.ts';
import type { Store } from '../../ports/store.ts';

interface CatchUp {
  readonly workspaceId: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly channel: string;
  readonly account: string;
  readonly settings: ChannelAccount;
  readonly conn: Connection;
  /** When the last connection was lost, epoch ms; null at a start. */
  readonly since: number | null;
  readonly onEvent: (event: ChannelEvent) => Promise<void>;
}

const ACTIVE_MS = 3 * 86_400_000;
const PLACES = 200;
/** Clocks differ, and the last event may not have been taken. */
const MARGIN_MS = 120_000;
const TRIES = 6;

/** Never throws: what cannot be looked up is logged. */
export async function catchUp({ workspaceId, store, clock, log, channel, account, settings, conn, since, onEvent }: CatchUp): Promise<void> {
  try {
    const active = await store.call(activePlaces, { workspaceId, channel, account, since: clock.now() - ACTIVE_MS, limit: PLACES });
    const homes = [settings.owner, settings.home].flatMap((place) =>
      place === undefined || active.some((one) => one.place === place) ? [] : [{ place, thread: '', last_at: null }],
    );
    let taken = 0;
    for (const { place, thread, last_at } of [...active, ...homes]) {
      const from = since ?? (last_at === null ? clock.now() : last_at); // nobody has spoken there yet: only what comes about now
      taken += await lookUp(place, thread || null, from - MARGIN_MS);
    }
    if (taken > 0) log.info({ looked: active.length, messages: taken }, 'looked up what was said while there was no connection');
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'what was said while there was no connection could not be looked up');
  }

  async function lookUp(place: string, thread: string | null, from: number): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        const events = await conn.missed(place, thread, from);
        for (const event of events) await onEvent(event);
        return events.length;
      } catch (error) {
        if (!(error instanceof SendProblem) || error.kind === 'target' || error.kind === 'account' || tries >= TRIES) {
          log.warn({ place, error: messageOf(error) }, 'a conversation could not be looked through');
          return 0;
        }
        await clock.sleep(error.retryAfterMs ?? 300 * 2 ** tries);
      }
    }
  }
}
