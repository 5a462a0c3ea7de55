// clawdbot workspace: the files that the team shares, and how far the gateway takes them over.

import type { Command } from 'commander';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
interface Status {
  readonly root: string;
  readonly exists: boolean;
  readonly phases: Readonly<Record<string, string>>;
  readonly observed: Readonly<Record<string, Readonly<Record<string, number>> | null>>;
}

interface History {
  readonly versions?: readonly { readonly seq: number; readonly at: number; readonly actor: string; readonly note: string | null; readonly bytes: number }[];
  readonly files?: readonly { readonly path: string; readonly versions: number; readonly at: number }[];
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
  verb('history [path]', 'The kept versions of a shared file; without one, the files of which versions are kept').action(
    async (path: string | undefined, flags: Flags) => {
      const found = (await call(flags, 'workspace.history', path === undefined ? {} : { path })) as History; // the shape of workspace/methods
      if (flags.json) return print(found);
      const rows = found.versions
        ? found.versions.map(({ seq, at, bytes, actor, note }) => [String(seq), age(world.now() - at), String(bytes), actor, note ?? ''])
        : (found.files ?? []).map(({ path: file, versions, at }) => [file, String(versions), age(world.now() - at)]);
      world.out(
        rows.length > 0 ? table(found.versions ? ['version', 'kept', 'bytes', 'by', ''] : ['file', 'versions', 'latest'], rows) : 'No versions are kept.\n',
      );
    },
  );
  verb('show <path> [version]', 'The text of a kept version; without a number the latest').action(
    async (path: string, version: string | undefined, flags: Flags) => {
      if (version !== undefined && !/^[1-9]\d*$/.test(version))
        throw new CliError(`a version is a number from clawdbot workspace history ${path}, not "${version}"`);
      const shown = (await call(flags, 'workspace.show', { path, ...(version !== undefined && { version: Number(version) }) })) as { text: string }; // the shape of workspace/methods
      if (flags.json) print(shown);
      else world.out(shown.text);
    },
  );
}
