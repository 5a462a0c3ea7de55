// A real systemd of a user for tests, without systemd as the first process: in a mount namespace and a cgroup of its own. Needs root.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type RunResult, runCommand } from './installation.ts';
import { type Cleanup, until } from './scratch.ts';

const SYSTEMD = '/lib/systemd/systemd';
const USER = 'clawdbot-tests';
/** Hierarchies in which systemd makes groups for its services. */
const HIERARCHIES = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'];

/** Why there can be none here, or undefined. */
export function noSystemd(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root to start a systemd of another user';
  if (!existsSync(SYSTEMD) || spawnSync('systemctl', ['--version']).status !== 0) return 'systemd is not installed (apt install systemd dbus-user-session)';
  return undefined;
}

export interface UserSystemd {
  readonly home: string;
  /** Runs a program as that user, outside of the namespace. */
  readonly run: (program: string, args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<RunResult>;
  readonly uid: number;
}

/** Undefined where it does not come up: some containers forbid it. */
export async function startUserSystemd(t: Cleanup): Promise<UserSystemd | undefined> {
  spawnSync('useradd', ['-m', USER]);
  const uid = Number(spawnSync('id', ['-u', USER], { encoding: 'utf8' }).stdout);
  const home = spawnSync('getent', ['passwd', USER], { encoding: 'utf8' }).stdout.split(':')[5] ?? '';
  const runtime = `/run/user/${uid}`;
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  spawnSync('chown', [`${uid}:${uid}`, runtime]);
  const groups = HIERARCHIES.filter((root) => existsSync(join(root, 'cgroup.procs'))).map((root) => join(root, `clawdbot-tests-${uid}`));
  for (const group of groups) {
    mkdirSync(group, { recursive: true });
    spawnSync('chown', ['-R', `${uid}:${uid}`, group]);
  }
  const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join('; ');
  const script = `${enter}; mount --make-rprivate / && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec setpriv --reuid ${USER} --regid ${USER} --init-groups env -i HOME=${home} USER=${USER} PATH=/usr/bin:/bin XDG_RUNTIME_DIR=${runtime} ${SYSTEMD} --user`;
  const manager = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: 'ignore' });
  const run: UserSystemd['run'] = (program, args, env = {}) =>
    runCommand(
      'setpriv',
      ['--reuid', USER, '--regid', USER, '--init-groups', program, ...args],
      {
        ...{ HOME: home, USER, PATH: process.env['PATH'] ?? '/usr/bin:/bin', XDG_RUNTIME_DIR: runtime },
        ...env,
      },
      '/',
    );
  t.after(async () => {
    manager.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const group of groups.toReversed()) endGroup(group);
    spawnSync('pkill', ['-KILL', '-u', String(uid)]);
    rmSync(join(runtime), { recursive: true, force: true });
    spawnSync('userdel', ['-rf', USER]);
  });
  const isUp = await until('systemd of a user', async () => (await run('systemctl', ['--user', 'show-environment'])).code === 0, 10_000).catch(() => false);
  return isUp ? { home, run, uid } : undefined;
}

/** Ends what is left in a group of processes and removes it with those below it. */
function endGroup(group: string): void {
  for (const entry of existsSync(group) ? readdirSync(group, { withFileTypes: true }) : []) if (entry.isDirectory()) endGroup(join(group, entry.name));
  try {
    for (const pid of readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
    rmdirSync(group);
  } catch {
    // gone already, or its last process still ends
  }
}
