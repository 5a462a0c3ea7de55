// Follows the events of all nodes in their order, and carries hints between nodes. The table is the truth; NOTIFY only says when to look.

import type { SealedEvent } from '../../../domain/event.ts';
import type { Clock } from '../../../kit/clock.ts';
import { type AnyOp, txSteps } from '../../../ports/store.ts';
import type { Hint } from '../engine.ts';
import { type Connection, connect, drive } from './connection.ts';

interface FollowerOptions {
  readonly url: string;
  readonly nodeId: string;
  readonly clock: Clock;
  /** Sealed events of all workspaces after a cursor; without one only the newest cursor. */
  readonly follow: AnyOp;
  readonly onEvents: (events: readonly SealedEvent[]) => void;
  readonly onHint: (hint: Hint) => void;
}

interface Notice {
  readonly from: string;
  /** How far the sender has seen. */
  readonly seq: number;
  readonly hints: readonly Hint[];
}

const CHANNEL = 'clawdbot';
/** PostgreSQL takes less than 8,000 bytes. */
const MAX_NOTICE = 7000;
const COALESCE_MS = 5;
const POLL_MS = 1000;
const PAGE = 500;

export async function createFollower({ url, nodeId, clock, follow, onEvents, onHint }: FollowerOptions) {
  let listener: Connection | undefined;
  let connecting: Promise<Connection> | undefined;
  let cursor = 0;
  let looking: Promise<void> | undefined;
  let again = false;
  let closed = false;
  let held: Hint[] = [];
  let telling: NodeJS.Timeout | undefined;

  const listen = (): Promise<Connection> => {
    if (listener && !listener.isLost()) return Promise.resolve(listener);
    connecting ??= (async () => {
      const made = await connect({ url, name: 'clawdbot listener', onNotice, onLost: () => look() });
      await made.ask(`LISTEN ${CHANNEL}`);
      listener = made;
      return made;
    })().finally(() => {
      connecting = undefined;
    });
    return connecting;
  };

  const onNotice = (payload: string) => {
    const { from, seq, hints } = JSON.parse(payload) as Notice; // only nodes of this store speak on its channel
    if (from === nodeId) return;
    if (seq > cursor) look();
    hints.forEach(onHint);
  };

  const ask = async (after: number | null): Promise<{ events: readonly SealedEvent[]; head: number }> => {
    const connection = await listen();
    connection.forget();
    const now = clock.now(); // not shown to anybody
    return (await drive(connection, follow.body({ now, newId: () => '', nextOrder: () => 0, ...txSteps }, { after, limit: PAGE }))) as never; // the op's own type
  };

  const deliver = (events: readonly SealedEvent[]) => {
    const news = events.filter(({ sealedSeq }) => sealedSeq > cursor);
    cursor = news.at(-1)?.sealedSeq ?? cursor;
    if (news.length > 0) onEvents(news);
  };

  /** Reads what others have made public since. */
  const look = () => {
    again = true;
    if (closed) return;
    looking ??= (async () => {
      while (again) {
        again = false;
        const { events } = await ask(cursor);
        deliver(events);
        again ||= events.length === PAGE;
      }
    })()
      .catch(() => undefined) // the poll looks again
      .finally(() => {
        looking = undefined;
      });
  };

  const notify = () => {
    telling = undefined;
    const hints = held;
    held = [];
    if (!listener || listener.isLost()) return;
    for (const page of pagesOf(hints))
      listener.send({ text: 'SELECT pg_notify($1, $2)', values: [CHANNEL, JSON.stringify({ from: nodeId, seq: cursor, hints: page })] });
    listener.forget();
  };
  const notifySoon = () => {
    telling ??= setTimeout(notify, COALESCE_MS);
  };

  cursor = (await ask(null)).head;
  const poll = setInterval(look, POLL_MS);
  return {
    /** Own events, public by now: told here at once when nothing of others lies between. */
    committed: (events: readonly SealedEvent[]) => {
      const [first] = events;
      if (!first) return;
      if (!looking && first.sealedSeq === cursor + 1) deliver(events);
      else look();
      notifySoon();
    },
    tell: (hint: Hint) => {
      held.push(hint);
      notifySoon();
    },
    close: () => {
      closed = true;
      clearInterval(poll);
      clearTimeout(telling);
      listener?.close();
    },
  };
}

/** Hints in bundles that fit into a notice; at least one bundle. What is too large alone is left out: hints may get lost. */
function pagesOf(hints: readonly Hint[]): Hint[][] {
  const pages: Hint[][] = [[]];
  let size = 0;
  for (const hint of hints) {
    const bytes = Buffer.byteLength(JSON.stringify(hint)) + 1;
    if (bytes > MAX_NOTICE) continue;
    if (size + bytes > MAX_NOTICE) {
      pages.push([]);
      size = 0;
    }
    pages.at(-1)?.push(hint);
    size += bytes;
  }
  return pages;
}
