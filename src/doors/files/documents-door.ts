// Documents made from policy and jobs, kept true where a team was made by the gateway. A file that is not marked as generated is never touched.

import { dirname, join } from 'node:path';
import { listCronJobs } from '../../features/cron/ops.ts';
import { OWNER_BOX } from '../../features/inbox/methods.ts';
import { MARK, teamDocuments } from '../../features/team/documents.ts';
import { keepVersion } from '../../features/workspace/versions.ts';
import { type FileDoor, type FileDoorWorld, notify } from './door.ts';
import { readShared, writeView } from './shared-file.ts';

const HEAD_CHARS = 200;

export function createDocumentsDoor(world: FileDoorWorld): FileDoor {
  const { root, workspaceId, store, config } = world;
  const workspace = dirname(root);
  /** Each document as it was written last. */
  const shown = new Map<string, string>();

  const propose = async (path: string, text: string): Promise<void> => {
    const { seq } = await store.call(keepVersion, { workspaceId, path, text, actor: 'file', note: 'an edit of a generated document' });
    const content = `${path} is made from the policy and the jobs, and its text is back. What was written there is kept: clawdbot workspace show ${path} ${seq}. To change what it says, change roles.json5 or the jobs.`;
    await notify(world, {
      type: 'request',
      subject: `A proposal: somebody edited ${path}`,
      content,
      box: OWNER_BOX,
      actor: 'file:documents',
      key: `document:${path}:${seq}`,
    });
  };

  return {
    name: 'progress',
    folder: root,
    deep: false,
    also: [{ path: join(workspace, 'docs'), deep: false, wants: /\.md$/ }],
    round: async () => {
      const index = readShared(join(root, 'INDEX.md'));
      if (index.kind !== 'text' || !index.text.slice(0, HEAD_CHARS).includes(MARK)) return false; // a team of old keeps its own
      for (const { path, text } of teamDocuments(config(), await store.call(listCronJobs, { workspaceId }))) {
        const file = readShared(join(workspace, path));
        const found = file.kind === 'text' ? file.text : undefined;
        if (found === text) {
          shown.set(path, text);
          continue;
        }
        if (found !== undefined && !found.slice(0, HEAD_CHARS).includes(MARK)) continue;
        if (found !== undefined && shown.has(path) && found !== shown.get(path)) await propose(path, found);
        writeView(join(workspace, path), text);
        shown.set(path, text);
      }
      return false;
    },
    observe: () => ({}),
    concerns: (body) => body.kind === 'cron' && (body.action === 'added' || body.action === 'updated' || body.action === 'removed'),
  };
}
