// Notices that a file was changed: at once by fs.watch, and every 30 s whatever was missed.

import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

interface WatchOptions {
  readonly path: string;
  /** Looks at the file; cheap when nothing changed. */
  readonly look: () => void;
}

/** Editors write in several steps: the file is looked at when it has been still for this long. */
const STILL_MS = 100;
const SWEEP_MS = 30_000;

export function watchFile({ path, look }: WatchOptions): { readonly close: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(look, STILL_MS);
  };
  try {
    const name = basename(path);
    watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
      if (changed === null || changed === name) soon();
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    watcher = undefined; // no watches left on this system: the sweep finds edits
  }
  const sweep = setInterval(look, SWEEP_MS);
  return {
    close: () => {
      clearTimeout(timer);
      clearInterval(sweep);
      watcher?.close();
    },
  };
}
