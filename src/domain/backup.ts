// Backups: what one holds, and which are kept.

import { z } from 'zod';

export const Manifest = z.object({
  format: z.literal(1),
  id: z.string(),
  createdAt: z.number(),
  version: z.string(),
  engine: z.enum(['sqlite', 'postgres']),
  /** Version of the tables. */
  schema: z.number(),
  files: z.array(z.object({ name: z.string(), from: z.enum(['store', 'state', 'config']), path: z.string(), bytes: z.number(), sha256: z.string() })),
});
export type Manifest = z.infer<typeof Manifest>;

export interface Backup {
  readonly id: string;
  readonly path: string;
  readonly createdAt: number;
  readonly engine: Manifest['engine'];
  readonly files: number;
  /** On the disk, compressed. */
  readonly bytes: number;
}

interface Retention {
  readonly latest: number;
  readonly daily: number;
  readonly weekly: number;
}

const DAY_MS = 86_400_000;

/** Ids of those that may go: neither among the latest, nor the last of one of the last days or weeks. */
export function outdated(backups: readonly Pick<Backup, 'id' | 'createdAt'>[], { latest, daily, weekly }: Retention): string[] {
  const sorted = backups.toSorted((a, b) => b.createdAt - a.createdAt);
  const keep = new Set(sorted.slice(0, latest).map(({ id }) => id));
  for (const [count, lengthMs] of [
    [daily, DAY_MS],
    [weekly, 7 * DAY_MS],
  ] as const) {
    const periods = new Set<number>();
    for (const { id, createdAt } of sorted) {
      const period = Math.floor(createdAt / lengthMs);
      if (periods.has(period) || periods.size >= count) continue;
      periods.add(period);
      keep.add(id);
    }
  }
  return sorted.map(({ id }) => id).filter((id) => !keep.has(id));
}
