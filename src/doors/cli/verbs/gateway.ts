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
    const rpc = flags.probe ? await probe(() => withGateway(flags, (client) => client.call('status'))) : undefined;
    if (flags.json) {
      print({ gateway: { probeUrl: flags.url ?? url, ...running }, process: running ?? null, ...(rpc && { rpc: { ...rpc, url: flags.url ?? url } }) });
    } else {
      world.out(`${running ? `running: PID ${running.pid}, port ${running.port}` : 'no gateway of this state is running. Start one with: clawdbot gateway'}\n`);
      if (rpc) world.out(`${rpc.ok ? `answers at ${flags.url ?? url}` : `does not answer: ${rpc.error}`}\n`);
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

async function probe(ask: () => Promise<unknown>): Promise<{ ok: true } | { ok: false; error: string }> {
  try {
    await ask();
    return { ok: true };
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
