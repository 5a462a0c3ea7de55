// The scheduler folder of a workspace: what the team shares as files.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export function schedulerRoot(workspace: string): string {
  return join(workspace, 'scheduler');
}

/** Whether agents of old have been at work here. */
export function hasTraffic(root: string): boolean {
  const inboxes = join(root, 'inboxes');
  const folders = [
    ...names(inboxes).map((box) => join(inboxes, box)),
    ...['requests', 'processing', 'responses'].map((name) => join(root, 'spawn-queue', name)),
    join(root, 'heartbeats'),
  ];
  return folders.some((folder) => names(folder).some((name) => /\.(json|md)$/.test(name) && !/^readme/i.test(name)));
}

function names(folder: string): string[] {
  try {
    return existsSync(folder) ? readdirSync(folder) : [];
  } catch {
    return [];
  }
}
