// The gateway as a unit of the user's systemd: installed, taken over from a predecessor, undone.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ReadUnit, readUnit } from './unit.ts';

interface SystemdOptions {
  readonly home: string;
  readonly unit: string;
  /** Where the unit of a predecessor is kept. */
  readonly keepDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
}

export interface UnitState {
  readonly active: string;
  readonly sub: string;
  readonly pid: number | undefined;
  readonly isEnabled: boolean;
  readonly restarts: number;
  readonly result: string;
}

export function createSystemd({ home, unit, keepDir, env, user }: SystemdOptions) {
  const path = join(home, '.config', 'systemd', 'user', unit);
  const call = (program: string, args: readonly string[]) => {
    const { status, stdout, stderr, error } = spawnSync(program, args, { env, encoding: 'utf8', timeout: 120_000 });
    return { ok: status === 0, out: stdout?.trim() ?? '', problem: (error?.message ?? stderr ?? '').trim() };
  };
  const systemctl = (...args: readonly string[]) => call('systemctl', ['--user', ...args]);
  const must = (...args: readonly string[]) => {
    const done = systemctl(...args);
    if (!done.ok) throw new Error(`systemctl --user ${args.join(' ')} failed: ${done.problem}`);
  };
  /** Units of predecessors, the latest first. */
  const kept = (): string[] =>
    existsSync(keepDir)
      ? readdirSync(keepDir)
          .filter((name) => name.startsWith(`${unit}.`))
          .sort()
          .reverse()
      : [];

  return {
    path,
    /** Why no user's systemd answers, or undefined when one does. */
    unavailable: (): string | undefined => {
      const asked = systemctl('show-environment');
      return asked.ok ? undefined : asked.problem || 'systemctl is not installed';
    },
    read: (): ReadUnit | undefined => (existsSync(path) ? readUnit(readFileSync(path, 'utf8')) : undefined),
    /** Writes, enables and starts it; what was there from somebody else is kept. Answers where. */
    install: (text: string): string | undefined => {
      mkdirSync(dirname(path), { recursive: true });
      let saved: string | undefined;
      if (existsSync(path) && !readUnit(readFileSync(path, 'utf8')).isOurs) {
        mkdirSync(keepDir, { recursive: true, mode: 0o700 });
        saved = join(keepDir, `${unit}.${Math.round(statSync(path).mtimeMs)}`);
        copyFileSync(path, saved);
        systemctl('stop', unit);
      }
      writeFileSync(path, text, { mode: 0o600 });
      must('daemon-reload');
      must('enable', unit);
      systemctl('reset-failed', unit);
      must('restart', unit);
      return saved;
    },
    /** Stops and removes it; a predecessor's unit is put back, not started. Answers where that was kept. */
    uninstall: (): { readonly removed: boolean; readonly restored: string | undefined } => {
      if (!existsSync(path)) return { removed: false, restored: undefined };
      systemctl('disable', '--now', unit);
      const [latest] = kept();
      rmSync(path);
      if (latest !== undefined) copyFileSync(join(keepDir, latest), path);
      systemctl('daemon-reload');
      systemctl('reset-failed', unit);
      if (latest !== undefined) {
        systemctl('enable', unit);
        rmSync(join(keepDir, latest));
      }
      return { removed: true, restored: latest === undefined ? undefined : basename(latest) };
    },
    start: () => must('start', unit),
    stop: () => must('stop', unit),
    restart: () => must('restart', unit),
    state: (): UnitState => {
      const shown = systemctl('show', unit, '--property=ActiveState,SubState,MainPID,UnitFileState,NRestarts,Result').out;
      const facts = Object.fromEntries(shown.split('\n').map((line) => line.split('=', 2) as [string, string])); // name=value, one a line
      const pid = Number(facts['MainPID']);
      return {
        active: facts['ActiveState'] ?? 'unknown',
        sub: facts['SubState'] ?? '',
        pid: pid > 0 ? pid : undefined, // 0 when it is down
        isEnabled: facts['UnitFileState'] === 'enabled',
        restarts: Number(facts['NRestarts'] ?? 0),
        result: facts['Result'] ?? '',
      };
    },
    /** Whether it goes on after the last log-out, and starts with the machine; null where nobody can say. */
    lingers: (): boolean | null => {
      if (existsSync(join('/var/lib/systemd/linger', user))) return true;
      const asked = call('loginctl', ['show-user', user, '--property=Linger']);
      return asked.ok ? asked.out === 'Linger=yes' : null;
    },
    letLinger: (): boolean => call('loginctl', ['enable-linger', user]).ok,
  };
}
