// clawdbot config: the configuration file, with or without a running gateway. A running one carries changes out itself.

import type { Command } from 'commander';
import JSON5 from 'json5';
import { redactConfig } from '../../../domain/config.ts';
import { parsePath, valueAt } from '../../../domain/config-path.ts';
import { Fault } from '../../../kit/fault.ts';
import type { ConfigFile, ConfigRevision } from '../../../ports/config-file.ts';
import { CallError, type GatewayClient } from '../client.ts';
import { table } from '../text.ts';
import { CliError, type VerbContext } from '../verb.ts';

interface Written {
  readonly changed: readonly string[];
  readonly needsRestart: readonly string[];
  readonly revision: string;
  readonly warnings?: readonly { readonly path: string; readonly message: string }[];
}

const ACTOR = 'cli';

export function addConfigVerbs(program: Command, context: VerbContext, setExit: (code: number) => void): void {
  const { world, profile, print } = context;
  const config = program.command('config').description('Look at the configuration file and change it');

  config
    .command('get [path]')
    .description('A value of the file, credentials masked')
    .option('--json', 'as JSON')

    .action(async (path: string | undefined, { json }: { json?: boolean }) => {
      const { value, exists, path: file, issues } = await world.readConfig(profile());
      if (!exists) throw new CliError(`there is no configuration file at ${file}. The gateway writes one at its first start`);
      if (value === undefined) throw new CliError(`${file} cannot be read: ${issues.map(({ message }) => message).join('; ')}`);
      const found = path === undefined ? redactConfig(value) : valueAt(redactConfig(value), parsePath(path));
      if (found === undefined) throw new CliError(`Config path not found: ${path}`);
      if (json || typeof found === 'object') print(found);
      else world.out(`${String(found)}\n`);
    });

  config
    .command('set <path> <value>')
    .description('Set one key. Everything else in the file stays as it is; takes effect at once')
    .option('--json', 'the value must be JSON5')
    .action(async (path: string, text: string, { json }: { json?: boolean }) => {
      const keys = parsePath(path);
      const value = readValue(text, json ?? false);
      const written = await change(
        context,
        (client) => client.call('config.edit', { path, value }),
        (file) => file.write({ kind: 'set', path: keys, value }, { actor: ACTOR }),
      );
      await tell(context, `Updated ${path}`, written, path);
    });

  config
    .command('unset <path>')
    .description('Remove one key; its default holds')
    .action(async (path: string) => {
      const keys = parsePath(path);
      const { value } = await world.readConfig(profile());
      if (value !== undefined && valueAt(value, keys) === undefined) throw new CliError(`Config path not found: ${path}`);
      const written = await change(
        context,
        (client) => client.call('config.edit', { path }),
        (file) => file.write({ kind: 'unset', path: keys }, { actor: ACTOR }),
      );
      await tell(context, `Removed ${path}`, written, path);
    });

  config
    .command('history')
    .description('The revisions that are kept, the newest last')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const revisions = (await world.configFile(profile())).revisions();
      if (json) return print({ revisions });
      world.out(revisions.length > 0 ? table(['revision', 'when', 'by', 'changed'], revisions.map(revisionRow)) : 'No revisions yet.\n');
    });

  config
    .command('undo [revision]')
    .description('Put an earlier revision back; without one, the state before the last write')
    .action(async (revision: string | undefined) => {
      const named = revision === undefined ? {} : { revision };
      const written = await change(
        context,
        (client) => client.call('config.undo', named),
        (file) => file.write({ kind: 'undo', ...named }, { actor: ACTOR }),
      );
      await tell(context, `Put back (${written.changed.length} changed: ${written.changed.slice(0, 8).join(', ')})`, written);
    });

  config
    .command('validate')
    .description('Check the file without starting anything')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { path, exists, issues, warnings } = await world.readConfig(profile());
      const valid = exists && issues.length === 0;
      if (json) print({ path, exists, valid, issues, warnings });
      else {
        world.out(`${path}: ${valid ? 'valid' : exists ? 'not valid' : 'missing'}\n`);
        for (const issue of issues) world.out(`  problem: ${issue.path === '' ? '' : `${issue.path}: `}${issue.message}\n`);
        for (const warning of warnings) world.out(`  note: ${warning.path}: ${warning.message}\n`);
      }
      setExit(valid ? 0 : 1);
    });
}

/** By the running gateway where there is one, so that the file has one writer; else by ourselves. */
export async function change(
  { world, profile, withGateway }: VerbContext,
  online: (client: GatewayClient) => Promise<unknown>,
  offline: (file: ConfigFile) => Written,
): Promise<Written> {
  try {
    return world.runningGateway(profile()) ? ((await withGateway({}, online)) as Written) : offline(await world.configFile(profile())); // the shape of config/methods
  } catch (error) {
    const said = error instanceof CallError && error.error !== undefined ? error.error.message : error instanceof Fault ? error.message : undefined;
    if (said === undefined) throw error;
    throw new CliError(said.startsWith(INVALID) ? `Error: Config validation failed: ${said.slice(INVALID.length)}` : `Error: ${said}`);
  }
}

const INVALID = 'invalid config: ';

async function tell({ world, profile }: VerbContext, what: string, { needsRestart }: Written, path?: string): Promise<void> {
  const { warnings } = await world.readConfig(profile());
  for (const warning of warnings.filter(
    (finding) => path !== undefined && finding.path.startsWith(path.split('.')[0] ?? '') && /unknown key/.test(finding.message),
  ))
    world.err(`note: ${warning.path}: ${warning.message}\n`);
  const running = world.runningGateway(profile()) !== undefined;
  world.out(`${what}. ${needsRestart.length > 0 ? 'Restart the gateway to apply.' : running ? 'In effect.' : 'It applies at the next start.'}\n`);
}

function readValue(text: string, strict: boolean): unknown {
  try {
    return JSON5.parse(text);
  } catch (error) {
    if (strict) throw new CliError(`Error: the value is not JSON5: ${String(error)}`);
    return text;
  }
}

function revisionRow({ id, at, actor, changed, note }: ConfigRevision): readonly string[] {
  return [id, new Date(at).toISOString(), actor, `${changed.slice(0, 5).join(', ')}${changed.length > 5 ? ' …' : ''}${note === undefined ? '' : ` (${note})`}`];
}
