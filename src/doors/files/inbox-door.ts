// scheduler/inboxes: files that agents drop become messages, messages that wait are shown as files, and what is read goes to the archive.

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Config } from '../../domain/config.ts';
import { digestOf, messageOfJson, messageOfText, URGENT, type WrittenMessage } from '../../domain/inbox.ts';
import { canonicalAgent } from '../../domain/team.ts';
import { type FiledMessage, noteMessageFiles, openMessageFiles, settledMessageFiles, takenFromBox, unshownMessages } from '../../features/inbox/files.ts';
import { knownBoxes, OWNER_BOX } from '../../features/inbox/methods.ts';
import { type NewMessage, type Taken, takeMessages } from '../../features/inbox/ops.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { sha256Hex } from '../../kit/id.ts';
import { parseJson } from '../../kit/json.ts';
import type { FileDoor, FileDoorWorld } from './door.ts';
import { isNoise, listFolder, moveAside, quarantine, readShared, STILL_MS, writeView } from './shared-file.ts';

const ACTOR = 'file:inboxes';
const BATCH = 200;
const MAX_SHOWN_OF_BROKEN = 4000;
const IS_MEMO = /\.(md|markdown|txt)$/i;

export function createInboxDoor({ root, workspaceId, store, config, clock, log }: FileDoorWorld): FileDoor {
  const folder = join(root, 'inboxes');
  /** Files that were looked at, as they were then. */
  const seen = new Map<string, string>();
  /** Whole-role side files grow at their end. */
  const sideTexts = new Map<string, string>();

  /** Box folders and side files, as names from the inboxes folder. */
  const everything = (): string[] =>
    listFolder(folder).flatMap((entry) => {
      if (!entry.isFolder) return IS_MEMO.test(entry.name) ? [entry.name] : [];
      if (isNoise(entry.name)) return [];
      return listFolder(join(folder, entry.name)).flatMap(({ name, isFolder }) => (isFolder || isNoise(name) ? [] : [`${entry.name}/${name}`]));
    });

  type Look = { readonly message: NewMessage; readonly stamp: string } | 'later' | Broken | undefined;
  const look = (name: string): Look => {
    const read = readShared(join(folder, name), seen.get(name));
    if (read.kind === 'same') return undefined;
    if (read.kind === 'gone' || read.kind === 'other') return void seen.delete(name);
    const [box = '', file] = name.includes('/') ? name.split('/', 2) : [name.replace(IS_MEMO, ''), undefined];
    const problem = (reason: string): Look => {
      if (clock.now() - read.mtimeMs < STILL_MS) return 'later';
      return brokenFile(name, box, reason, read.kind === 'text' ? read.text : '');
    };
    if (read.kind === 'unreadable') return problem(read.reason);
    if (read.text.trim() === '') return clock.now() - read.mtimeMs < STILL_MS ? 'later' : problem('it is empty');
    try {
      const written = file === undefined ? sideMemo(name, read.text) : IS_MEMO.test(file) ? messageOfText(read.text) : messageOfJson(parseJson(read.text));
      if (!written) return problem('it holds JSON, but no object');
      const view = shown.get(name);
      if (view !== undefined && view === digestOf(written)) {
        seen.set(name, read.stamp);
        return undefined;
      }
      return { stamp: read.stamp, message: { ...placed(config(), box, written), original: read.text, ...(file !== undefined && { file: name }) } };
    } catch (error) {
      return problem(messageOf(error));
    }
  };

  /** Files that we wrote, by what they say: only an edit of them is news. */
  const shown = new Map<string, string>();

  const sideMemo = (name: string, text: string): WrittenMessage => {
    const before = sideTexts.get(name);
    sideTexts.set(name, text);
    const news = before !== undefined && text.startsWith(before) ? text.slice(before.length) : text;
    return { ...messageOfText(news.trim() === '' ? text : news), claimedId: `side-file ${name}` };
  };

  /** What is said about a file that nobody can read, and where it goes once that is said. */
  const brokenFile = (name: string, box: string, reason: string, text: string): Broken => {
    const to = join(root, 'quarantine', 'inboxes', `${sha256Hex(`${name}\n${text}`).slice(0, 12)}-${name.replace('/', '--')}`);
    const notice = {
      ...placed(config(), box, {
        ...messageOfText(`A message to you cannot be read: ${basename(name)}`),
        type: 'notification',
        content: { reason, kept: to, beginning: text.slice(0, MAX_SHOWN_OF_BROKEN) },
        priority: URGENT,
      }),
      sender: 'gateway',
      key: `quarantine:${sha256Hex(`${name}\n${text}`)}`,
    };
    return { name, to, reason, notice };
  };

  const take = async (names: readonly string[]): Promise<boolean> => {
    let isUnfinished = false;
    for (let from = 0; from < names.length; from += BATCH) {
      const looked = names.slice(from, from + BATCH).map((name) => ({ name, found: look(name) }));
      isUnfinished ||= looked.some(({ found }) => found === 'later');
      const files = looked.flatMap(({ name, found }) => (typeof found === 'object' && 'message' in found ? [{ name, ...found }] : []));
      const broken = looked.flatMap(({ found }) => (typeof found === 'object' && 'notice' in found ? [found] : []));
      if (from > 0) await setImmediate(); // a full inbox must not hold up the gateway's other doors
      if (files.length + broken.length === 0) continue;
      const messages = [...files.map(({ message }) => message), ...broken.map(({ notice }) => notice)];
      const taken = await takeThem(messages);
      for (const [i, { name, stamp }] of files.entries()) {
        seen.set(name, stamp);
        const { id = '', fate, file } = taken[i] ?? {};
        if (fate === 'duplicate' && file !== name && name.includes('/')) archive(id, name); // the same message under another name
      }
      for (const { name, to, reason } of broken) {
        quarantine(join(folder, name), to, reason);
        log.warn({ file: name, reason, kept: to }, 'a message in an inbox cannot be read; it is in quarantine');
      }
      log.debug({ files: files.length, new: taken.filter((one) => one && one.fate !== 'duplicate').length }, 'files of inboxes');
    }
    return isUnfinished;
  };

  /** One message that the store cannot take does not hold up the others. */
  const takeThem = async (messages: readonly NewMessage[]): Promise<(Taken | undefined)[]> => {
    try {
      return await store.call(takeMessages, { workspaceId, messages });
    } catch (error) {
      if (isFault(error) && error.code.startsWith('store.') && error.code !== 'store.failed') throw error; // it is for all of them, and passes
      if (messages.length === 1) {
        log.error({ file: messages[0]?.file, problem: messageOf(error) }, 'a message cannot be taken; its file stays where it is');
        return [undefined];
      }
      const taken: (Taken | undefined)[] = [];
      for (const message of messages) taken.push(...(await takeThem([message])));
      return taken;
    }
  };

  const archive = (id: string, name: string) => {
    const [box = '', file = name] = name.split('/', 2);
    moveAside(join(folder, name), join(folder, box, 'archive', `${id}--${file}`));
    seen.delete(name);
    shown.delete(name);
  };

  const archiveSettled = async (): Promise<void> => {
    for (;;) {
      const settled = await store.call(settledMessageFiles, { workspaceId });
      for (const { id, file } of settled) if (file !== null) archive(id, file);
      if (settled.length === 0) return;
      await store.call(noteMessageFiles, { files: settled.map(({ id }) => ({ id, file: null })) });
    }
  };

  /** What came by other doors is shown to those who read files. */
  const show = async (): Promise<void> => {
    const known = new Set(knownBoxes(config()));
    const folders = new Map(listFolder(folder).flatMap(({ name, isFolder }) => (isFolder ? [[canonicalAgent(config(), name), name] as const] : [])));
    const unshown = (await store.call(unshownMessages, { workspaceId })).filter(({ box }) => box !== OWNER_BOX && (folders.has(box) || known.has(box)));
    const files = unshown.flatMap((message) => {
      if (message.claimed_id?.startsWith('side-file ')) return [];
      const file = `${folders.get(message.box) ?? message.box}/${message.id}.json`;
      const view = viewOf(message);
      writeView(join(folder, file), `${JSON.stringify(view, null, 2)}\n`);
      const written = messageOfJson(view);
      if (written) shown.set(file, digestOf(written));
      return [{ id: message.id, file }];
    });
    if (files.length > 0) await store.call(noteMessageFiles, { files });
  };

  /** Files that should be there and are not were taken by an agent that reads its box by hand. */
  const missAny = async (): Promise<void> => {
    const open = await store.call(openMessageFiles, { workspaceId });
    for (const message of open) {
      const written = message.file !== null && basename(message.file) === `${message.id}.json` ? messageOfJson(viewOf(message)) : undefined;
      if (written && message.file !== null) shown.set(message.file, digestOf(written));
    }
    const boxes = new Set(listFolder(folder).flatMap(({ name, isFolder }) => (isFolder ? [name] : [])));
    const gone: string[] = [];
    for (const [i, { file }] of open.entries()) {
      if (i % BATCH === BATCH - 1) await setImmediate();
      if (file !== null && boxes.has(file.split('/')[0] ?? '') && !existsSync(join(folder, file))) gone.push(file);
    }
    await settleGone(gone);
  };

  const settleGone = async (files: readonly string[]): Promise<void> => {
    if (files.length === 0) return;
    const taken = await store.call(takenFromBox, { workspaceId, files });
    if (taken > 0) log.info({ taken }, 'messages were taken out of their boxes by hand: they count as read');
  };

  return {
    name: 'inbox',
    folder,
    deep: true,
    round: async (names) => {
      await show();
      if (names === 'all') await missAny();
      else await settleGone(names.filter((name) => name.includes('/') && !isNoise(basename(name)) && !existsSync(join(folder, name))));
      const isUnfinished = await take(names === 'all' ? everything() : names.filter((name) => isMessageFile(name)));
      await archiveSettled();
      return isUnfinished;
    },
    observe: () => {
      const looked = everything().map(look);
      return {
        messages: looked.filter((found) => typeof found === 'object' && 'message' in found).length,
        unreadable: looked.filter((found) => typeof found === 'object' && 'notice' in found).length,
      };
    },
    concerns: (body) => body.kind === 'message',
  };
}

/** A file that nobody can read. */
interface Broken {
  readonly name: string;
  readonly to: string;
  readonly reason: string;
  readonly notice: NewMessage;
}

/** A message of a file belongs into the box whose folder it lies in. Nobody is the owner because a file says so. */
export function placed(config: Config, folder: string, written: WrittenMessage): NewMessage {
  const sender = written.from === null ? 'unknown' : canonicalAgent(config, written.from);
  return {
    ...written,
    box: canonicalAgent(config, folder),
    sender: sender === OWNER_BOX || sender === 'gateway' ? `unverified-${sender}` : sender,
    origin: 'file',
    actor: ACTOR,
  };
}

/** A message as the files of old show it. */
function viewOf({ id, sender, box, type, subject, content, priority, arrived_at, thread, reply_to, needs_ack }: FiledMessage) {
  return {
    id,
    timestamp: new Date(arrived_at).toISOString(),
    from: sender,
    to: box,
    type,
    subject,
    priority: `P${priority}`,
    content: JSON.parse(content) as unknown, // written by takeMessage
    conversationId: thread,
    ...(reply_to !== null && { replyTo: reply_to }),
    ...(needs_ack === 1 && { requiresResponse: true }),
  };
}

function isMessageFile(name: string): boolean {
  const [box = '', file, more] = name.split('/');
  if (file === undefined) return IS_MEMO.test(box) && !isNoise(box);
  return more === undefined && !isNoise(box) && !isNoise(file);
}
