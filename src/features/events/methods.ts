// Resuming the event stream from a cursor.

import { z } from 'zod';
import type { SealedEvent } from '../../domain/event.ts';
import { method } from '../../ports/method.ts';
import { eventCursor, eventsSince } from './ops.ts';

const PAGE = 500;

export const eventsSinceMethod = method({
  name: 'events.since',
  scope: 'operator.read',
  about: 'Durable events after a cursor, in order. Pass the cursor back for the next page; leave it out to get the newest cursor.',
  input: z.strictObject({ cursor: z.int().min(0).optional(), limit: z.int().min(1).max(PAGE).optional() }),
  output: z.object({ cursor: z.number(), events: z.array(z.custom<SealedEvent>()), more: z.boolean() }),
  run: async ({ store, workspaceId }, { cursor, limit = PAGE }) => {
    if (cursor === undefined) return { cursor: await store.call(eventCursor, {}), events: [], more: false };
    const events = await store.call(eventsSince, { workspaceId, after: cursor, limit });
    return { cursor: events.at(-1)?.sealedSeq ?? cursor, events, more: events.length === limit };
  },
});
