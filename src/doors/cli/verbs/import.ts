// clawdbot import: takes over what the original gateway and its team left.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { table } from '../text.ts';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean; readonly dryRun?: boolean };
interface Problem {
  readonly path: string;
  readonly problem: string;
}
interface Report {
  readonly dryRun: boolean;
  readonly counts: Readonly<Record<string, { readonly found: number; readonly taken?: number }>>;
  readonly repaired: readonly Problem[];
  readonly unreadable: readonly Problem[];
  readonly lostRequests: readonly string[];
  readonly orphanResponses: readonly string[];
  readonly kept?: string;
  readonly notes: readonly string[];
}

/** Long transcripts take their time. */
const LONGEST_MS = 600_000;

export function addImportVerb(program: Command, { world, withGateway, print }: VerbContext): void {
  withConnectFlags(
    program
      .command('import <stateDir> [workspace]')
      .description("Take over the original's state folder and its team's workspace; neither is changed")
      .option('--dry-run', 'only count what would be taken, mended and left out')
      .option('--json', 'as JSON'),
  ).action(async (stateDir: string, workspace: string | undefined, { dryRun = false, ...flags }: Flags) => {
    const params = { stateDir: resolve(stateDir), ...(workspace !== undefined && { workspace: resolve(workspace) }), dryRun };
    const report = (await withGateway(flags, (client) => client.call('import.run', params, { timeoutMs: LONGEST_MS }))) as Report; // the shape of import/methods
    if (flags.json) return print(report);
    const rows = Object.entries(report.counts).map(([what, { found, taken }]) => [what, String(found), taken === undefined ? '' : String(taken)]);
    const problems = (title: string, list: readonly Problem[]) =>
      list.length === 0 ? [] : ['', title, ...list.map(({ path, problem }) => `  ${path}: ${problem}`)];
    const names = (title: string, list: readonly string[]) => (list.length === 0 ? [] : ['', `${title}: ${list.join(', ')}`]);
    const lines = [
      ...problems('Mended:', report.repaired),
      ...problems('Cannot be read, and stays where it is:', report.unreadable),
      ...names('Spawn requests that nobody answered', report.lostRequests),
      ...names('Answers to requests that are not there', report.orphanResponses),
      ...(report.kept === undefined ? [] : ['', `The first originals are kept in ${report.kept}`]),
      ...(report.notes.length === 0 ? [] : ['', ...report.notes]),
      ...(report.dryRun ? ['', 'Nothing was taken: leave out --dry-run to take it.'] : []),
    ];
    world.out(`${table(['', 'found', report.dryRun ? '' : 'taken'], rows)}${lines.length > 0 ? `${lines.join('\n')}\n` : ''}`);
  });
}
