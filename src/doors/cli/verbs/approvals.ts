// clawdbot approvals: open questions to you, and the file of standing permissions.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean; readonly node?: string; readonly gateway?: boolean };
type SetFlags = Flags & { readonly file?: string; readonly stdin?: boolean };
type ListFlags = Flags & { readonly agent: string };

interface Entry {
  readonly pattern: string;
}
interface ApprovalsFile {
  readonly agents?: Readonly<Record<string, { readonly allowlist?: readonly Entry[] }>>;
}
interface Snapshot {
  readonly path: string;
  readonly exists: boolean;
  readonly hash: string;
  readonly file: ApprovalsFile;
}
interface Question {
  readonly id: string;
  readonly state: string;
  readonly request: { readonly command?: string; readonly task?: string; readonly question?: string };
  readonly decision: string | null;
  readonly createdAt: number;
}

export function addApprovalVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const approvals = program.command('approvals').alias('exec-approvals').description('Questions of agents and devices to you, and standing permissions');
  const verb = (usage: string, about: string) => withConnectFlags(approvals.command(usage).description(about).option('--json', 'as JSON'));
  const ofHost = (command: Command) => command.option('--node <node>', 'permissions of a node').option('--gateway', 'permissions of the gateway (the default)');
  const here = ({ node }: Flags) => {
    if (node !== undefined) throw new CliError('nodes are not part of this version yet: leave --node out for the permissions of the gateway');
  };

  verb('list', 'Questions, the latest first').action(async (flags: Flags) => {
    const answer = (await withGateway(flags, (client) => client.call('approvals.list'))) as { approvals: readonly Question[] }; // the shape of approvals/methods
    if (flags.json) return print(answer);
    const rows = answer.approvals.map(({ id, state, decision, request, createdAt }) => [
      id,
      decision ?? state,
      age(world.now() - createdAt),
      (request.command ?? request.question ?? request.task ?? '').replace(/\s+/g, ' ').slice(0, 80),
    ]);
    world.out(rows.length > 0 ? table(['id', 'state', 'asked', 'about'], rows) : 'No questions.\n');
  });
  verb('resolve <id> <decision>', 'Answer a question: grant or refuse; for a command also allow-once, allow-always or deny').action(
    async (id: string, decision: string, flags: Flags) => {
      await withGateway(flags, (client) => client.call('approvals.resolve', { id, decision }));
      if (flags.json) print({ ok: true, id, decision });
      else world.out(`${id}: ${decision}\n`);
    },
  );

  ofHost(verb('get', 'The file of standing permissions')).action(async (flags: Flags) => {
    here(flags);
    print(await withGateway(flags, (client) => client.call('exec.approvals.get')));
  });
  ofHost(verb('set', 'Replace the file of standing permissions'))
    .option('--file <path>', 'JSON file to take')
    .option('--stdin', 'take JSON from the standard input')
    .action(async (flags: SetFlags) => {
      here(flags);
      if ((flags.file === undefined) === (flags.stdin === undefined)) throw new CliError('give the new file with either --file or --stdin');
      const file = parseJson(readFileSync(flags.stdin ? 0 : (flags.file ?? ''), 'utf8'));
      print(
        await withGateway(flags, async (client) => {
          const { hash } = (await client.call('exec.approvals.get')) as Snapshot; // the shape of approvals/methods
          return client.call('exec.approvals.set', { file, baseHash: hash });
        }),
      );
    });

  const allowlist = approvals.command('allowlist').description('Commands that are allowed without a question');
  const change = (usage: string, about: string, next: (list: readonly Entry[], pattern: string) => readonly Entry[]) =>
    ofHost(withConnectFlags(allowlist.command(usage).description(about).option('--agent <id>', 'agent id', '*').option('--json', 'as JSON'))).action(
      async (pattern: string, flags: ListFlags) => {
        here(flags);
        const written = await withGateway(flags, async (client) => {
          const { hash, file } = (await client.call('exec.approvals.get')) as Snapshot; // the shape of approvals/methods
          const agent = file.agents?.[flags.agent] ?? {};
          const agents = { ...file.agents, [flags.agent]: { ...agent, allowlist: next(agent.allowlist ?? [], pattern) } };
          return client.call('exec.approvals.set', { file: { ...file, agents }, baseHash: hash });
        });
        if (flags.json) print(written);
        else world.out(`${about.startsWith('Add') ? 'Added' : 'Removed'} ${pattern} (${flags.agent})\n`);
      },
    );
  change('add <pattern>', 'Add a pattern', (list, pattern) => (list.some((entry) => entry.pattern === pattern) ? list : [...list, { pattern }]));
  change('remove <pattern>', 'Remove a pattern', (list, pattern) => list.filter((entry) => entry.pattern !== pattern));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError('the new file is not JSON');
  }
}
