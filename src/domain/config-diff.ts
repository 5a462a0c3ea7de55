// What differs between two configurations, what a change takes away, and which keys wait for the next start.

import { isCredentialKey } from './config.ts';

type Values = ReadonlyMap<string, unknown>;

/** Every leaf of a value by its dotted path. Lists count as one leaf. */
function leavesOf(value: unknown): Values {
  const leaves = new Map<string, unknown>();
  const walk = (inner: unknown, path: string) => {
    if (inner !== null && typeof inner === 'object' && !Array.isArray(inner)) {
      for (const [key, item] of Object.entries(inner)) walk(item, path === '' ? key : `${path}.${key}`);
    } else leaves.set(path, inner);
  };
  walk(value ?? {}, '');
  return leaves;
}

/** Paths that are new, gone or have another value. */
export function changedPaths(before: unknown, after: unknown): readonly string[] {
  const [old, now] = [leavesOf(before), leavesOf(after)];
  return [...new Set([...old.keys(), ...now.keys()])].filter((path) => JSON.stringify(old.get(path)) !== JSON.stringify(now.get(path))).sort();
}

const LARGEST_LOSS = 0.1;
const SMALL_FILE = 10;

/** What a write would remove and probably should not, in words, or undefined: a credential, or more than a tenth of the keys. */
export function suspiciousLoss(before: unknown, after: unknown): string | undefined {
  const [old, now] = [leavesOf(before), leavesOf(after)];
  const lost = [...old.keys()].filter((path) => !now.has(path));
  const credential = lost.find((path) => isCredentialKey(path.split('.').at(-1) ?? ''));
  if (credential !== undefined) return `the credential ${credential}`;
  if (lost.length > 1 && lost.length > Math.max(old.size, SMALL_FILE) * LARGEST_LOSS)
    return `${lost.length} of ${old.size} keys (${lost.slice(0, 3).join(', ')} …)`;
  return undefined;
}

/** Read once, when the gateway starts. Everything else takes effect at once. */
const AT_START = ['gateway.port', 'gateway.bind', 'gateway.workerSlots', 'logging.dir', 'logging.retentionDays'];

export function needsRestart(changed: readonly string[]): readonly string[] {
  return changed.filter((path) => AT_START.some((key) => path === key || path.startsWith(`${key}.`)));
}
