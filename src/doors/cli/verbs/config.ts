// clawdbot config get | validate: the configuration file, with or without a running gateway.

import type { Command } from 'commander';
import { redactConfig } from '../../../domain/config.ts';
import { CliError, type VerbContext } from '../verb.ts';

export function addConfigVerbs(program: Command, { world, profile, print }: VerbContext, setExit: (code: number) => void): void {
  const config = program.command('config').description('Look at the configuration file');
  config
    .command('get [path]')
    .description('A value of the file, credentials masked')
    .option('--json', 'as JSON')
    .action((path: string | undefined, { json }: { json?: boolean }) => {
      const { value, exists, path: file, issues } = world.readConfig(profile());
      if (!exists) throw new CliError(`there is no configuration file at ${file}. The gateway writes one at its first start`);
      if (value === undefined) throw new CliError(`${file} cannot be read: ${issues.map(({ message }) => message).join('; ')}`);
      const found = path === undefined ? redactConfig(value) : valueAt(redactConfig(value), path);
      if (found === undefined) throw new CliError(`Config path not found: ${path}`);
      if (json || typeof found === 'object') print(found);
      else world.out(`${String(found)}\n`);
    });
  config
    .command('validate')
    .description('Check the file without starting anything')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => {
      const { path, exists, issues, warnings } = world.readConfig(profile());
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

function valueAt(value: unknown, path: string): unknown {
  let inner = value;
  for (const key of path.split('.')) {
    if (inner === null || typeof inner !== 'object' || !Object.hasOwn(inner, key)) return undefined;
    inner = (inner as Record<string, unknown>)[key]; // an object that has the key
  }
  return inner;
}
