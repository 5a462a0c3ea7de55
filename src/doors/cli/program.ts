// The command line: verbs, flags, exit codes. Every error is a sentence on stderr and exit code 1.

import { Command } from 'commander';
import { messageOf } from '../../kit/fault.ts';
import { CallError, connect } from './client.ts';
import { CliError, DEFAULT_TIMEOUT_MS, type VerbContext } from './verb.ts';
import { addAgentVerb } from './verbs/agent.ts';
import { addAgentsVerbs } from './verbs/agents.ts';
import { addAlertVerb } from './verbs/alerts.ts';
import { addApprovalVerbs } from './verbs/approvals.ts';
import { addBackupVerbs } from './verbs/backup.ts';
import { addChannelVerbs } from './verbs/channels.ts';
import { addClusterVerbs } from './verbs/cluster.ts';
import { addConfigVerbs } from './verbs/config.ts';
import { addCronVerbs } from './verbs/cron.ts';
import { addDeviceVerbs } from './verbs/devices.ts';
import { addDoctorVerb } from './verbs/doctor.ts';
import { addGatewayVerbs } from './verbs/gateway.ts';
import { addImportVerb } from './verbs/import.ts';
import { addInboxVerbs } from './verbs/inbox.ts';
import { addIncidentVerb, addLogVerb } from './verbs/log.ts';
import { addLogsVerb } from './verbs/logs.ts';
import { addModelVerbs } from './verbs/models.ts';
import { addPlanVerbs } from './verbs/plan.ts';
import { addProofVerbs } from './verbs/proof.ts';
import { addRuntimeVerbs } from './verbs/runtime.ts';
import { addSimulatorVerbs } from './verbs/simulator.ts';
import { addSpawnVerbs } from './verbs/spawn.ts';
import { addSystemVerbs } from './verbs/system.ts';
import { addTaskVerbs } from './verbs/task.ts';
import { addTeamVerbs } from './verbs/team.ts';
import { addTuiVerb } from './verbs/tui.ts';
import { addUsageVerbs } from './verbs/usage.ts';
import { addViewVerbs } from './verbs/views.ts';
import { addWhyVerb } from './verbs/why.ts';
import { addWorkspaceVerbs } from './verbs/workspace.ts';
import type { CliWorld, Profile } from './world.ts';

/** Runs one command line. Resolves with the exit code. */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  let exitCode = 0;
  const program = new Command('clawdbot')
    .description('The Clawdbot Gateway: a team of agents that works by itself, and proves what it did.')
    .version(world.version, '-V, --version')
    .option('--dev', 'use the development state (~/.clawdbot-dev, port 19001)')
    .option('--profile <name>', 'use the state of a named profile (~/.clawdbot-<name>)')
    .option('--in-workspace <id>', 'speak with a further workspace of the gateway (~/.clawdbot/workspaces/<id>)')
    .option('--no-color', 'no colours')
    .configureOutput({ writeOut: world.out, writeErr: world.err })
    .exitOverride();
  const context: VerbContext = {
    world,
    profile: () => program.opts<Profile>(),
    withGateway: async (flags, use, onEvent) => {
      const timeoutMs = timeoutOf(flags.timeout);
      const target = world.target(program.opts<Profile>());
      const client = await connect({
        url: flags.url ?? target.url,
        token: flags.token ?? target.token,
        password: flags.password ?? target.password,
        timeoutMs,
        version: world.version,
        ...(onEvent && { onEvent }),
      });
      try {
        return await use(client);
      } finally {
        client.close();
      }
    },
    print: (value) => world.out(`${JSON.stringify(value, null, 2)}\n`),
  };
  const setExit = (code: number) => {
    exitCode = code;
  };
  addGatewayVerbs(program, context, setExit);
  addAgentVerb(program, context);
  addViewVerbs(program, context);
  addLogsVerb(program, context);
  addLogVerb(program, context, setExit);
  addIncidentVerb(program, context);
  addConfigVerbs(program, context, setExit);
  addModelVerbs(program, context, setExit);
  addAgentsVerbs(program, context);
  addDeviceVerbs(program, context);
  addApprovalVerbs(program, context);
  addCronVerbs(program, context);
  addChannelVerbs(program, context);
  addBackupVerbs(program, context);
  addAlertVerb(program, context);
  addSpawnVerbs(program, context, setExit);
  addInboxVerbs(program, context);
  addImportVerb(program, context);
  addWorkspaceVerbs(program, context);
  addPlanVerbs(program, context);
  addTaskVerbs(program, context);
  addProofVerbs(program, context);
  addRuntimeVerbs(program, context);
  addTeamVerbs(program, context, setExit);
  addSystemVerbs(program, context);
  addDoctorVerb(program, context);
  addUsageVerbs(program, context);
  addWhyVerb(program, context);
  addClusterVerbs(program, context, setExit);
  addTuiVerb(program, context);
  addSimulatorVerbs(program, context, setExit);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, world);
  }
}

function report(error: unknown, world: CliWorld): number {
  if (isCommanderExit(error)) return error.exitCode;
  if (error instanceof CliError) {
    world.err(`${error.message}\n`);
    return error.exitCode;
  }
  world.err(`${error instanceof CallError ? 'Gateway call failed: ' : ''}Error: ${messageOf(error).replace(/^Error: /, '')}\n`);
  return 1;
}

function isCommanderExit(error: unknown): error is { readonly exitCode: number } {
  return error instanceof Error && 'exitCode' in error && 'code' in error && String(error.code).startsWith('commander.');
}

function timeoutOf(flag: string | undefined): number {
  const ms = flag === undefined ? DEFAULT_TIMEOUT_MS : Number(flag);
  if (!Number.isFinite(ms) || ms <= 0) throw new CliError('--timeout must be a positive number of milliseconds');
  return ms;
}
