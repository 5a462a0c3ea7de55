// clawdbot alerts: what is not as it should be now, what to do, and what was told before.

import type { Command } from 'commander';
import type { Degraded, Finding } from '../../../domain/checks.ts';
import { age } from '../text.ts';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface Answer {
  readonly findings: readonly Finding[];
  readonly degraded: Degraded;
  readonly alerts: readonly { readonly check: string; readonly severity: string; readonly openedAt: number; readonly resolvedAt: number | null }[];
}

const SIGNS: Readonly<Record<Finding['severity'], string>> = { critical: '!!', warning: ' !', info: ' i', ok: ' .' };

export function addAlertVerb(program: Command, { world, withGateway, print }: VerbContext): void {
  withConnectFlags(program.command('alerts').description('What is not as it should be, the evidence and what to do; with --all everything that is looked at'))
    .option('--all', 'checks that are well too')
    .option('--json', 'as JSON')
    .action(async (flags: ConnectFlags & { all?: boolean; json?: boolean }) => {
      const answer = (await withGateway(flags, (client) => client.call('health.checks'))) as Answer; // the shape of health/methods
      if (flags.json) return print(answer);
      const shown = answer.findings.filter(({ severity }) => flags.all === true || (severity !== 'ok' && severity !== 'info'));
      for (const { id, severity, evidence, fix } of shown) world.out(`${SIGNS[severity]} ${id}: ${evidence}\n${severity === 'ok' ? '' : `     ${fix}\n`}`);
      if (shown.length === 0) world.out('All is well.\n');
      for (const { mode, stops, goesOn, queued } of answer.degraded.modes)
        world.out(`\n${mode}\n  stops: ${stops}\n  goes on: ${goesOn}\n  queued: ${queued}\n`);
      const recent = answer.alerts.filter(({ resolvedAt }) => resolvedAt !== null).slice(0, 5);
      if (recent.length > 0)
        world.out(
          `\nBefore:\n${recent.map(({ check, severity, openedAt, resolvedAt }) => `  ${check} (${severity}), ${age(world.now() - openedAt)}, for ${Math.max(1, Math.round(((resolvedAt ?? 0) - openedAt) / 60_000))} min\n`).join('')}`,
        );
    });
}
