// clawdbot workspace: the files that the team shares, and how far the gateway takes them over.

import type { Command } from 'commander';
import { table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
interface Status {
  readonly root: string;
  readonly exists: boolean;
  readonly phases: Readonly<Record<string, string>>;
  readonly observed: Readonly<Record<string, Readonly<Record<string, number>> | null>>;
}

export function addWorkspaceVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const workspace = program.command('workspace').description('The files that the team shares, and how far the gateway takes them over');
  const verb = (usage: string, about: string) => withConnectFlags(workspace.command(usage).description(about).option('--json', 'as JSON'));
  const call = (flags: Flags, method: string, params: unknown) => withGateway(flags, (client) => client.call(method, params));

  verb('status', 'How far each part is taken over, and what would be done where it is only observed').action(async (flags: Flags) => {
    const status = (await call(flags, 'workspace.status', {})) as Status; // the shape of workspace/methods
    if (flags.json) return print(status);
    const rows = Object.entries(status.phases).map(([part, phase]) => {
      const found = Object.entries(status.observed[part] ?? {}).map(([what, n]) => `${what}: ${n}`);
      return [part, phase, found.join(', ')];
    });
    world.out(`${status.root}${status.exists ? '' : ' (does not exist)'}\n${table(['part', 'phase', 'would take'], rows)}`);
  });
  verb('phase <part> <phase>', 'Switch a part (cron, spawn-queue, inbox, heartbeats, progress or all) to off, observe or on').action(
    async (part: string, phase: string, flags: Flags) => {
      const status = (await call(flags, 'workspace.status', {})) as Status; // the shape of workspace/methods
      const all = Object.keys(status.phases);
      if (part !== 'all' && !all.includes(part)) throw new CliError(`no part "${part}": use ${all.join(', ')} or all`);
      const { phases } = (await call(flags, 'workspace.phase', { parts: part === 'all' ? all : [part], phase })) as Pick<Status, 'phases'>; // the same
      if (flags.json) return print({ phases });
      world.out(
        table(
          ['part', 'phase'],
          Object.entries(phases).map(([name, now]) => [name, now]),
        ),
      );
    },
  );
}
