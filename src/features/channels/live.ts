// Answers that are shown while they are written: one message, edited now and then, that becomes the whole answer in the end.

import type { Address } from '../../domain/channel.ts';
import { chunkMarkdown } from '../../domain/chunk.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import type { Log } from '../../kit/log.ts';
import type { Connection } from '../../ports/channel.ts';
import type { Store } from '../../ports/store.ts';
import { replyIntent } from './answers.ts';
import { markOf } from './deliver.ts';
import { beginLive, noteProgress } from './outbox.ts';

/** An answer that is whole before this is sent once. */
const BEGIN_AFTER_MS = 900;
const EDIT_EVERY_MS = 1300;
/** A run that nobody heard of for this long is forgotten; its answer comes all the same. */
const FORGET_AFTER_MS = 3_600_000;

interface LiveOptions {
  readonly workspaceId: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly connection: (channel: string, account: string) => Connection | undefined;
}

interface Writing {
  readonly runId: string;
  readonly to: Address;
  readonly at: number;
  attempt: number;
  text: string;
  shown: string;
  /** The provider's id of the message. */
  id: string | undefined;
  timer: NodeJS.Timeout | undefined;
  isOver: boolean;
}

export function createLive({ workspaceId, store, clock, log, connection }: LiveOptions) {
  const byRun = new Map<string, Writing>();
  const onTheirWay = new Map<string, Promise<void>>();

  const show = async (writing: Writing): Promise<void> => {
    const { runId, to } = writing;
    const conn = connection(to.channel, to.account);
    const [text = ''] = conn ? chunkMarkdown(writing.text, conn.limit() - 2) : [];
    if (!conn || text.trim() === '' || text === writing.shown) return;
    writing.shown = text;
    const message = { kind: 'text' as const, text: `${text} …` };
    if (writing.id !== undefined) return conn.edit(to, writing.id, message);
    const intent = replyIntent(runId);
    const entryId = await store.call(beginLive, { workspaceId, to, body: { kind: 'text', text: '' }, intent, actor: `run:${runId}`, runId });
    if (entryId === null) return end(writing); // the whole answer is there already
    const id = await conn.send(to, message, markOf(entryId, 0));
    writing.id = id;
    await store.call(noteProgress, { id: entryId, parts: [{ begunAt: clock.now(), id }], attempts: 0, notBefore: clock.now(), error: null });
  };

  const next = (writing: Writing, ms: number) => {
    writing.timer ??= setTimeout(() => {
      writing.timer = undefined;
      if (writing.isOver) return;
      const intent = replyIntent(writing.runId);
      const sending = show(writing)
        .catch((error: unknown) => {
          log.debug({ run: writing.runId, error: messageOf(error) }, 'a part of an answer could not be shown');
          if (writing.id === undefined) end(writing); // the whole answer comes at its end
        })
        .finally(() => {
          onTheirWay.delete(intent);
        });
      onTheirWay.set(intent, sending);
    }, ms);
  };

  const end = (writing: Writing) => {
    writing.isOver = true;
    clearTimeout(writing.timer);
  };

  return {
    /** A run begins whose answer may be shown. */
    follow: (runKey: string, runId: string, to: Address) => {
      for (const [key, { at }] of byRun) if (clock.now() - at > FORGET_AFTER_MS) byRun.delete(key);
      byRun.set(runKey, { runId, to, at: clock.now(), attempt: 0, text: '', shown: '', id: undefined, timer: undefined, isOver: false });
    },
    onDelta: ({ runKey, attempt, text }: { readonly runKey: string; readonly attempt: number; readonly text: string }) => {
      const writing = byRun.get(runKey);
      if (!writing || writing.isOver) return;
      if (attempt !== writing.attempt) writing.text = '';
      writing.attempt = attempt;
      writing.text += text;
      next(writing, writing.id === undefined ? BEGIN_AFTER_MS : EDIT_EVERY_MS);
    },
    /** The model has turned to its tools: what it says after that is another text. */
    onStep: (runKey: string) => {
      const writing = byRun.get(runKey);
      if (writing && writing.text !== '' && !writing.text.endsWith('\n\n')) writing.text += '\n\n';
    },
    onEnd: (runKey: string) => {
      const writing = byRun.get(runKey);
      if (writing) end(writing);
      byRun.delete(runKey);
    },
    /** Resolves when nothing of an answer is on its way. */
    quiet: async (intent: string) => onTheirWay.get(intent),
    stop: () => {
      for (const writing of byRun.values()) end(writing);
      byRun.clear();
    },
  };
}
