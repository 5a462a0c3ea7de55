// Bundles the program into dist/ and writes the package.json it is published with.

import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const { name, version, description, license, type, engines, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: { clawdbot: 'src/bin.ts', worker: 'src/main/worker.ts', store: 'src/main/store.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  minifyWhitespace: true,
  minifySyntax: true,
  external: ['better-sqlite3'],
  // CommonJS packages inside the bundle ask for Node's own modules by require.
  banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
  logLevel: 'warning',
});
chmodSync('dist/clawdbot.mjs', 0o755);
copyFileSync('LICENSE', 'dist/LICENSE');
copyFileSync('README.md', 'dist/README.md');
const published = {
  name,
  version,
  description,
  license,
  type,
  engines,
  bin: { clawdbot: 'clawdbot.mjs' },
  dependencies: { 'better-sqlite3': dependencies['better-sqlite3'] },
};
writeFileSync('dist/package.json', `${JSON.stringify(published, null, 2)}\n`);
