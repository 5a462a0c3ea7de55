// clawdbot log: the log of what happened, which the gateway chains as it writes it.

import type { Command } from 'commander';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface Verified {
  readonly ok: boolean;
  readonly events: number;
  readonly brokenAt: number | null;
  readonly tasks: number;
  readonly records: number;
  readonly problems: readonly string[];
}

export function addLogVerb(program: Command, { world, withGateway, print }: VerbContext, setExit: (code: number) => void): void {
  const log = program.command('log').description('The log of what happened: look whether it is whole');
  withConnectFlags(
    log.command('verify').description('Check the chain of events, and tasks, evidence and verdicts against it').option('--json', 'as JSON'),
  ).action(async ({ json, ...flags }: ConnectFlags & { json?: boolean }) => {
    const found = (await withGateway(flags, (client) => client.call('log.verify', {}))) as unknown as Verified; // the shape of validation/audit
    if (!found.ok) setExit(1);
    if (json) return print(found);
    const { events, brokenAt, tasks, records, problems } = found;
    world.out(brokenAt === null ? `${events} events, each chained to the one before.\n` : `BROKEN at event ${brokenAt}: it is not what was written then.\n`);
    world.out(
      problems.length === 0
        ? `${tasks} tasks with ${records} pieces of evidence and verdicts, all as they were written.\n`
        : problems.map((line) => `${line}\n`).join(''),
    );
  });
}
