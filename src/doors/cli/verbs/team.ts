// clawdbot team and roles: the hierarchy, made, drawn, and asked who may do what.

import type { Command } from 'commander';
import type { Member } from '../../../features/team/methods.ts';
import { age } from '../text.ts';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
interface Policy {
  readonly about: string;
  readonly model: string;
  readonly rights: string;
}

/** Who stands below whom, as it is drawn. */
const TREE: readonly (readonly [role: string, depth: number])[] = [
  ['person-manager', 1],
  ['story-architect', 2],
  ['coordinator', 2],
  ['validator', 2],
  ['task-manager', 3],
  ['worker-impl', 4],
  ['worker-cmd', 4],
  ['reviewer', 2],
  ['researcher', 2],
];

export function addTeamVerbs(program: Command, { world, withGateway, print }: VerbContext, setExit: (code: number) => void): void {
  const call = <T>(flags: Flags, method: string, params: unknown) => withGateway(flags, (client) => client.call(method, params)) as Promise<T>; // the shapes of team/methods
  const json = (command: Command) => withConnectFlags(command.option('--json', 'as JSON'));

  const team = program.command('team').description('The team: make one, see what it does');
  json(team.command('init').description('Make a whole team in the workspace; what is there already stays as it is'))
    .option('--model <model>', 'one model for all roles, in place of opus, sonnet and haiku')
    .action(async ({ model, ...flags }: Flags & { model?: string }) => {
      const made = await call<{ root: string; agents: string[]; files: string[]; jobs: string[] }>(flags, 'team.init', model === undefined ? {} : { model });
      if (flags.json) return print(made);
      const said = (what: string, list: readonly string[]) => (list.length === 0 ? [] : [`${what}: ${list.join(', ')}`]);
      const lines = [...said('agents', made.agents), ...said('jobs', made.jobs), ...said('files', made.files)];
      world.out(
        lines.length === 0
          ? `The team in ${made.root} is complete already.\n`
          : `The team works in ${made.root}\n${lines.join('\n')}\nSee it with: clawdbot team show\n`,
      );
    });
  json(team.command('show').description('The hierarchy with what each member is doing')).action(async (flags: Flags) => {
    const shown = await call<{ root: string; members: Member[]; tasks: Record<string, number> }>(flags, 'team.show', {});
    if (flags.json) return print(shown);
    const line = (name: string, { model, mail, running, queued, nextAt, agent }: Member, depth: number) => {
      const facts = [
        ...(running > 0 ? [`${running} at work`] : []),
        ...(queued > 0 ? [`${queued} waiting`] : []),
        ...(mail > 0 ? [`${mail} mail`] : []),
        ...(nextAt === null ? [] : [`next look in ${age(nextAt - world.now()).replace(' ago', '')}`]),
      ];
      const who = agent === null ? 'no agent' : agent === name ? '' : agent;
      return `${'   '.repeat(depth)}${depth > 0 ? '└─ ' : ''}${name}${who === '' ? '' : ` (${who})`} · ${model}${facts.length > 0 ? ` · ${facts.join(', ')}` : ''}`;
    };
    const plain = shown.members.filter(({ role }) => role === null).map((member) => line(member.agent ?? '', member, 0));
    const roles = TREE.flatMap(([role, depth]) => shown.members.filter((member) => member.role === role).map((member) => line(role, member, depth)));
    const tasks = Object.entries(shown.tasks).map(([state, n]) => `${n} ${state}`);
    world.out(`${[...plain, ...roles, `tasks: ${tasks.join(', ') || 'none open'}`].join('\n')}\n`);
  });

  const roles = program.command('roles').description('The policy of the roles');
  json(roles.command('show [role]').description('What a role is for and what it may; without one, all in short')).action(
    async (role: string | undefined, flags: Flags) => {
      const found = await call<{ roles: Record<string, Policy> }>(flags, 'roles.list', {});
      const one = role === undefined ? undefined : found.roles[role];
      if (flags.json) return print(one ?? found);
      if (role !== undefined && !one) {
        world.out(`No role "${role}": ${Object.keys(found.roles).join(', ')}\n`);
        return setExit(1);
      }
      world.out(
        one
          ? `${one.rights}\n`
          : `${Object.entries(found.roles)
              .map(([name, { model, about }]) => `${name} (${model}): ${about}`)
              .join('\n')}\n`,
      );
    },
  );
  json(
    roles
      .command('explain <role> <action...>')
      .description('Whether a role may do something, and by which rule: an action, spawn <role>, order <role>, validate <role>'),
  ).action(async (role: string, words: string[], flags: Flags) => {
    const explained = await call<{ allowed: boolean; within?: string; rule: string }>(flags, 'roles.explain', { role, action: words.join(':') });
    if (flags.json) print(explained);
    else world.out(`${explained.allowed ? 'allowed' : 'denied'}${explained.within === undefined ? '' : `, ${explained.within}`}: ${explained.rule}\n`);
    if (!explained.allowed) setExit(1);
  });
}
