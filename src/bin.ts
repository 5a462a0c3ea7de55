#!/usr/bin/env node
// The command: checks that this Node can run it, then hands argv to the command line.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18) || major === 23) {
  process.stderr.write(
    `clawdbot needs Node 22.18 or newer (not 23); this is ${process.versions.node}. In a clone, npm install brings Node 24 and npx uses it.\n`,
  );
  process.exit(1);
}
// Compiled code is kept beside the bundle, where that can be written: every command starts faster.
const { enableCompileCache } = await import('node:module');
if (import.meta.url.endsWith('.mjs')) enableCompileCache?.(new URL('.compiled', import.meta.url).pathname);
const { runCli } = await import('./doors/cli/program.ts');
const { createCliWorld } = await import('./main/cli/world.ts');
const code = await runCli(process.argv.slice(2), createCliWorld());
// What was written may still be on its way through a pipe.
for (const stream of [process.stdout, process.stderr]) await new Promise<void>((resolve) => stream.write('', () => resolve()));
process.exit(code);
