// A team's workspace of another place, read and never changed: its mail, its tasks, its notes, its heartbeats.

import { basename, join, relative } from 'node:path';
import type { Config } from '../../domain/config.ts';
import { readHeartbeat, type WrittenHeartbeat } from '../../domain/heartbeat-file.ts';
import { messageOfJson, messageOfText } from '../../domain/inbox.ts';
import { readRequest } from '../../domain/spawn-file.ts';
import { readWork, type WrittenTask } from '../../domain/work-file.ts';
import type { NewMessage } from '../../features/inbox/ops.ts';
import { messageOf } from '../../kit/fault.ts';
import { parseJson } from '../../kit/json.ts';
import { placed } from '../files/inbox-door.ts';
import { schedulerRoot } from '../files/scheduler-root.ts';
import { isNoise, listFolder, markdownUnder, readShared } from '../files/shared-file.ts';
import type { Problem } from './original.ts';

const IS_MEMO = /\.(md|markdown|txt)$/i;

export interface SharedFolder {
  readonly messages: readonly NewMessage[];
  readonly lists: readonly { readonly path: string; readonly text: string; readonly tasks: readonly WrittenTask[] }[];
  readonly notes: readonly { readonly path: string; readonly text: string }[];
  readonly heartbeats: readonly (WrittenHeartbeat & { readonly seenAt: number })[];
  /** Requests that nobody answered, and answers that nobody asked for. */
  readonly openRequests: readonly string[];
  readonly orphanResponses: readonly string[];
  readonly unreadable: readonly Problem[];
}

export function readSharedFolder(workspace: string, config: Config): SharedFolder {
  const root = schedulerRoot(workspace);
  const unreadable: Problem[] = [];
  const read = (path: string): { text: string; mtimeMs: number } | undefined => {
    const file = readShared(path);
    if (file.kind === 'unreadable') unreadable.push({ path: relative(workspace, path), problem: file.reason });
    return file.kind === 'text' ? file : undefined;
  };
  const json = (path: string): unknown => {
    const file = read(path);
    if (!file) return undefined;
    try {
      return parseJson(file.text);
    } catch (error) {
      unreadable.push({ path: relative(workspace, path), problem: messageOf(error) });
      return undefined;
    }
  };

  const messages: NewMessage[] = [];
  for (const { name: box, isFolder } of listFolder(join(root, 'inboxes'))) {
    if (!isFolder || isNoise(box)) continue;
    for (const [folder, isSettled] of [[join(root, 'inboxes', box), false] as const, [join(root, 'inboxes', box, 'archive'), true] as const]) {
      for (const { name, isFolder: isInner } of listFolder(folder)) {
        if (isInner || isNoise(name)) continue;
        const path = join(folder, name);
        const file = IS_MEMO.test(name) ? read(path) : undefined;
        const written = file ? messageOfText(file.text) : IS_MEMO.test(name) ? undefined : messageOfJson(json(path));
        if (written) messages.push({ ...placed(config, box, written), ...(isSettled && { isSettled }), original: file?.text ?? read(path)?.text ?? '' });
      }
    }
  }

  const lists = [
    'PROACTIVE-JOBS.md',
    'scheduler/PROACTIVE-JOBS.md',
    ...listFolder(root).flatMap(({ name, isFolder }) => (isFolder ? [`scheduler/${name}/JOBS.md`] : [])),
  ].flatMap((path) => {
    const file = read(join(workspace, path));
    return file ? [{ path, text: file.text, tasks: readWork(file.text, 'main') }] : [];
  });
  const notes = markdownUnder(join(root, 'progress')).flatMap((path) => {
    const file = read(path);
    return file ? [{ path: relative(workspace, path), text: file.text }] : [];
  });
  const heartbeats = listFolder(join(root, 'heartbeats')).flatMap(({ name, isFolder }) => {
    if (isFolder || !name.endsWith('.json')) return [];
    const file = read(join(root, 'heartbeats', name));
    const beat = readHeartbeat(json(join(root, 'heartbeats', name)), name);
    return beat && file ? [{ ...beat, seenAt: Math.round(file.mtimeMs) }] : [];
  });

  const queue = join(root, 'spawn-queue');
  const requestsIn = (folder: string) =>
    listFolder(join(queue, folder)).flatMap(({ name, isFolder }) => {
      if (isFolder || !name.endsWith('.json') || isNoise(name)) return [];
      const found = readRequest(json(join(queue, folder, name)), name);
      return [found.ok ? found.request.requestId : name.replace(/\.json$/, '')];
    });
  const asked = new Set([...requestsIn('requests'), ...requestsIn('processing'), ...requestsIn('archive')]);
  const answered = listFolder(join(queue, 'responses')).flatMap(({ name, isFolder }) => (isFolder || !name.endsWith('.json') ? [] : [basename(name, '.json')]));
  const isAnswered = new Set(answered);
  return {
    messages,
    lists,
    notes,
    heartbeats,
    openRequests: [...requestsIn('requests'), ...requestsIn('processing')].filter((id) => !isAnswered.has(id)),
    orphanResponses: answered.filter((id) => !asked.has(id)),
    unreadable,
  };
}
