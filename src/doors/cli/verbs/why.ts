// clawdbot why: what a thing waits for, and what that waits for.

import type { Command } from 'commander';
import type { Why } from '../../../domain/why.ts';
import { age, span } from '../text.ts';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

export function addWhyVerb(program: Command, { world, withGateway, print }: VerbContext): void {
  withConnectFlags(program.command('why <id>').description('Why a run, session, spawn, job or message stands where it stands'))
    .option('--json', 'as JSON')
    .action(async (id: string, flags: ConnectFlags & { json?: boolean }) => {
      const { why } = (await withGateway(flags, (client) => client.call('why', { id }))) as { why: Why }; // the shape of why/methods
      if (flags.json) print(why);
      else world.out(linesOf(why, world.now(), '').join(''));
    });
}

function linesOf({ kind, name, state, owner, waitingFor, since, lastProgress, next, because }: Why, now: number, indent: string): string[] {
  const line = (label: string, text: string) => `${indent}  ${label.padEnd(14)}${text}\n`;
  const when = next?.at == null ? '' : next.at > now ? `, in ${span(next.at - now)}` : ', now';
  return [
    `${indent}${kind} ${name}: ${state}\n`,
    line('owner', owner),
    ...(waitingFor === null ? [] : [line('waits for', `${waitingFor}${since === null ? '' : `, since ${span(now - since)}`}`)]),
    ...(lastProgress ? [line('last progress', `${lastProgress.what}, ${age(now - lastProgress.at)}`)] : []),
    ...(next ? [line('next', `${next.action}${when}`)] : []),
    ...because.flatMap((cause) => linesOf(cause, now, `${indent}  `)),
  ];
}
