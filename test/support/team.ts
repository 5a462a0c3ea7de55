// A team's workspace for tests: the folders as agents of old know them, and files as they write them.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const BOXES = ['person-manager', 'story-architect', 'coordinator', 'validator', 'task-managers', 'workers'] as const;

export function makeScheduler(workspace: string): string {
  const root = join(workspace, 'scheduler');
  for (const box of BOXES) mkdirSync(join(root, 'inboxes', box, 'archive'), { recursive: true });
  for (const name of ['requests', 'processing', 'responses', 'archive']) mkdirSync(join(root, 'spawn-queue', name), { recursive: true });
  for (const name of ['heartbeats', 'progress']) mkdirSync(join(root, name), { recursive: true });
  return root;
}

/** As `cat > file << 'EOF'` does: not atomic, names taken literally. */
export function drop(path: string, content: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
}

export function namesIn(...path: readonly string[]): string[] {
  try {
    return readdirSync(join(...path), { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []));
  } catch {
    return [];
  }
}

// biome-ignore lint/suspicious/noExplicitAny: files of many shapes, looked into by tests
export function readJson(...path: readonly string[]): any {
  return JSON.parse(readFileSync(join(...path), 'utf8'));
}

/** Everything under a folder, by its path. */
export function everyFile(root: string): Map<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(files.map(({ parentPath, name }) => [join(parentPath, name).slice(root.length + 1), readFileSync(join(parentPath, name), 'utf8')]));
}
