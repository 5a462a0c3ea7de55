// Temporary folders that go away with the process that made them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whatever runs actions when a test is over. */
export interface Cleanup {
  readonly after: (action: () => Promise<void> | void) => void;
}

const ended: string[] = [];

/** Removed at the very end, since what a test has started may write into it until then. One of a test that never ends stays. */
export function scratchDir(t: Cleanup): string {
  const dir = mkdtempSync(join(tmpdir(), 'cbt-'));
  t.after(() => {
    if (ended.push(dir) === 1) process.on('exit', removeEnded);
  });
  return dir;
}

function removeEnded(): void {
  for (const dir of ended) {
    try {
      rmSync(dir, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
    } catch {
      // a process that outlives its test by a moment: the folder stays among the temporary ones
    }
  }
}

/** Waits until the condition holds. @throws Error after `ms` with what was last seen */
export async function until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>, ms = 10_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
