// clawdbot task: the tasks of the team by hand.

import type { Command } from 'commander';
import type { TaskView } from '../../../features/tasks/rows.ts';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };

export function addTaskVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const task = program.command('task').description('The tasks of the team: list, show, add, move');
  const verb = (usage: string, about: string) => withConnectFlags(task.command(usage).description(about).option('--json', 'as JSON'));
  const call = <T>(flags: Flags, method: string, params: unknown) => withGateway(flags, (client) => client.call(method, params)) as Promise<T>; // the shapes of tasks/methods
  const line = ({ name, project, state }: TaskView) => `${name} (${project}) is ${state}.\n`;

  verb('list', 'The open tasks by project')
    .option('--all', 'also those that are closed')
    .action(async ({ all, ...flags }: Flags & { all?: boolean }) => {
      const { tasks } = await call<{ tasks: TaskView[] }>(flags, 'tasks.list', all ? { all } : {});
      if (flags.json) return print({ tasks });
      const rows = tasks.map(({ project, name, state, owner, attempts, updatedAt, title }) => [
        project,
        name,
        state,
        owner ?? '',
        attempts > 0 ? String(attempts) : '',
        age(world.now() - updatedAt),
        title.slice(0, 60),
      ]);
      world.out(rows.length > 0 ? table(['project', 'task', 'state', 'owner', 'tries', 'changed', 'title'], rows) : 'No tasks.\n');
    });
  verb('show <name>', 'One task with its text and its latest progress note')
    .option('--project <name>', 'where several projects have one of this name')
    .action(async (name: string, { project, ...flags }: Flags & { project?: string }) => {
      const found = await call<{ task: TaskView; progress: { path: string; text: string } | null }>(flags, 'tasks.get', {
        name,
        ...(project !== undefined && { project }),
      });
      if (flags.json) return print(found);
      const { task: one, progress } = found;
      const lines = [
        `${one.id} ${one.name} (${one.project}): ${one.state}${one.said === null ? '' : ` (its file says "${one.said}")`}`,
        `owner ${one.owner ?? 'nobody'}, failed attempts ${one.attempts}, from ${one.source}${one.runId === null ? '' : `, run ${one.runId}`}`,
        ...(one.blocked ? [`blocked: ${one.blocked.owner} must ${one.blocked.action}; looked at again ${new Date(one.blocked.recheckAt).toISOString()}`] : []),
        '',
        one.original,
        ...(progress ? ['', `--- ${progress.path}`, progress.text] : []),
      ];
      world.out(`${lines.join('\n')}\n`);
    });
  verb('add <name> <title...>', 'Add a task that is ready to be done')
    .option('--project <name>', 'its project', 'main')
    .option('--text <text>', 'what is to be done')
    .option('--owner <agent>', 'whose it is')
    .action(async (name: string, words: string[], { project, text, owner, ...flags }: Flags & { project: string; text?: string; owner?: string }) => {
      const params = { name, project, title: words.join(' '), ...(text !== undefined && { text }), ...(owner !== undefined && { owner }) };
      const { task: added } = await call<{ task: TaskView }>(flags, 'tasks.add', params);
      if (flags.json) print(added);
      else world.out(line(added));
    });
  verb('lease <name>', 'Hand a ready task to a worker')
    .option('--project <name>', 'where several projects have one of this name')
    .action(async (name: string, { project, ...flags }: Flags & { project?: string }) => {
      const answer = await call<{ task: TaskView; childSessionKey: string | null; rule: string | null }>(flags, 'tasks.lease', {
        name,
        ...(project !== undefined && { project }),
      });
      if (flags.json) print(answer);
      else world.out(answer.rule === null ? `${line(answer.task).trimEnd()} Its worker: ${answer.childSessionKey}\n` : `Not handed out: ${answer.rule}\n`);
    });
  verb('depend <name> [on...]', 'Say which tasks must be done before it is ready (none: it waits for nothing)')
    .option('--project <name>', 'where several projects have one of this name')
    .action(async (name: string, on: string[], { project, ...flags }: Flags & { project?: string }) => {
      const { task: one } = await call<{ task: TaskView }>(flags, 'tasks.depend', { name, on, ...(project !== undefined && { project }) });
      if (flags.json) print(one);
      else world.out(line(one));
    });
  verb('budget <name>', 'Most that all attempts of a task may spend')
    .option('--usd <sum>', 'in US dollars')
    .option('--tokens <n>', 'in tokens')
    .action(async (name: string, { usd, tokens, ...flags }: Flags & { usd?: string; tokens?: string }) => {
      if (usd === undefined && tokens === undefined) throw new CliError('say how much: --usd 2, or --tokens 200000');
      const params = { name, ...(usd !== undefined && { usd: Number(usd) }), ...(tokens !== undefined && { tokens: Number(tokens) }) };
      const { task: one } = await call<{ task: TaskView }>(flags, 'tasks.budget', params);
      if (flags.json) print(one);
      else world.out(line(one));
    });
  verb('block <name> <what...>', 'Say that a task cannot go on, who must do what, and when to look again')
    .option('--project <name>', 'where several projects have one of this name')
    .requiredOption('--owner <who>', 'who must act')
    .option('--recheck <minutes>', 'when to look again', '240')
    .action(async (name: string, words: string[], { project, owner, recheck, ...flags }: Flags & { project?: string; owner: string; recheck: string }) => {
      const blockedBy = { owner, action: words.join(' '), recheckMinutes: Number(recheck) };
      const { task: one } = await call<{ task: TaskView }>(flags, 'tasks.move', { name, to: 'blocked', blockedBy, ...(project !== undefined && { project }) });
      if (flags.json) print(one);
      else world.out(line(one));
    });
  verb('move <name> <state>', 'Move a task into another state')
    .option('--project <name>', 'where several projects have one of this name')
    .option('--as <role>', 'with the rights of a role (default: yours)')
    .option('--owner <who>', 'blocked: who must act')
    .option('--action <what>', 'blocked: what must be done')
    .option('--recheck <minutes>', 'blocked: when to look again', '240')
    .action(async (name: string, to: string, options: Flags & { project?: string; as?: string; owner?: string; action?: string; recheck: string }) => {
      const { project, as, owner, action, recheck, ...flags } = options;
      if (to === 'blocked' && (owner === undefined || action === undefined)) throw new CliError('blocked needs --owner and --action: who must do what');
      const params = {
        name,
        to,
        ...(project !== undefined && { project }),
        ...(as !== undefined && { as }),
        ...(owner !== undefined && action !== undefined && { blockedBy: { owner, action, recheckMinutes: Number(recheck) } }),
      };
      const { task: moved } = await call<{ task: TaskView }>(flags, 'tasks.move', params);
      if (flags.json) print(moved);
      else world.out(line(moved));
    });
}
