// clawdbot cluster, worker, store: several programs on one store.

import type { Command } from 'commander';
import { age } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface ClusterStatus {
  readonly engine: string;
  readonly cursor: number;
  readonly lag: number;
  readonly cluster: {
    readonly nodes: readonly {
      readonly id: string;
      readonly kind: string;
      readonly host: string;
      readonly pid: number;
      readonly url: string | null;
      readonly version: string;
      readonly startedAt: number;
      readonly endedAt: number | null;
      readonly silentMs: number;
      readonly workers: number;
    }[];
    readonly leases: readonly { readonly name: string; readonly owner: string; readonly fence: number; readonly forMs: number }[];
  };
}

interface WorkerFlags {
  readonly store: string;
  readonly workspace: readonly string[];
  readonly name: string;
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];

export function addClusterVerbs(program: Command, { world, profile, withGateway, print }: VerbContext, setExit: (code: number) => void): void {
  const cluster = program.command('cluster').description('The gateways and workers that share a store');
  withConnectFlags(cluster.command('status').description('Nodes, what only one of them does at a time, and how far this one lags behind'))
    .option('--json', 'as JSON')
    .action(async (flags: ConnectFlags & { json?: boolean }) => {
      const status = (await withGateway(flags, (client) => client.call('cluster.status'))) as ClusterStatus; // the shape of nodes/methods
      if (flags.json) print(status);
      else world.out(linesOf(status, world.now()).join(''));
    });

  program
    .command('worker')
    .description('Take runs of a store that gateways serve, on a machine of its own')
    .requiredOption('--store <url>', 'the PostgreSQL database of the gateways: postgres://user:password@host:5432/database')
    .requiredOption('--workspace <id=path>', 'a workspace to take runs of, and where its files are here; may be repeated', collect)
    .option('--name <name>', 'tells workers on one machine apart', 'worker')
    .action(async ({ store, workspace, name }: WorkerFlags) => {
      setExit(
        await world.runWorker(profile(), {
          url: store,
          name,
          workspaces: Object.fromEntries(workspace.map(placeOf)),
          onReady: ({ id, logFile }) => world.out(`worker ${id} is ready\nlog file: ${logFile}\n`),
        }),
      );
    });

  program
    .command('store')
    .description('Move the store')
    .command('copy')
    .description('Copy a whole store into an empty one, compare them row by row, and change nothing in the first')
    .requiredOption('--from <store>', 'a SQLite file, or postgres://…')
    .requiredOption('--to <store>', 'a new SQLite file, or an empty database postgres://…')
    .action(async ({ from, to }: { from: string; to: string }) => {
      const rows = await world.copyStore({ from, to, onTable: (name, count) => world.out(`${name.padEnd(18)}${count}\n`) });
      world.out(`${rows} rows are copied and compared: both stores hold the same.\n`);
    });
}

function placeOf(text: string): [string, string] {
  const [, id, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (id === undefined || path === undefined) throw new CliError(`--workspace takes id=path, not "${text}"`);
  return [id, path];
}

function linesOf({ engine, cursor, lag, cluster: { nodes, leases } }: ClusterStatus, now: number): string[] {
  const owner = new Map(nodes.map(({ id, host, pid }) => [id, `${host} (PID ${pid})`]));
  return [
    `engine ${engine}, ${cursor} events, ${lag} of them not told here yet\n`,
    '\nnodes\n',
    ...nodes.map(({ id, kind, host, pid, url, version, startedAt, endedAt, silentMs, workers }) => {
      const state =
        endedAt === null ? `alive, heard of ${engine === 'sqlite' ? 'always' : `${Math.round(silentMs / 1000)} s ago`}` : `ended ${age(now - endedAt)}`;
      return `  ${kind.padEnd(8)}${host}  PID ${pid}  ${url ?? ''}  ${version}  ${workers} worker${workers === 1 ? '' : 's'}  since ${age(now - startedAt)}  ${state}  ${id}\n`;
    }),
    ...(leases.length > 0 ? ['\nleases\n'] : []),
    ...leases.map(
      ({ name, owner: id, fence, forMs }) =>
        `  ${name.padEnd(12)}${owner.get(id) ?? id}  fence ${fence}  ${forMs > 0 ? `for ${Math.round(forMs / 1000)} s` : 'free'}\n`,
    ),
  ];
}
