// clawdbot gateway …: run, health, call, probe; as a service see service.ts.

import type { Command } from 'commander';
import type { GatewayClient } from '../client.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';
import { addServiceVerbs, probe } from './service.ts';

interface RunFlags {
  readonly port?: string;
  readonly bind?: string;
}

export function addGatewayVerbs(program: Command, context: VerbContext, setExit: (code: number) => void): void {
  const { world, profile, withGateway, print } = context;
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

  addServiceVerbs(gateway, context, setExit);
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
}

function parseParams(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`--params is not JSON: ${text}`);
  }
}
