// What the demos share: a folder that is theirs alone, a gateway in it, and how they speak.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newSecret } from '../src/kit/id.ts';

export const HERE = fileURLToPath(new URL('.', import.meta.url));
const COMMAND = fileURLToPath(new URL('../dist/clawdbot.mjs', import.meta.url));

export interface Stage {
  readonly base: string;
  readonly workspace: string;
  readonly stateDir: string;
  readonly token: string;
}

export const say = (text = '') => process.stdout.write(`${text}\n`);
export const step = (text: string) => say(`\n== ${text}`);

export function fail(message: string): never {
  say(`\nThe demo failed: ${message}`);
  process.exit(1);
}

export function prepare(): Stage {
  const base = mkdtempSync(join(tmpdir(), 'clawdbot-demo-'));
  return { base, workspace: join(base, 'workspace'), stateDir: join(base, 'state'), token: newSecret() };
}

export const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost', '-c', 'init.defaultBranch=main', ...args], { cwd, encoding: 'utf8' });

export function runTests(cwd: string, command: string): { passed: boolean; code: number | null; output: string } {
  const { NODE_TEST_CONTEXT: _inner, ...env } = process.env; // a demo run inside a test must not report to it
  const { status, stdout, stderr } = spawnSync(command, { cwd, shell: true, encoding: 'utf8', env });
  return { passed: status === 0, code: status, output: stdout + stderr };
}

export function startGateway(
  { workspace, stateDir, token }: Stage,
  simulatorUrl: string | undefined,
): Promise<{ child: ReturnType<typeof spawn>; port: number }> {
  const config = {
    gateway: { mode: 'local', port: 0, auth: { mode: 'token', token } },
    agents: { defaults: { workspace, model: simulatorUrl ? 'simulator/demo' : 'sonnet', sandbox: { mode: 'auto' } } },
    ...(simulatorUrl && { models: { providers: { simulator: { baseUrl: simulatorUrl, api: 'anthropic-messages', apiKey: 'none' } } } }),
  };
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(stateDir, 'clawdbot.json'), JSON.stringify(config, null, 2), { mode: 0o600 });
  if (!existsSync(COMMAND)) fail('dist/ is missing: run npm run setup');
  const gateway = spawn(process.execPath, [COMMAND, 'gateway'], {
    env: { ...process.env, CLAWDBOT_STATE_DIR: stateDir, CLAWDBOT_GATEWAY_TOKEN: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.once('exit', () => gateway.kill('SIGKILL'));
  return new Promise((ready) => {
    let output = '';
    for (const stream of [gateway.stdout, gateway.stderr])
      stream.on('data', (data: Buffer) => {
        output += data.toString();
        const found = /listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
        if (found) ready({ child: gateway, port: Number(found) });
      });
    gateway.once('exit', (code) => code !== 0 && fail(`the gateway ended with code ${code}: ${output}`));
  });
}
