// Temporary folders that go away with the test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whatever runs actions when a test is over. */
export interface Cleanup {
  readonly after: (action: () => Promise<void> | void) => void;
}

export function scratchDir(t: Cleanup): string {
  const dir = mkdtempSync(join(tmpdir(), 'cbt-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
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
