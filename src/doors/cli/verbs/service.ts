// clawdbot gateway install, uninstall, start, stop, restart, status: the gateway as a service.

import type { Command } from 'commander';
import { messageOf } from '../../../kit/fault.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';
import type { ServiceControl } from '../world.ts';

interface Flags {
  readonly json?: boolean;
  readonly port?: string;
  readonly token?: string;
}

export function addServiceVerbs(gateway: Command, context: VerbContext, setExit: (code: number) => void): void {
  const { world, profile, print } = context;
  /** Carries it out, and says what came of it. */
  const act = async (
    action: string,
    done: string,
    json: boolean | undefined,
    run: (service: ServiceControl) => Promise<{ readonly pid?: number | undefined; readonly notes: readonly string[] }>,
  ) => {
    try {
      const result = await run(await world.service(profile()));
      if (json) return print({ ok: true, action, ...result });
      world.out(`${done}${result.pid === undefined ? '' : ` (PID ${result.pid})`}\n`);
      for (const note of result.notes) world.out(`${note}\n`);
    } catch (error) {
      throw new CliError(messageOf(error));
    }
  };
  const verb = (name: string, about: string) => gateway.command(name).description(about).option('--json', 'as JSON');

  verb('install', 'Install the gateway as a service of this user (systemd), start it and see that it answers')
    .option('--port <port>', 'port to listen on')
    .option('--token <token>', 'gateway token: kept in a file of its own, mode 0600')
    .option('--runtime <runtime>', 'accepted for compatibility: node')
    .option('--force', 'accepted for compatibility: an installation is always renewed')
    .action(async (_flags, command: Command) => {
      const { port, token, json } = command.optsWithGlobals<Flags>();
      const wanted = port === undefined ? undefined : Number(port);
      if (wanted !== undefined && !(Number.isInteger(wanted) && wanted > 0 && wanted < 65_536)) throw new CliError('--port takes a number from 1 to 65535');
      await act('install', 'installed, and it answers', json, (service) =>
        service.install({ ...(wanted !== undefined && { port: wanted }), ...(token !== undefined && { token }) }),
      );
    });
  verb('uninstall', 'Stop the service and remove it; what was there before it is put back').action(async ({ json }: Flags) => {
    await act('uninstall', 'removed', json, async (service) => {
      const { removed, notes } = await service.uninstall();
      return { removed, notes: removed ? notes : ['no service was installed'] };
    });
  });
  verb('start', 'Start the service; without systemd the gateway is kept in the background').action(({ json }: Flags) =>
    act('start', 'started', json, (service) => service.start()),
  );
  verb('stop', 'Stop the gateway: running turns are given time, then handed to the next start').action(({ json }: Flags) =>
    act('stop', 'stopped', json, async (service) => {
      const result = await service.stop();
      return result.pid === undefined ? { ...result, stopped: false, notes: ['no gateway of this state was running'] } : { ...result, stopped: true };
    }),
  );
  verb('restart', 'Restart the service and wait until it answers').action(({ json }: Flags) =>
    act('restart', 'restarted', json, (service) => service.restart()),
  );
  gateway.command('supervise', { hidden: true }).action(async () => setExit(await (await world.service(profile())).supervise()));
  addStatus(gateway, context);
}

function addStatus(gateway: Command, { world, profile, withGateway, print }: VerbContext): void {
  withConnectFlags(
    gateway
      .command('status')
      .description('Is it running, where, kept by whom, and does it answer?')
      .option('--json', 'as JSON')
      .option('--no-probe', 'do not ask it')
      .option('--deep', 'accepted for compatibility'),
  ).action(async (_flags, command: Command) => {
    const flags = command.optsWithGlobals<ConnectFlags & { json?: boolean; probe: boolean }>();
    const running = world.runningGateway(profile());
    const { url } = world.target(profile());
    const at = flags.url ?? url;
    const service = await world.service(profile());
    const state = await service.state();
    const rpc = flags.probe ? await probe(() => withGateway(flags, (client) => client.call('status'))) : undefined;
    if (!flags.json) {
      world.out(`${running ? `running: PID ${running.pid}, port ${running.port}` : 'no gateway of this state is running. Start one with: clawdbot gateway'}\n`);
      world.out(
        `service: ${state.manager === 'systemd' ? `systemd, ${service.unit}, ${state.detail}, ${state.isEnabled ? 'enabled' : 'not enabled'}, started again ${state.restarts} times` : state.manager === 'none' ? 'not installed' : state.detail}\n`,
      );
      if (state.isInstalled && !state.isOurs) world.out('the unit belongs to another program: clawdbot gateway install takes it over\n');
      if (state.lingers === false) world.out('it ends when you log out: sudo loginctl enable-linger $USER\n');
      if (rpc) world.out(`${rpc.ok ? `answers at ${at}` : `does not answer: ${rpc.error}`}\n`);
      return;
    }
    const { path, exists, issues, config } = await world.readConfig(profile());
    const port = Number(new URL(url).port);
    const { bind = 'loopback' } = config?.gateway ?? {};
    const file = { path, exists, valid: issues.length === 0 };
    print({
      service: {
        label: state.manager === 'systemd' ? 'systemd' : 'process',
        loaded: state.manager === 'systemd' ? state.isEnabled : running !== undefined,
        loadedText: state.manager === 'systemd' ? 'enabled' : 'running',
        notLoadedText: state.manager === 'systemd' ? 'disabled' : 'not running',
        command: { programArguments: state.command.split(' '), ...(state.file !== undefined && { sourcePath: state.file }) },
        runtime: {
          status: state.status === 'active' ? 'running' : 'stopped',
          detail: state.detail,
          ...(state.pid !== undefined && { pid: state.pid }),
          restarts: state.restarts,
        },
        manager: state.manager,
        lingers: state.lingers,
        configAudit: { ok: state.isOurs || !state.isInstalled, issues: [] },
      },
      config: { cli: file, daemon: file },
      gateway: {
        bindMode: bind,
        bindHost: bind === 'lan' ? '0.0.0.0' : '127.0.0.1',
        port,
        portSource: running ? 'running gateway' : 'config',
        probeUrl: at,
        ...running,
      },
      port: { port, status: running ? 'busy' : 'free', listeners: running ? [{ pid: running.pid }] : [], hints: [] },
      process: running ?? null,
      ...(rpc && { rpc: { ok: rpc.ok, url: at, ...(!rpc.ok && { error: rpc.error }) } }),
      legacyServices: [],
      extraServices: [],
    });
  });
}

export async function probe(ask: () => Promise<unknown>): Promise<{ ok: true; answer: unknown } | { ok: false; error: string }> {
  try {
    return { ok: true, answer: await ask() };
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  }
}
