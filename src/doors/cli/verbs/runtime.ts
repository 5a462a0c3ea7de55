// clawdbot runtime: programs that drive turns in place of the gateway's own loop.

import type { Command } from 'commander';
import { messageOf } from '../../../kit/fault.ts';
import { CliError, type VerbContext } from '../verb.ts';

export function addRuntimeVerbs(program: Command, { world, profile, print }: VerbContext): void {
  const runtime = program.command('runtime').description('Programs that drive turns of roles with a runtime of their own');
  runtime
    .command('status')
    .description('Whether the claude command is there, and where')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const command = await world.claudeCommand(profile());
      if (json) return print({ 'claude-code': { command: command ?? null } });
      world.out(
        command === undefined
          ? 'claude-code: no claude command is found (clawdbot runtime install). Its roles are driven by the gateway itself.\n'
          : `claude-code: ${command}\n`,
      );
    });
  runtime
    .command('install')
    .description('Install the claude command (about 400 MB) into the state folder, by npm')
    .action(async () => {
      try {
        world.out(`claude-code: ${await world.installClaude(profile())}\n`);
      } catch (error) {
        throw new CliError(messageOf(error));
      }
    });
}
