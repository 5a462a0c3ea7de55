// clawdbot models: what agents may ask, where their credentials come from, and the choice of the default.

import { type Command, Option } from 'commander';
import { parsePath } from '../../../domain/config-path.ts';
import { table } from '../text.ts';
import { CliError, type VerbContext } from '../verb.ts';
import { change } from './config.ts';

interface Flags {
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly provider?: string;
  readonly local?: boolean;
  readonly check?: boolean;
}

const MODEL = 'agents.defaults.model';

export function addModelVerbs(program: Command, context: VerbContext, setExit: (code: number) => void): void {
  const { world, profile, print } = context;
  const models = program.command('models').description('Models of the agents and their credentials');
  const facts = () => world.models(profile());
  const edit = async (path: readonly string[], value: unknown, done: string) => {
    const written = path.map((key) => (/^[\w-]+$/.test(key) ? key : key.replace(/[\\.[\]]/g, '\\$&'))).join('.');
    await change(
      context,
      (client) => client.call('config.edit', { path: written, ...(value !== undefined && { value }) }),
      (file) => file.write(value === undefined ? { kind: 'unset', path } : { kind: 'set', path, value }, { actor: 'cli' }),
    );
    world.out(`${done}\n`);
  };

  models
    .command('list')
    .description('Models that agents use here and those the configuration describes')
    .option('--all', 'accepted for compatibility')
    .option('--local', 'only those on this machine')
    .option('--provider <name>', 'only those of a provider')
    .option('--json', 'as JSON')
    .option('--plain', 'one name a line')
    .action(async ({ json, plain, provider, local }: Flags) => {
      const { models: all } = await facts();
      const shown = all.filter((model) => (provider === undefined || model.key.startsWith(`${provider}/`)) && (!local || model.local));
      if (json) return print({ count: shown.length, models: shown });
      if (plain) return world.out(shown.map(({ key }) => `${key}\n`).join(''));
      world.out(
        table(
          ['model', 'context', 'credential', 'tags'],
          shown.map(({ key, contextWindow, available, tags }) => [key, String(contextWindow), available ? 'yes' : 'missing', tags.join(', ')]),
        ),
      );
    });

  models
    .command('status', { isDefault: true })
    .description('The default model, its fallbacks, and which credentials were found')
    .option('--json', 'as JSON')
    .option('--plain', 'the default model alone')
    .addOption(new Option('--status-json').implies({ json: true }).hideHelp())
    .addOption(new Option('--status-plain').implies({ plain: true }).hideHelp())
    .option('--check', 'exit 1 when a credential in use is missing')
    .action(async ({ json, plain, check }: Flags) => {
      const { status } = await facts();
      if (json) print(status);
      else if (plain) world.out(`${status.resolvedDefault}\n`);
      else {
        world.out(`Default: ${status.defaultModel}${status.resolvedDefault === status.defaultModel ? '' : ` (served as ${status.resolvedDefault})`}\n`);
        if (status.fallbacks.length > 0) world.out(`Fallbacks: ${status.fallbacks.join(', ')}\n`);
        for (const { provider, effective } of status.auth.providers)
          world.out(`${provider}: ${effective.kind === 'missing' ? `no credential. ${effective.detail}` : effective.detail}\n`);
      }
      if (check) setExit(status.auth.missingProvidersInUse.length === 0 ? 0 : 1);
    });

  models
    .command('set <model>')
    .description('Choose the default model')
    .action(async (model: string) => {
      const { status } = await facts();
      const path = status.fallbacks.length > 0 ? `${MODEL}.primary` : MODEL;
      await edit(parsePath(path), model, `Default model: ${model}`);
    });

  const aliases = models.command('aliases').description('Short names of models');
  aliases
    .command('list')
    .description('Short names')
    .option('--json', 'as JSON')
    .option('--plain', 'one a line')
    .action(async ({ json }: Flags) => {
      const { status } = await facts();
      if (json) return print({ aliases: status.aliases });
      world.out(
        Object.entries(status.aliases)
          .map(([alias, model]) => `${alias} -> ${model}\n`)
          .join('') || 'No aliases.\n',
      );
    });
  aliases
    .command('add <alias> <model>')
    .description('Give a model a short name')
    .action((alias: string, model: string) => edit(['agents', 'defaults', 'models', model, 'alias'], alias, `${alias} -> ${model}`));
  aliases
    .command('remove <alias>')
    .description('Take a short name away')
    .action(async (alias: string) => {
      const { status } = await facts();
      const model = status.aliases[alias];
      if (model === undefined) throw new CliError(`there is no alias "${alias}". See: clawdbot models aliases list`);
      await edit(['agents', 'defaults', 'models', model, 'alias'], undefined, `Removed ${alias}`);
    });

  const fallbacks = models.command('fallbacks').description('Models that are asked when the default one fails');
  const setFallbacks = async (next: (now: readonly string[]) => readonly string[]) => {
    const { status } = await facts();
    const list = next(status.fallbacks);
    const value = list.length > 0 ? { primary: status.defaultModel, fallbacks: list } : status.defaultModel;
    await edit(parsePath(MODEL), value, `Fallbacks: ${list.join(', ') || 'none'}`);
  };
  fallbacks
    .command('list')
    .description('In the order they are asked')
    .option('--json', 'as JSON')
    .option('--plain', 'one a line')
    .action(async ({ json }: Flags) => {
      const { status } = await facts();
      if (json) return print({ fallbacks: status.fallbacks });
      world.out(status.fallbacks.map((model) => `${model}\n`).join('') || 'No fallbacks.\n');
    });
  fallbacks
    .command('add <model>')
    .description('Ask this one last')
    .action((model: string) => setFallbacks((now) => [...now.filter((other) => other !== model), model]));
  fallbacks
    .command('remove <model>')
    .description('Do not ask this one')
    .action((model: string) =>
      setFallbacks((now) => {
        if (!now.includes(model)) throw new CliError(`"${model}" is no fallback. See: clawdbot models fallbacks list`);
        return now.filter((other) => other !== model);
      }),
    );
  fallbacks
    .command('clear')
    .description('Ask nobody else')
    .action(() => setFallbacks(() => []));
}
