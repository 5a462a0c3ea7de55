// The store as read by commands while no gateway runs: the file of the state folder, or the database in its place.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../domain/config.ts';
import { systemClock } from '../../kit/clock.ts';
import type { Store } from '../../ports/store.ts';

/** Undefined when there is none yet. @throws Error when a database cannot be reached */
export async function openReader(stateDir: string, { store: { url } }: Config): Promise<Store | undefined> {
  if (url !== undefined) {
    const { openPostgresReader } = await import('../../adapters/store/postgres/readers.ts');
    return openPostgresReader(url, systemClock);
  }
  const path = join(stateDir, 'gateway.sqlite');
  if (!existsSync(path)) return undefined;
  const { openSqliteReader } = await import('../../adapters/store/sqlite/engine.ts');
  return openSqliteReader(path, systemClock);
}
