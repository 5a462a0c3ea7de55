// Progress notes, JOBS.md and PROACTIVE-JOBS.md: every version is kept, what they say of tasks is taken as far as their writer may say it,
// and the tasks as they are stand in scheduler/TASKS.md.

import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROLES, type Role } from '../../domain/role.ts';
import { hasConflictMarkers, rolePolicies } from '../../domain/team.ts';
import { isGenerated, readWork, renderWork, type WrittenTask } from '../../domain/work-file.ts';
import { OWNER_BOX } from '../../features/inbox/methods.ts';
import { listTasks, type TakenFile, takeWorkFile } from '../../features/tasks/ops.ts';
import { keepVersion } from '../../features/workspace/versions.ts';
import { sha256Hex } from '../../kit/id.ts';
import { type FileDoor, type FileDoorWorld, notify } from './door.ts';
import { isNoise, listFolder, markdownUnder, readShared, STILL_MS, writeView } from './shared-file.ts';

const ACTOR = 'file';
const MOST_TASKS = 5000;
const QUEUE_FILES = ['PROACTIVE-JOBS.md', 'scheduler/PROACTIVE-JOBS.md'];
/** Whoever is not named: the queue belongs to those who hand out work. */
const QUEUE_ROLE: Role = 'task-manager';
const SHRUNK = 0.5;

export function createProgressDoor(world: FileDoorWorld): FileDoor {
  const { root, workspaceId, store, config, clock, log } = world;
  const workspace = dirname(root);
  const viewPath = join(root, 'TASKS.md');
  const seen = new Map<string, string>();
  let shown: string | undefined;
  let tasksChanged = true;

  const notes = (): string[] => markdownUnder(join(root, 'progress')).map((path) => relative(workspace, path));
  const lists = (): string[] =>
    [...QUEUE_FILES, ...folders(root).map((role) => `scheduler/${role}/JOBS.md`)].filter((path) => existsSync(join(workspace, path)));

  /** The text of a file that changed since it was looked at. */
  const news = (path: string): string | 'later' | undefined => {
    const read = readShared(join(workspace, path), seen.get(path));
    if (read.kind !== 'text') return undefined;
    if (clock.now() - read.mtimeMs < SETTLE_MS) return 'later'; // a redirect empties a file before it fills it
    seen.set(path, read.stamp);
    return read.text;
  };

  const takeList = async (path: string, text: string): Promise<void> => {
    const writer = writerOf(path);
    const tasks = readWork(text, 'main');
    const taken = await store.call(takeWorkFile, { workspaceId, path, text, actor: ACTOR, tasks, writer, policies: rolePolicies(config()) });
    const { isNew, before, seq } = taken.version;
    if (!isNew) return;
    if (before === null) return log.info({ path, tasks: tasks.length }, 'a list of tasks was taken over');
    const isShorter = text.length < before.text.length * SHRUNK;
    if (taken.refused.length + taken.missing.length > 0) await warn(path, seq, writer, taken, isShorter);
  };

  /** An identity with the marks of a merge in it is told to the owner, once; models are not shown it. */
  const lookAtIdentities = async (): Promise<boolean> => {
    let isUnfinished = false;
    for (const folder of folders(root)) {
      const path = `scheduler/${folder}/IDENTITY.md`;
      const text = news(path);
      if (text === 'later') isUnfinished = true;
      if (text === undefined || text === 'later' || !hasConflictMarkers(text)) continue;
      const content = `${path} holds two versions that a merge left side by side. Until somebody chooses, its agent works without it.`;
      await notify(world, {
        type: 'request',
        subject: `${path} has unresolved conflict markers`,
        content,
        box: OWNER_BOX,
        actor: 'file:progress',
        key: `conflict:${path}:${sha256Hex(text)}`,
      });
    }
    return isUnfinished;
  };

  const writerOf = (path: string): Role => {
    const policies = rolePolicies(config());
    const folder = path.split('/')[1] ?? '';
    return path.endsWith('/JOBS.md') ? (ROLES.find((role) => policies[role].box === folder) ?? QUEUE_ROLE) : QUEUE_ROLE;
  };

  const warn = async (path: string, seq: number, role: Role, { refused, missing }: TakenFile, isShorter: boolean) => {
    await notify(world, {
      type: 'notification',
      subject: `${path}: ${[...(refused.length > 0 ? [`${refused.length} changes refused`] : []), ...(missing.length > 0 ? [`${missing.length} tasks left out`] : [])].join(', ')}`,
      content: {
        ...(refused.length > 0 && { refused: refused.slice(0, 50) }),
        ...(missing.length > 0 && {
          leftOut: missing.slice(0, 50),
          note: `They keep their state. ${isShorter ? 'The file lost more than half of its text: ' : ''}The version before is kept: clawdbot workspace show ${path} ${seq - 1}`,
        }),
      },
      box: rolePolicies(config())[role].box,
      actor: 'file:progress',
      key: `file:${path}:${seq}`,
    });
  };

  /** An edit of the view is a proposal to those who split work. */
  const takeProposal = async (): Promise<void> => {
    const read = readShared(viewPath);
    if (read.kind !== 'text' || shown === undefined || read.text === shown) return;
    if (!isGenerated(read.text)) log.warn({ file: viewPath }, 'a view of the tasks lost its first line; it is written anew');
    const kept = await store.call(keepVersion, { workspaceId, path: 'scheduler/TASKS.md', text: read.text, actor: ACTOR, note: 'an edit of the view' });
    const now = new Map((await current()).map((task) => [`${task.project}\n${task.name}`, task]));
    const wishes = readWork(read.text, 'main').filter((wish) => differs(wish, now.get(`${wish.project}\n${wish.name}`)));
    if (wishes.length > 0) {
      const content = { proposals: wishes.map(({ project, name, title, said, owner }) => ({ project, name, title, status: said, owner })).slice(0, 100) };
      await notify(world, {
        type: 'request',
        subject: `A proposal: ${wishes.length} changes in scheduler/TASKS.md`,
        content,
        box: 'coordinator',
        actor: 'file:progress',
        key: `proposal:${sha256Hex(read.text)}:${kept.seq}`,
      });
    }
    tasksChanged = true;
  };

  const current = () => store.call(listTasks, { workspaceId, limit: MOST_TASKS, open: false });
  const showTasks = async (): Promise<void> => {
    if (!tasksChanged) return;
    tasksChanged = false;
    const tasks = await current();
    if (tasks.length === 0 && shown === undefined) return;
    const text = renderWork(tasks);
    if (shown === undefined) {
      const read = readShared(viewPath);
      if (read.kind === 'text' && read.text !== text) await store.call(keepVersion, { workspaceId, path: 'scheduler/TASKS.md', text: read.text, actor: ACTOR });
    }
    if (text !== shown || readShared(viewPath).kind === 'gone') writeView(viewPath, text);
    shown = text;
  };

  return {
    name: 'progress',
    folder: join(root, 'progress'),
    deep: true,
    also: [
      { path: root, deep: true, wants: /(^|\/)(JOBS|PROACTIVE-JOBS|TASKS|IDENTITY)\.md$/ },
      { path: workspace, deep: false, wants: /^PROACTIVE-JOBS\.md$/ },
    ],
    round: async () => {
      let isUnfinished = false;
      await takeProposal();
      for (const path of notes()) {
        const text = news(path);
        if (text === 'later') isUnfinished = true;
        else if (text !== undefined) await store.call(keepVersion, { workspaceId, path, text, actor: ACTOR });
      }
      for (const path of lists()) {
        const text = news(path);
        if (text === 'later') isUnfinished = true;
        else if (text !== undefined) await takeList(path, text);
      }
      if (await lookAtIdentities()) isUnfinished = true;
      await showTasks();
      return isUnfinished;
    },
    observe: () => ({ notes: notes().length, lists: lists().length, tasks: countTasks(workspace, lists()) }),
    concerns: (body) => {
      if (body.kind === 'task') tasksChanged = true;
      return body.kind === 'task';
    },
  };
}

const SETTLE_MS = Math.min(STILL_MS, 300);

function differs(
  { said, title, owner }: WrittenTask,
  task: { readonly state: string; readonly title: string; readonly owner: string | null } | undefined,
): boolean {
  return !task || (said !== null && said !== task.state) || title !== task.title || owner !== task.owner;
}

function countTasks(workspace: string, paths: readonly string[]): number {
  return paths.reduce((sum, path) => {
    const read = readShared(join(workspace, path));
    return sum + (read.kind === 'text' ? readWork(read.text, 'main').length : 0);
  }, 0);
}

function folders(path: string): string[] {
  return listFolder(path).flatMap(({ name, isFolder }) => (isFolder && !isNoise(name) ? [name] : []));
}
