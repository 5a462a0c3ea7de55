// Finds the sibling entry points: TypeScript files in development, bundles in the installed program.

import { fileURLToPath } from 'node:url';

export function entryPath(name: 'store' | 'worker'): string {
  const isSource = import.meta.url.endsWith('.ts');
  return fileURLToPath(new URL(isSource ? `./${name}.ts` : `./${name}.mjs`, import.meta.url));
}
