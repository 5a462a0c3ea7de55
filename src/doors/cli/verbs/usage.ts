// clawdbot usage: what was spent, how the budgets stand, and more money for one of them.

import type { Command } from 'commander';
import { table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface Flags extends ConnectFlags {
  readonly json?: boolean;
  readonly days: string;
  readonly by: string;
}
interface Report {
  readonly by: string;
  readonly groups: readonly { readonly name: string; readonly calls: number; readonly totalTokens: number; readonly totalCost: number }[];
  readonly budgets: readonly {
    readonly scope: string;
    readonly state: string;
    readonly spentUsd: number;
    readonly limitUsd: number | null;
    readonly spentTokens: number;
    readonly limitTokens: number | null;
    readonly approvalId: string | null;
  }[];
}

export function addUsageVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const usage = withConnectFlags(program.command('usage').description('What was spent on models, and how the budgets of today stand'))
    .option('--days <n>', 'days back from today', '7')
    .option('--by <what>', 'day, agent, role, job or model', 'day')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const days = Number(flags.days);
      if (!Number.isInteger(days) || days < 1) throw new CliError('--days must be a whole number of 1 or more');
      const report = (await withGateway(flags, (client) => client.call('usage.report', { days, by: flags.by }))) as Report; // the shape of usage/methods
      if (flags.json) return print(report);
      const rows = report.groups.map(({ name, calls, totalTokens, totalCost }) => [name, String(calls), String(totalTokens), dollars(totalCost)]);
      world.out(rows.length > 0 ? table([report.by, 'calls', 'tokens', 'cost'], rows) : 'No model was asked.\n');
      const budgets = report.budgets.map(({ scope, state, spentUsd, limitUsd, spentTokens, limitTokens, approvalId }) => [
        scope,
        limitUsd === null ? `${spentTokens} of ${limitTokens ?? '-'} tokens` : `${dollars(spentUsd)} of ${dollars(limitUsd)}`,
        approvalId === null ? state : `${state}: clawdbot approvals resolve ${approvalId} grant`,
      ]);
      world.out(`\n${table(['budget', 'spent today', 'state'], budgets)}`);
    });
  usage
    .command('fund <scope> <usd>')
    .description('Add money to a budget for today: day, agent:<id>, role:<name>, job:<id>, run:<id>')
    .action(async (scope: string, usd: string) => {
      const amount = Number(usd);
      if (!(amount > 0)) throw new CliError(`"${usd}" is no sum of money: give US dollars, such as 2.50`);
      const flags = usage.opts<Flags>();
      const { resumed } = (await withGateway(flags, (client) => client.call('usage.fund', { scope, usd: amount }))) as { resumed: number }; // the shape of usage/methods
      if (flags.json) print({ scope, usd: amount, resumed });
      else world.out(`${dollars(amount)} more for ${scope} today; ${resumed} runs that waited go on.\n`);
    });
}

function dollars(usd: number): string {
  return `$${usd.toFixed(usd !== 0 && usd < 0.1 ? 4 : 2)}`;
}
