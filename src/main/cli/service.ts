// The gateway as a service of this user: by systemd where it runs, else by a supervisor of our own, with the same verbs.

import { existsSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { usableConfig } from '../../adapters/config/load.ts';
import { serviceTokenPath } from '../../adapters/config/secrets.ts';
import { startSupervisor, supervise, supervisorOf } from '../../adapters/service/background.ts';
import { createSystemd } from '../../adapters/service/systemd.ts';
import { renderUnit } from '../../adapters/service/unit.ts';
import type { ServiceControl, ServiceState } from '../../doors/cli/world.ts';
import { systemClock } from '../../kit/clock.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import type { Environment } from '../environment.ts';
import { VERSION } from '../version.ts';

const ANSWERS_WITHIN_MS = 30_000;
const STOP_MARGIN_MS = 20_000;
/** Variables that the service needs to find the same state. */
const PASSED_ON = ['CLAWDBOT_STATE_DIR', 'CLAWDBOT_CONFIG_PATH', 'CLAWDBOT_PROFILE', 'LANG', 'TZ'];

interface ServiceWorld {
  readonly profile: string | undefined;
  /** The gateway's process, if one runs. */
  readonly running: () => { readonly pid: number; readonly port: number } | undefined;
  readonly stopProcess: (pid: number, timeoutMs: number) => Promise<boolean>;
}

export function createService(environment: Environment, { profile, running, stopProcess }: ServiceWorld): ServiceControl {
  const { home, stateDir, variables, configPath } = environment;
  const unit = `clawdbot-gateway${profile && profile !== 'default' ? `-${profile}` : ''}.service`;
  const { username, uid } = userInfo();
  const runtimeDir = variables['XDG_RUNTIME_DIR'] ?? (existsSync(`/run/user/${uid}`) ? `/run/user/${uid}` : undefined);
  const path = variables['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  const env = { PATH: path, HOME: home, ...(runtimeDir !== undefined && { XDG_RUNTIME_DIR: runtimeDir }) };
  const systemd = createSystemd({ home, unit, keepDir: join(stateDir, 'service-backup'), env, user: username });
  const program = [process.execPath, realpathSync(process.argv[1] ?? '')];
  const config = () => usableConfig({ path: configPath, variables });
  const asSystemd = () => systemd.read() !== undefined && systemd.unavailable() === undefined;
  const drainMs = () => config().gateway.drainSeconds * 1000 + STOP_MARGIN_MS;

  const answers = async (port: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5000) }).then(
      async (response) => (await response.text()).startsWith('{"ok":true'),
      () => false,
    );
  const whenAnswering = async (wasPid: number | undefined, isLost = () => false): Promise<{ readonly pid: number; readonly port: number }> => {
    const until = systemClock.elapsed() + ANSWERS_WITHIN_MS;
    while (systemClock.elapsed() < until) {
      if (isLost())
        throw new Error(`the gateway has ended: it cannot run as things are, or was started too often. See ${join(stateDir, 'logs', 'service.log')}`);
      const now = running();
      if (now && now.pid !== wasPid && (await answers(now.port))) return now;
      await systemClock.sleep(100);
    }
    throw new Error(
      `the gateway does not answer ${ANSWERS_WITHIN_MS / 1000} s after its start: see clawdbot logs, and systemctl --user status ${unit} or ${join(stateDir, 'logs', 'service.log')}`,
    );
  };

  const lingerNotes = (): string[] =>
    systemd.lingers() === true || systemd.letLinger()
      ? []
      : [`the service ends when you log out, and does not start with the machine: sudo loginctl enable-linger ${username}`];
  const keyNotes = (): string[] => {
    const keys = Object.keys(variables).filter((name) => /_API_KEY$|^SLACK_(BOT|APP)_TOKEN$/.test(name));
    return keys.length === 0
      ? []
      : [
          `${keys.join(', ')} of this shell are not known to the service: put them into ${join(stateDir, 'service.env')} as NAME=value (chmod 600), or into the configuration`,
        ];
  };

  return {
    unit,
    state: async (): Promise<ServiceState> => {
      const now = running();
      const isInstalled = systemd.read();
      const problem = isInstalled ? systemd.unavailable() : undefined;
      if (isInstalled && problem === undefined) {
        const { active, sub, pid, isEnabled, restarts, result } = systemd.state();
        return {
          manager: 'systemd',
          file: systemd.path,
          isInstalled: true,
          isOurs: isInstalled.isOurs,
          isEnabled,
          status: active,
          detail: `${active} (${sub}${result === 'success' ? '' : `, ${result}`})`,
          pid,
          restarts,
          lingers: systemd.lingers(),
          command: isInstalled.command,
        };
      }
      const supervisor = supervisorOf(stateDir);
      const shared = {
        isInstalled: isInstalled !== undefined,
        isOurs: isInstalled?.isOurs ?? false,
        isEnabled: false,
        lingers: null,
        command: [...program, 'gateway'].join(' '),
        ...(isInstalled && { file: systemd.path }),
      };
      if (supervisor)
        return {
          ...shared,
          manager: 'background',
          status: 'active',
          detail: 'kept by a process of its own: there is no systemd for this user',
          pid: supervisor.child ?? undefined,
          restarts: supervisor.restarts,
        };
      return {
        ...shared,
        manager: now ? 'foreground' : 'none',
        status: now ? 'active' : 'inactive',
        detail: problem ?? (now ? 'runs in the foreground' : 'not running'),
        pid: now?.pid,
        restarts: 0,
      };
    },
    install: async ({ port: asked, token: given }) => {
      const problem = systemd.unavailable();
      if (problem !== undefined)
        throw new Error(
          `Gateway service check failed: Error: systemctl --user unavailable: ${problem}\nWithout it "clawdbot gateway start" keeps the gateway in the background by itself.`,
        );
      const before = systemd.read();
      const port = asked ?? before?.port ?? environment.port ?? config().gateway.port;
      const token = given ?? before?.token;
      const tokenFile = serviceTokenPath(stateDir);
      if (token !== undefined) writeWhole(tokenFile, `${token}\n`);
      const passed = Object.fromEntries(PASSED_ON.flatMap((name) => (variables[name] === undefined ? [] : [[name, variables[name]]])));
      const text = renderUnit({
        ...{ version: VERSION, node: program[0] ?? '', program: program[1] ?? '', port, home, path, variables: passed, stateDir },
        ...{ tokenFile: existsSync(tokenFile) ? tokenFile : undefined, drainSeconds: config().gateway.drainSeconds },
      });
      const was = running();
      if (was && systemd.state().pid !== was.pid) await stopProcess(was.pid, drainMs());
      const saved = systemd.install(text);
      const { pid } = await whenAnswering(was?.pid);
      return {
        file: systemd.path,
        port,
        pid,
        notes: [
          ...(saved === undefined ? [] : [`the unit that was there is kept at ${saved}; clawdbot gateway uninstall puts it back`]),
          ...lingerNotes(),
          ...keyNotes(),
        ],
      };
    },
    uninstall: async () => {
      const { removed, restored } = systemd.uninstall();
      return {
        removed,
        notes:
          restored === undefined ? [] : [`the unit that was there before is back and enabled (${restored}); start it with: systemctl --user start ${unit}`],
      };
    },
    start: async () => {
      const now = running();
      if (now) return { pid: now.pid, notes: ['it runs already'] };
      if (asSystemd()) {
        systemd.start();
        return { pid: (await whenAnswering(undefined)).pid, notes: [] };
      }
      const log = startSupervisor(stateDir, [...program, ...(profile ? ['--profile', profile] : []), 'gateway', 'supervise'], variables);
      let hasLived = false;
      const isLost = () => {
        const lives = supervisorOf(stateDir) !== undefined;
        hasLived ||= lives;
        return hasLived && !lives;
      };
      return {
        pid: (await whenAnswering(undefined, isLost)).pid,
        notes: [`there is no systemd unit for this user: the gateway is kept in the background by a process of its own, until the machine stops (${log})`],
      };
    },
    stop: async () => {
      const now = running();
      const supervisor = supervisorOf(stateDir);
      if (asSystemd() && systemd.state().active !== 'inactive') systemd.stop();
      else if (supervisor) {
        if (!(await stopProcess(supervisor.pid, drainMs())))
          throw new Error(`the gateway (PID ${now?.pid ?? supervisor.pid}) has not stopped within ${drainMs() / 1000} s; it may still be draining`);
      } else if (now && !(await stopProcess(now.pid, drainMs())))
        throw new Error(`the gateway (PID ${now.pid}) has not stopped within ${drainMs() / 1000} s; it may still be draining`);
      return { ...(now && { pid: now.pid }), notes: [] };
    },
    restart: async () => {
      const was = running();
      const supervisor = supervisorOf(stateDir);
      if (asSystemd()) systemd.restart();
      else if (supervisor) process.kill(supervisor.pid, 'SIGHUP');
      else if (was)
        throw new Error(`the gateway (PID ${was.pid}) runs in the foreground: stop it there and start it again, or use clawdbot gateway stop and start`);
      else return createService(environment, { profile, running, stopProcess }).start();
      return { pid: (await whenAnswering(was?.pid)).pid, notes: [] };
    },
    supervise: () =>
      supervise({
        stateDir,
        command: [...program, ...(profile ? ['--profile', profile] : []), 'gateway'],
        clock: systemClock,
        answers: async () => {
          const now = running();
          return now !== undefined && answers(now.port);
        },
        say: (text) => void process.stderr.write(`${new Date(systemClock.now()).toISOString()} ${text}\n`),
      }),
  };
}
