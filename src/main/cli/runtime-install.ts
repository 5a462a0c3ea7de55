// Puts the claude command where workers look for it: by npm, into the state folder, in the version that was tested.

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findClaude } from '../../adapters/runtimes/claude-code.ts';
import { own } from '../../kit/own.ts';
import type { Environment } from '../environment.ts';
import { configOf } from './facts.ts';

const PACKAGE = '@anthropic-ai/claude-code';
const VERSION = '2.1.332';

export function installedClaude(environment: Environment): string | undefined {
  const path = own(environment.variables, 'PATH') ?? '';
  return findClaude({ configured: configOf(environment).agents.defaults.claudeCommand, stateDir: environment.stateDir, path });
}

/** @throws Error with what npm said */
export async function installClaude({ stateDir }: Environment): Promise<string> {
  const dir = join(stateDir, 'runtimes', 'claude-code');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const args = ['install', '--prefix', dir, '--no-save', '--no-audit', '--no-fund', `${PACKAGE}@${VERSION}`];
  const child = spawn('npm', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-4000);
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  if (code !== 0)
    throw new Error(
      code === null
        ? 'npm cannot be started: install Node.js with npm, or install the claude command yourself'
        : `npm could not install ${PACKAGE}:\n${said.trim()}`,
    );
  return join(dir, 'node_modules', '.bin', 'claude');
}
