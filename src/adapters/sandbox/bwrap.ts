// Bubblewrap: read-only system, own processes, no network, the workspace the only place to write.

import { execFile } from 'node:child_process';
import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { messageOf } from '../../kit/fault.ts';
import type { Sandbox, SandboxProbe, SandboxRequest } from '../../ports/sandbox.ts';

const SYSTEM_LINKS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64'];
const READABLE_ETC = [
  'alternatives',
  'ca-certificates',
  'chromium.d',
  'fonts',
  'group',
  'host.conf',
  'hosts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'passwd',
  'ssl',
];
const PROBE_TIMEOUT_MS = 5000;

/** Where the running Node lives, bound so that `node` works inside whatever installed it. */
const nodePrefix = () => dirname(dirname(realpathSync(process.execPath)));

/** `file` is the program: commands get another PATH than the one in which it was found. */
const bwrapAt = (file: string): Sandbox => ({
  level: 'bwrap',
  wrap: ({ argv, cwd, workspace, binds, hidden, network, env }) => ({
    file,
    args: [
      ...['--unshare-all', ...(network === 'host' ? ['--share-net'] : []), '--unshare-user', '--disable-userns'],
      ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
      ...['--ro-bind', '/usr', '/usr', ...SYSTEM_LINKS.flatMap(systemLink)],
      ...[...READABLE_ETC, ...(network === 'host' ? ['resolv.conf'] : [])].flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
      ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', '/run'],
      ...[nodePrefix(), ...binds].flatMap((path) => (path.startsWith('/usr/') ? [] : ['--ro-bind-try', path, path])),
      ...['--bind', workspace, workspace, '--ro-bind-try', `${workspace}/.git/hooks`, `${workspace}/.git/hooks`],
      ...hidden.filter((path) => path.startsWith(`${workspace}/`)).flatMap((path) => ['--tmpfs', path]),
      ...['--chdir', cwd, '--', ...argv],
    ],
    env: { ...env, PATH: `${dirname(realpathSync(process.execPath))}:${env['PATH'] ?? '/usr/bin:/bin'}`, HOME: '/tmp' },
    cwd: '/',
  }),
});

/** `/bin` and its like are links into /usr on merged systems and folders elsewhere. */
function systemLink(path: string): string[] {
  try {
    return lstatSync(path).isSymbolicLink() ? ['--symlink', `usr${path}`, path] : ['--ro-bind', path, path];
  } catch {
    return []; // this system has no such path
  }
}

/** Tries the real profile on `true`: what works here is what commands will get. `path` is where programs are looked for. */
export function probeBwrap(path: string): Promise<SandboxProbe> {
  const program = path
    .split(delimiter)
    .map((folder) => join(folder, 'bwrap'))
    .find((file) => existsSync(file));
  if (program === undefined) return Promise.resolve({ ok: false, reason: 'bubblewrap is not installed' });
  const sandbox = bwrapAt(program);
  const request: SandboxRequest = { argv: ['true'], cwd: '/tmp', workspace: '/tmp', binds: [], hidden: [], network: 'none', env: { PATH: '/usr/bin:/bin' } };
  const { file, args, env } = sandbox.wrap(request);
  return new Promise((resolve) => {
    execFile(file, [...args], { env, timeout: PROBE_TIMEOUT_MS }, (error, _stdout, stderr) => {
      resolve(error ? { ok: false, reason: stderr.trim() || messageOf(error) } : { ok: true, sandbox });
    });
  });
}
