// clawdbot gateway …: run, status, health, call, stop.

import type { Command } from 'commander';
import type { GatewayClient } from '../client.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface RunFlags {
  readonly port?: string;
  readonly bind?: string;
}

const STOP_TIMEOUT_MS = 30_000;

export function addGatewayVerbs(program: Command, { world, profile, withGateway, print }: VerbContext, setExit: (code: number) => void): void {
  const run = async ({ port, bind }: RunFlags) => {
    if (bind !== undefined && bind !== 'loopback' && bind !== 'lan') throw new CliError('--bind takes loopback or lan');
    const wanted = port === undefined ? undefined : Number(port);
    if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 0 && wanted < 65_536)) throw new CliError('--port takes a number from 0 to 65535');
    setExit(
      await world.runGateway(profile(), {
        ...(wanted !== undefined && { port: wanted }),
        ...(bind !== undefined && { bind }),
        onReady: ({ url, pid, model, logFile, notices }) => {
          world.out(`listening on ${url} (PID ${pid})\nagent model: ${model}\nlog file: ${logFile}\n`);
          for (const notice of notices) world.out(`${notice}\n`);
        },
      }),
    );
  };
  const runFlags = (command: Command) =>
    command
      .option('--port <port>', 'port to listen on (0: any free one)')
      .option('--bind <mode>', 'loopback (this machine only) or lan')
      .option('--allow-unconfigured', 'accepted for compatibility: the gateway always starts')
      .option('--verbose', 'accepted for compatibility: see logging.level');

  const gateway = runFlags(program.command('gateway').description('Run the gateway in the foreground, or look after a running one')).action(run);
  runFlags(gateway.command('run').description('Run the gateway in the foreground')).action((_flags, command: Command) =>
    run(command.optsWithGlobals<RunFlags>()),
  );

  withConnectFlags(
    gateway.command('status').description('Is it running, where, and does it answer?').option('--json', 'as JSON').option('--no-probe', 'do not ask it'),
  ).action(async (_flags, command: Command) => {
    const flags = command.optsWithGlobals<ConnectFlags & { json?: boolean; probe: boolean }>();
    const running = world.runningGateway(profile());
    const { url } = world.target(profile());
    const at = flags.url ?? url;
    const rpc = flags.probe ? await probe(() => withGateway(flags, (client) => client.call('status'))) : undefined;
    if (flags.json) {
      const { path, exists, issues, config } = await world.readConfig(profile());
      const port = Number(new URL(url).port);
      const { bind = 'loopback' } = config?.gateway ?? {};
      const file = { path, exists, valid: issues.length === 0 };
      print({
        service: {
          label: 'process',
          loaded: running !== undefined,
          loadedText: 'running',
          notLoadedText: 'not running',
          runtime: { status: running ? 'running' : 'stopped', ...running },
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
    } else {
      world.out(`${running ? `running: PID ${running.pid}, port ${running.port}` : 'no gateway of this state is running. Start one with: clawdbot gateway'}\n`);
      if (rpc) world.out(`${rpc.ok ? `answers at ${at}` : `does not answer: ${rpc.error}`}\n`);
    }
  });
  withConnectFlags(gateway.command('health').description('Ask the running gateway how it is').option('--json', 'as JSON')).action(
    async (_flags, command: Command) => {
      print(await withGateway(command.optsWithGlobals<ConnectFlags>(), (client) => client.call('health')));
    },
  );
  withConnectFlags(
    gateway
      .command('call <method>')
      .description('Call any method of the gateway')
      .option('--params <json>', 'parameters as JSON', '{}')
      .option('--expect-final', 'wait for the last answer of a call that answers twice')
      .option('--json', 'accepted for compatibility: the answer is always JSON'),
  ).action(async (method: string, _flags, command: Command) => {
    const flags = command.optsWithGlobals<ConnectFlags & { params: string; expectFinal?: boolean }>();
    const params = parseParams(flags.params);
    const call = (client: GatewayClient) => client.call(method, params, { ...(flags.expectFinal && { expectFinal: true, timeoutMs: 0 }) });
    print(await withGateway(flags, call));
  });
  withConnectFlags(
    gateway.command('usage-cost').description('Cost of the last days').option('--days <days>', 'how many', '30').option('--json', 'accepted for compatibility'),
  ).action(async (_flags, command: Command) => {
    const flags = command.optsWithGlobals<ConnectFlags & { days: string }>();
    const days = Number(flags.days);
    if (!(Number.isInteger(days) && days > 0)) throw new CliError('--days must be a positive whole number');
    print(await withGateway(flags, (client) => client.call('usage.cost', { days })));
  });
  withConnectFlags(gateway.command('probe').description('What the gateway at an address says of itself').option('--json', 'accepted for compatibility')).action(
    async (_flags, command: Command) => {
      const flags = command.optsWithGlobals<ConnectFlags>();
      const at = flags.url ?? world.target(profile()).url;
      const since = performance.now();
      const told = await probe(() =>
        withGateway(flags, async (client) => {
          const [health, summary, presence] = await Promise.all([client.call('health'), client.call('status'), client.call('system-presence')]);
          return { health, summary, presence };
        }),
      );
      const latencyMs = Math.round(performance.now() - since);
      const connect = { ok: told.ok, latencyMs: told.ok ? latencyMs : null, error: told.ok ? null : told.error, close: null };
      const target = { id: 'localLoopback', kind: 'localLoopback', url: at, active: true, tunnel: null, connect, ...(told.ok && (told.answer as object)) };
      print({ ok: told.ok, ts: world.now(), durationMs: latencyMs, primaryTargetId: told.ok ? target.id : null, warnings: [], targets: [target] });
      if (!told.ok) setExit(1);
    },
  );
  gateway
    .command('stop')
    .description('Stop the running gateway: running turns are given time, then handed to the next start')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const running = world.runningGateway(profile());
      const stopped = running === undefined ? false : await world.stopProcess(running.pid, STOP_TIMEOUT_MS);
      if (running && !stopped)
        throw new CliError(`the gateway (PID ${running.pid}) has not stopped within ${STOP_TIMEOUT_MS / 1000} s; it may still be draining`);
      if (json) print({ ok: true, stopped, ...(running && { pid: running.pid }) });
      else world.out(running ? `stopped (PID ${running.pid})\n` : 'no gateway of this state is running\n');
    });
}

async function probe(ask: () => Promise<unknown>): Promise<{ ok: true; answer: unknown } | { ok: false; error: string }> {
  try {
    return { ok: true, answer: await ask() };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

function parseParams(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`--params is not JSON: ${text}`);
  }
}
