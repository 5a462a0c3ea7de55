// Sends what waits in the outbox: in order within a conversation, and never again what may have arrived before it has been looked up.

import type { Part } from '../../domain/channel.ts';
import { chunkMarkdown } from '../../domain/chunk.ts';
import { messageOf } from '../../kit/fault.ts';
import { type Loop, startLoop } from '../../kit/loop.ts';
import { type Connection, type Sendable, SendProblem } from '../../ports/channel.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { dueOutgoing, type EntryView, getOutgoing, noteProgress, settleEntry } from './outbox.ts';

interface DelivererOptions extends LoopWorld {
  readonly connection: (channel: string, account: string) => Connection | undefined;
  /** Whether there is a channel at all. */
  readonly isNeeded: () => boolean;
  /** Resolves when nothing of an answer that is shown while it is written is on its way. */
  readonly quiet: (intent: string) => Promise<void>;
}

const POLL_MS = 1000;
/** Where there is no channel nothing waits. */
const IDLE_MS = 30_000;
const BATCH = 500;
const AT_ONCE = 16;
const LONGEST_PAUSE_MS = 60_000;
/** Clocks differ. */
const LOOK_BACK_MS = 120_000;
/** A reaction is not worth more. */
const REACTION_ATTEMPTS = 3;
/** An outage is waited out; what is older than this nobody waits for any more. */
const GIVEN_UP_AFTER_MS = 3 * 86_400_000;

export function startDeliverer({ workspaceId, store, clock, log, isMine, connection, isNeeded, quiet }: DelivererOptions): Loop {
  const busy = new Set<string>();

  const run = async () => {
    if (!isMine() || !isNeeded()) return IDLE_MS;
    const now = clock.now();
    const groups = new Map<string, EntryView[]>();
    for (const entry of await store.call(dueOutgoing, { workspaceId, limit: BATCH })) {
      const { channel, account, place, thread } = entry.to;
      const key = entry.body.kind === 'reaction' ? entry.id : JSON.stringify([channel, account, place, thread]);
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
    let next = POLL_MS;
    for (const [key, entries] of groups) {
      const [head] = entries;
      if (!head || busy.has(key)) continue;
      if (head.notBefore > now) next = Math.min(next, head.notBefore - now);
      else if (busy.size < AT_ONCE) {
        busy.add(key);
        void sendAll(entries).finally(() => {
          busy.delete(key);
          loop.poke();
        });
      }
    }
    return next;
  };

  /** Sends what one conversation waits for, up to the first that has to wait. Never throws. */
  const sendAll = async (entries: readonly EntryView[]): Promise<void> => {
    try {
      for (const entry of entries) if (!(await sendEntry(entry))) return;
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the outbox could not be written; what waits is tried again');
      await clock.sleep(POLL_MS);
    }
  };

  /** Answers whether the next one may be sent. */
  const sendEntry = async (listed: EntryView): Promise<boolean> => {
    await quiet(listed.intent);
    const entry = await store.call(getOutgoing, { id: listed.id });
    if (entry?.state !== 'queued') return true;
    const { id, to, body, attempts } = entry;
    const conn = connection(to.channel, to.account);
    if (!conn) {
      if (attempts === 0) await store.call(noteProgress, { ...entry, attempts: 1, notBefore: clock.now() + POLL_MS, error: 'the channel is not connected' });
      return false;
    }
    const parts = [...entry.parts];
    try {
      await carryOut(entry, conn, parts);
      await store.call(settleEntry, { workspaceId, id, channel: to.channel, state: 'sent', parts, error: null, isQuiet: body.kind === 'reaction' });
      return true;
    } catch (error) {
      if (!(error instanceof SendProblem)) throw error;
      const { kind, message, retryAfterMs } = error;
      const isOld = clock.now() - entry.createdAt > GIVEN_UP_AFTER_MS;
      const givesUp = kind === 'target' || isOld || (body.kind === 'reaction' && attempts + 1 >= REACTION_ATTEMPTS);
      if (givesUp) {
        const level = body.kind === 'reaction' ? 'info' : 'warn';
        log[level]({ outbox: id, to: `${to.channel}:${to.place}`, error: message }, 'a message cannot be sent and is given up');
        await store.call(settleEntry, { workspaceId, id, channel: to.channel, state: 'failed', parts, error: message, isQuiet: false });
        return true;
      }
      const pause = retryAfterMs ?? Math.min(500 * 2 ** Math.min(attempts, 10), LONGEST_PAUSE_MS);
      // Waiting for the provider's own limit, or for the owner to mend the credentials, is no failure of this message.
      const counted = retryAfterMs === undefined && kind !== 'account' ? attempts + 1 : attempts;
      await store.call(noteProgress, {
        id,
        parts,
        attempts: counted,
        notBefore: clock.now() + (kind === 'account' ? LONGEST_PAUSE_MS : pause),
        error: message,
      });
      return false;
    }
  };

  const carryOut = async (entry: EntryView, conn: Connection, parts: Part[]): Promise<void> => {
    const { to, body } = entry;
    if (body.kind === 'reaction') return conn.react(to, body.messageId, body.emoji, body.add);
    if (body.kind === 'delete') return conn.remove(to, body.messageId);
    if (body.kind === 'edit') return conn.edit(to, await idNamed(entry, conn, body.messageId), { kind: 'text', text: body.text });
    const messages: readonly Sendable[] = body.kind === 'question' ? [body] : chunkMarkdown(body.text, conn.limit()).map((text) => ({ kind: 'text', text }));
    for (const [i, message] of messages.entries()) await sendPart(entry, conn, parts, i, message);
    for (const { id } of parts.splice(messages.length)) if (id !== null) await conn.remove(to, id);
  };

  const sendPart = async (entry: EntryView, conn: Connection, parts: Part[], i: number, message: Sendable): Promise<void> => {
    const { to } = entry;
    const mark = markOf(entry.id, i);
    const before = parts[i];
    if (before) {
      const there = before.id ?? (await conn.find(to, mark, before.begunAt - LOOK_BACK_MS));
      if (there !== undefined) {
        parts[i] = { ...before, id: there };
        if (i > 0) return; // only the first part of an answer is shown while it is written, and says something else by now
        try {
          return await conn.edit(to, there, message);
        } catch (error) {
          if (!(error instanceof SendProblem && error.kind === 'target')) throw error; // somebody has deleted it: it is sent anew
        }
      }
    }
    parts[i] = { begunAt: before?.begunAt ?? clock.now(), id: null };
    await store.call(noteProgress, { id: entry.id, parts, attempts: entry.attempts, notBefore: entry.notBefore, error: null });
    try {
      parts[i] = { begunAt: clock.now(), id: await conn.send(to, message, mark) };
    } catch (error) {
      if (error instanceof SendProblem && error.kind !== 'unknown' && !before) parts.splice(i); // it is known not to be there: nothing to look up
      throw error;
    }
    if (i > 0 || parts.length > 1) await store.call(noteProgress, { id: entry.id, parts, attempts: entry.attempts, notBefore: entry.notBefore, error: null });
  };

  /** A message whose id was not known when its edit was decided is named by its entry in the outbox. */
  const idNamed = async ({ to }: EntryView, conn: Connection, name: string): Promise<string> => {
    if (!name.startsWith('out_')) return name;
    const asked = await store.call(getOutgoing, { id: name });
    const [part] = asked?.parts ?? [];
    const id = part && (part.id ?? (await conn.find(to, markOf(name, 0), part.begunAt - LOOK_BACK_MS)));
    if (id === undefined) throw new SendProblem('later', 'the message that is to be changed has not arrived yet');
    return id;
  };

  const loop = startLoop({ name: 'deliverer', everyMs: POLL_MS, run, clock, log });
  return loop;
}

/** What a message carries so that it can be found again. */
export function markOf(entryId: string, part: number): string {
  return `${entryId}:${part}`;
}
