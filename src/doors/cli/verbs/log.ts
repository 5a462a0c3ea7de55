// clawdbot log and incident: whether the log of what happened is whole, and what is broken.

import type { Command } from 'commander';
import { age } from '../text.ts';
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

interface IncidentView {
  readonly id: string;
  readonly subject: string;
  readonly reason: string;
  readonly state: string;
  readonly openedAt: number;
  readonly tasks: readonly string[];
}

export function addIncidentVerb(program: Command, { world, withGateway, print }: VerbContext): void {
  const incident = program.command('incident').description('What is broken and keeps tasks from being judged: list, resolve');
  const verb = (usage: string, about: string) => withConnectFlags(incident.command(usage).description(about).option('--json', 'as JSON'));
  verb('list', 'Those that are open')
    .option('--all', 'also those that are resolved')
    .action(async ({ json, all = false, ...flags }: ConnectFlags & { json?: boolean; all?: boolean }) => {
      const { incidents } = (await withGateway(flags, (client) => client.call('incidents.list', { all }))) as unknown as { incidents: IncidentView[] }; // the shape of validation/resuming
      if (json) return print({ incidents });
      const lines = incidents.map(
        ({ id, state, subject, reason, openedAt, tasks }) =>
          `${id} ${state}, ${age(world.now() - openedAt)} old: ${subject}\n  ${reason}\n${tasks.length > 0 ? `  blocks ${tasks.join(', ')}\n` : ''}`,
      );
      world.out(lines.join('') || 'None.\n');
    });
  verb('resolve <id>', 'It is repaired: what it blocked is proved again').action(async (id: string, { json, ...flags }: ConnectFlags & { json?: boolean }) => {
    const answer = (await withGateway(flags, (client) => client.call('incidents.resolve', { id }))) as unknown as { resumed: string[] }; // the shape of validation/resuming
    if (json) print(answer);
    else world.out(`${id} is resolved${answer.resumed.length > 0 ? `; proved again: ${answer.resumed.join(', ')}` : ''}.\n`);
  });
}
