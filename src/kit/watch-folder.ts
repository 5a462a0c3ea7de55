// Notices what happens to the names in a folder and, where wanted, in the folders directly in it. It may miss things: a sweep stands behind it.

import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

interface WatchFolderOptions {
  readonly path: string;
  /** Whether the folders in it are watched too. */
  readonly deep: boolean;
  /** A name, from the folder, was made, changed or taken away; undefined when it is not known which. */
  readonly onChange: (name: string | undefined) => void;
}

export interface FolderWatch {
  /** Watches what has come since: folders that were made, the folder itself after it was replaced. */
  readonly renew: () => void;
  readonly close: () => void;
}

export function watchFolder({ path, deep, onChange }: WatchFolderOptions): FolderWatch {
  const watchers = new Map<string, FSWatcher>();

  const begin = (folder: string) => {
    if (watchers.has(folder)) return;
    try {
      const watcher = watch(join(path, folder), { persistent: false }, (event, changed) => {
        if (changed === null) return onChange(undefined);
        if (folder === '' && deep && event === 'rename') renew();
        onChange(folder === '' ? changed : `${folder}/${changed}`);
      });
      const end = () => {
        watcher.close();
        watchers.delete(folder);
      };
      watcher.on('error', end);
      watchers.set(folder, watcher);
    } catch {
      // it is not there, or the system has no watches left: the sweep finds what happens
    }
  };

  const renew = () => {
    begin('');
    if (!deep) return;
    const folders = new Set(foldersIn(path));
    for (const [name, watcher] of watchers) {
      if (name === '' || folders.has(name)) continue;
      watcher.close();
      watchers.delete(name);
    }
    for (const name of folders) begin(name);
  };

  renew();
  return {
    renew,
    close: () => {
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() && !entry.name.startsWith('.') ? [entry.name] : []));
  } catch {
    return [];
  }
}
