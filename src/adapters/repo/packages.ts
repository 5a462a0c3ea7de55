// Packages that the tests of a repository need: installed once for each lock file, in the sandbox, from the registry alone, without install scripts.

import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newSecret, sha256Hex } from '../../kit/id.ts';
import type { RepoMirror } from '../../ports/repo.ts';
import type { Sandbox } from '../../ports/sandbox.ts';
import { runCommand } from './run-command.ts';

export interface PackagesOptions {
  readonly mirror: Pick<RepoMirror, 'file'>;
  /** The commit whose lock file holds. */
  readonly commit: string;
  /** Folder of the package in the repository. */
  readonly folder: string;
  /** Packages may run their install scripts: the owner's choice for a repository. */
  readonly scripts: boolean;
  readonly registry: string;
  /** Where they are kept. */
  readonly home: string;
  readonly sandbox: Sandbox;
  readonly path: string;
  readonly signal: AbortSignal;
  /** The way out for a command in the sandbox, open while it runs. */
  readonly withEgress: <T>(
    allow: readonly string[],
    use: (through: (argv: readonly string[]) => { argv: readonly string[]; env: Readonly<Record<string, string>>; binds: readonly string[] }) => Promise<T>,
  ) => Promise<T>;
}

const INSTALL_TIMEOUT_MS = 600_000;
/** What this machine trusts besides what Node does: a registry behind an authority of one's own works too. */
const SYSTEM_TRUST = '/etc/ssl/certs/ca-certificates.crt';
const LOCKS = ['npm-shrinkwrap.json', 'package-lock.json'];

/** The folder of the installed packages, or undefined where the repository has no lock file of npm. @throws Error that says why they cannot be installed */
export async function installPackages({
  mirror,
  commit,
  folder,
  scripts,
  registry,
  home,
  sandbox,
  path,
  signal,
  withEgress,
}: PackagesOptions): Promise<string | undefined> {
  const read = (name: string) => mirror.file(commit, folder === '.' ? name : `${folder}/${name}`);
  const manifest = await read('package.json');
  let lock: { readonly name: string; readonly text: string } | undefined;
  for (const name of LOCKS) {
    const text = lock === undefined ? await read(name) : undefined;
    if (text !== undefined) lock = { name, text };
  }
  if (manifest === undefined || lock === undefined || !hasPackages(lock.text)) return undefined;
  const place = join(home, `packages-${sha256Hex(`${manifest}\n${lock.text}\n${scripts}`).slice(0, 24)}`);
  if (existsSync(place)) return join(place, 'node_modules');
  const fresh = `${place}.${newSecret(4)}`;
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(join(fresh, 'package.json'), manifest);
    writeFileSync(join(fresh, lock.name), lock.text);
    const npm = ['npm', 'ci', '--no-audit', '--no-fund', '--no-progress', '--registry', registry, ...(scripts ? [] : ['--ignore-scripts'])];
    const { host, protocol, port, hostname } = new URL(registry);
    const allow = [port === '' ? `${hostname}:${protocol === 'https:' ? 443 : 80}` : host];
    const base = { PATH: path, LANG: 'C.UTF-8', CI: '1', ...(existsSync(SYSTEM_TRUST) && { NODE_EXTRA_CA_CERTS: SYSTEM_TRUST }) };
    const result = await withEgress(allow, (through) => {
      const { argv, env, binds } = through(npm);
      const wrapped = sandbox.wrap({
        argv,
        cwd: fresh,
        workspace: fresh,
        binds,
        hidden: [],
        network: 'none',
        env: { ...base, ...env },
      });
      return runCommand({ wrapped, timeoutMs: INSTALL_TIMEOUT_MS, signal });
    });
    signal.throwIfAborted();
    if (result.code !== 0)
      throw new Error(
        `its packages cannot be installed (${npm.slice(0, 2).join(' ')}): ${result.timedOut ? 'it took too long' : (result.stderr || result.stdout).trim().slice(-600)}`,
      );
    mkdirSync(join(fresh, 'node_modules'), { recursive: true });
    if (!existsSync(place)) renameSync(fresh, place);
    return join(place, 'node_modules');
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function hasPackages(lock: string): boolean {
  try {
    const { packages = {}, dependencies = {} } = JSON.parse(lock) as { packages?: object; dependencies?: object };
    return Object.keys(packages).some((name) => name !== '') || Object.keys(dependencies).length > 0;
  } catch {
    return true; // npm says what is wrong with it
  }
}

/** Puts them where the tests of a tree look for them, unless the repository brings its own. */
export function linkPackages(packages: string, folder: string): void {
  const place = join(folder, 'node_modules');
  if (!existsSync(place)) symlinkSync(packages, place);
}
