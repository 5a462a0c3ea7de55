// clawdbot plan, epic and story: what is wanted, in three sizes, and where it is.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Command } from 'commander';
import { ITEM_KINDS, type ItemKind } from '../../../domain/plan.ts';
import type { PlanFile } from '../../../domain/plan-file.ts';
import type { Changed } from '../../../features/planning/items.ts';
import type { PlanItem } from '../../../features/planning/rows.ts';
import { itemText, treeText } from '../../../features/planning/text.ts';
import type { PlanNode, Shown } from '../../../features/planning/tree.ts';
import type { TaskView } from '../../../features/tasks/rows.ts';
import { table } from '../text.ts';
import { CliError, type ConnectFlags, readJsonFile, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
type WriteFlags = Flags & {
  readonly parent?: string;
  readonly name?: string;
  readonly text?: string;
  readonly aim?: string;
  readonly budget?: string;
  readonly file?: string;
  readonly title?: string;
  readonly preview?: boolean;
};

const ABOUT: Readonly<Record<ItemKind, string>> = {
  plan: 'Plans: an order, its epics, stories and tasks, and where they are',
  epic: 'Epics: the parts of a plan',
  story: 'Stories: what can be built and refuted, with its criteria',
};
const PARENT: Readonly<Record<ItemKind, string>> = { plan: '', epic: 'plan', story: 'epic' };

export function addPlanVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const call = <T>(flags: Flags, method: string, params: unknown) => withGateway(flags, (client) => client.call(method, params)) as Promise<T>; // the shapes of planning/methods
  const said = (flags: Flags, item: PlanItem) => {
    if (flags.json) return print(item);
    const lint = item.findings.map(({ at, problem, instead }) => `  ${at}: ${problem}. Write: ${instead}\n`).join('');
    world.out(`${item.name} is ${item.state}.\n${lint}`);
  };
  const voided = (flags: Flags, { item, voids }: Changed, isPreview: boolean) => {
    if (flags.json) return print({ item, voids });
    world.out(isPreview ? `${item.name} would touch ${voids.length} tasks.\n` : `${item.name} is ${item.state}.\n`);
    if (voids.length > 0)
      world.out(
        table(
          ['task', 'project', 'was', 'run'],
          voids.map(({ task, project, state, runId }) => [task, project, state, runId ?? '']),
        ),
      );
  };
  for (const kind of ITEM_KINDS) addKind(kind);

  function addKind(kind: ItemKind): void {
    const parent = program.command(kind).description(ABOUT[kind]);
    const verb = (usage: string, about: string) => withConnectFlags(parent.command(usage).description(about).option('--json', 'as JSON'));
    const create = verb(
      'create <title...>',
      kind === 'plan' ? 'Open a plan: the person manager is told' : `Write one under ${PARENT[kind] === 'epic' ? 'an epic' : 'a plan'}`,
    )
      .option('--name <name>', 'its name (left out, one is given)')
      .option('--file <path>', 'all its fields, in a JSON file (- is the standard input)');
    if (kind === 'plan')
      create.option('--text <order>', 'the order in your own words').option('--budget <usd>', 'most that all work under it may spend, in US dollars');
    if (kind !== 'story') create.option('--aim <text>', 'what is there at the end');
    if (kind !== 'plan') create.requiredOption(`--parent <${PARENT[kind]}>`, `the ${PARENT[kind]} it belongs to`);
    create.action(async (words: string[], flags: WriteFlags) => {
      const { name, parent: above } = flags;
      const params = {
        kind,
        title: words.join(' '),
        body: bodyFrom(flags),
        ...(name !== undefined && { name }),
        ...(above !== undefined && { parent: above }),
      };
      said(flags, (await call<{ item: PlanItem }>(flags, 'plans.create', params)).item);
    });
    verb('list', `All of them`).action(async (flags: Flags) => {
      const { plans } = await call<{ plans: PlanNode[] }>(flags, 'plans.tree', {});
      const found = flat(plans).filter((node) => node.kind === kind);
      if (flags.json) print({ [`${kind}s`]: found });
      else
        world.out(
          found.length > 0
            ? table(
                [kind, 'state', 'title'],
                found.map(({ name, state, title }) => [name, state, title.slice(0, 80)]),
              )
            : `None: clawdbot ${kind} create --help\n`,
        );
    });
    verb('show <name>', 'One of them, with all that is known of it').action(async (name: string, flags: Flags) => {
      const shown = await call<Shown>(flags, 'plans.show', { name });
      if (flags.json) print(shown);
      else world.out(`${itemText(shown)}\n`);
    });
    verb('tree [name]', 'It and all that stands under it').action(async (name: string | undefined, flags: Flags) => {
      const nodes =
        name === undefined ? (await call<{ plans: PlanNode[] }>(flags, 'plans.tree', {})).plans : [(await call<Shown>(flags, 'plans.show', { name })).node];
      if (flags.json) print({ plans: nodes });
      else world.out(treeText(nodes) || 'No plans.\n');
    });
    verb('edit <name>', 'Change it, and see which work under way that voids')
      .option('--title <title>', 'another title')
      .option('--file <path>', 'the fields that change, in a JSON file (- is the standard input)')
      .option('--aim <text>', 'another aim')
      .option('--text <order>', 'another order')
      .option('--budget <usd>', 'another budget, in US dollars')
      .option('--preview', 'only say what it would void')
      .action(async (name: string, flags: WriteFlags) => {
        const { title, preview = false } = flags;
        const params = { name, body: bodyFrom(flags), preview, ...(title !== undefined && { title }) };
        voided(flags, await call<Changed>(flags, 'plans.edit', params), preview);
      });
    for (const [action, about] of [
      ...(kind === 'epic'
        ? []
        : ([
            ['submit', 'Hand it over for review'],
            ['reject', 'Send it back, with a reason'],
          ] as const)),
      ['approve', kind === 'epic' ? 'Accept it: its stories are done' : 'Approve it'],
      ['comment', 'Say something about it'],
    ] as const)
      verb(`${action} <name> [reason...]`, about).action(async (name: string, words: string[], flags: Flags) => {
        const reason = words.join(' ');
        if (reason === '' && (action === 'reject' || action === 'comment')) throw new CliError(`say it: clawdbot ${kind} ${action} ${name} "…"`);
        said(flags, (await call<{ item: PlanItem }>(flags, `plans.${action}`, { name, ...(reason !== '' && { reason }) })).item);
      });
    verb('abandon <name> <reason...>', 'Give it up with all that stands under it')
      .option('--preview', 'only say what it would cancel')
      .action(async (name: string, words: string[], flags: WriteFlags) => {
        const { preview = false } = flags;
        voided(flags, await call<Changed>(flags, 'plans.abandon', { name, reason: words.join(' '), preview }), preview);
      });
    if (kind === 'story')
      verb('split <name> <file>', 'Split it into tasks, from a JSON file with [{ name, title, criteria, dependsOn }]').action(
        async (name: string, path: string, flags: Flags) => {
          const { tasks } = await call<{ tasks: TaskView[] }>(flags, 'plans.split', { name, tasks: readJsonFile(path) });
          if (flags.json) print({ tasks });
          else world.out(tasks.map((task) => `${task.name} is ${task.state}.\n`).join(''));
        },
      );
    if (kind === 'plan') addFolderVerbs(verb);
  }

  function addFolderVerbs(verb: (usage: string, about: string) => Command): void {
    verb('export <name>', 'Write it as a folder of Markdown')
      .option('--to <folder>', 'where (default: a folder of its name)')
      .action(async (name: string, flags: Flags & { to?: string }) => {
        const { files } = await call<{ files: PlanFile[] }>(flags, 'plans.export', { name });
        const folder = flags.to ?? name;
        for (const { path, text } of files) {
          mkdirSync(dirname(join(folder, path)), { recursive: true });
          writeFileSync(join(folder, path), text);
        }
        world.out(`${files.length} files in ${folder}\n`);
      });
    verb('import <path>', 'Take in a folder with a MASTER-PLAN.md, or that file alone').action(async (path: string, flags: Flags) => {
      if (!existsSync(path)) throw new CliError(`${path} is not there`);
      const answer = await call<{ plan: string; added: string[]; kept: string[] }>(flags, 'plans.import', { files: filesIn(path) });
      if (flags.json) print(answer);
      else
        world.out(`${answer.plan}: ${answer.added.length} taken in as drafts${answer.kept.length > 0 ? `, there already: ${answer.kept.join(', ')}` : ''}\n`);
    });
  }

  function bodyFrom({ file, text, aim, budget }: WriteFlags): Record<string, unknown> {
    const written = file === undefined ? {} : (readJsonFile(file) as Record<string, unknown>); // checked by the gateway
    const usd = budget === undefined ? undefined : Number(budget);
    if (usd !== undefined && !(usd > 0)) throw new CliError(`--budget is a sum in US dollars, such as 5: "${budget}" is none`);
    return { ...written, ...(text !== undefined && { order: text }), ...(aim !== undefined && { aim }), ...(usd !== undefined && { budget: { usd } }) };
  }
}

function flat(nodes: readonly PlanNode[]): PlanNode[] {
  return nodes.flatMap((node) => [node, ...flat(node.below)]);
}

/** Markdown in a folder and those under it, without links. */
function filesIn(path: string): PlanFile[] {
  if (statSync(path).isFile()) return [{ path: basename(path), text: readFileSync(path, 'utf8') }];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(path, file).replaceAll('\\', '/'), text: readFileSync(file, 'utf8') }));
}
