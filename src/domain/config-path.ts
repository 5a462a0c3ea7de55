// Paths into the configuration as people write them: gateway.port, agents.list[0].id, models.providers["my.host"].apiKey.

import { fault } from './fault-codes.ts';

const STEP = /(?:^|\.)((?:\\.|[^.[\]\\])+)|\[(\d+)\]|\["((?:\\.|[^"\\])*)"\]/gy;

/** The keys of a written path; `\.` is a dot within a key. @throws Fault `request.refused` */
export function parsePath(written: string): readonly string[] {
  const keys: string[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < written.length) {
    const step = STEP.exec(written);
    if (!step) throw fault('request.refused', { reason: `"${written}" is no path: write keys with dots between them, like gateway.port or agents.list[0].id` });
    keys.push((step[1] ?? step[2] ?? step[3] ?? '').replace(/\\(.)/g, '$1'));
  }
  if (keys.length === 0) throw fault('request.refused', { reason: 'the path is empty: write keys with dots between them, like gateway.port' });
  return keys;
}

/** The value at a path, or undefined. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let inner = value;
  for (const key of path) {
    if (inner === null || typeof inner !== 'object' || !Object.hasOwn(inner, key)) return undefined;
    inner = (inner as Record<string, unknown>)[key]; // an object that has the key
  }
  return inner;
}
