// clawdbot doctor: what is not as it should be, with the evidence and the fix. It changes nothing.

import type { Command } from 'commander';
import type { VerbContext } from '../verb.ts';
import type { DoctorFinding } from '../world.ts';

interface Flags {
  readonly json?: boolean;
  readonly repair?: boolean;
  readonly fix?: boolean;
  readonly generateGatewayToken?: boolean;
}

const ORDER: readonly DoctorFinding['severity'][] = ['error', 'warning', 'info'];

export function addDoctorVerb(program: Command, { world, profile, print }: VerbContext): void {
  program
    .command('doctor')
    .description('Look for problems. Nothing is changed')
    .option('--json', 'as JSON')
    .option('--non-interactive', 'accepted for compatibility: nothing is ever asked')
    .option('--yes', 'accepted for compatibility')
    .option('--deep', 'accepted for compatibility: every check is always made')
    .option('--no-workspace-suggestions', 'accepted for compatibility')
    .option('--force', 'accepted for compatibility')
    .option('--repair', 'not available: do what a finding says')
    .option('--fix', 'not available: do what a finding says')
    .option('--generate-gateway-token', 'not available: the gateway makes its token at the first start')
    .action(async (flags: Flags) => {
      const findings = (await world.examine(profile())).toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
      if (flags.repair || flags.fix || flags.generateGatewayToken) world.err('doctor changes nothing in this version: each finding says what to do\n');
      if (flags.json) return print({ ok: findings.every(({ severity }) => severity !== 'error'), findings });
      if (findings.length === 0) return world.out('No findings.\n');
      for (const { id, severity, evidence, fix } of findings) world.out(`${severity.padEnd(7)}  ${id}\n         ${evidence}\n         -> ${fix}\n`);
    });
}
