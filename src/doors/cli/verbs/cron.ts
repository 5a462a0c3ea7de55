// clawdbot cron: scheduled jobs, by id and by name.

import type { Command } from 'commander';
import { durationMs } from '../../../domain/duration.ts';
import { age, span, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface Flags extends ConnectFlags {
  readonly json?: boolean;
}
interface JobFlags extends Flags {
  readonly [flag: string]: string | boolean | undefined;
}
interface Job {
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly agentId?: string;
  readonly sessionTarget: string;
  readonly schedule: { readonly kind: string; readonly expr?: string; readonly tz?: string; readonly everyMs?: number; readonly atMs?: number };
  readonly state: { readonly nextRunAtMs?: number; readonly lastRunAtMs?: number; readonly lastStatus?: string; readonly runningAtMs?: number };
}

const LONGEST_RUN_MS = 2 ** 31 - 1;

export function addCronVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const cron = program.command('cron').description('Scheduled jobs');
  const verb = (usage: string, about: string) =>
    withConnectFlags(cron.command(usage).description(about)).option('--json', 'as JSON').option('--expect-final', 'accepted for compatibility');
  const call = (flags: Flags, method: string, params?: unknown, timeoutMs?: number) =>
    withGateway(flags, (client) => client.call(method, params, timeoutMs === undefined ? undefined : { timeoutMs }));

  verb('status', 'Whether the scheduler is on, and when the next slot is').action(async (flags: Flags) => print(await call(flags, 'cron.status')));
  verb('list', 'Jobs, the next one first')
    .option('--all', 'also those that are off')
    .action(async (flags: Flags & { all?: boolean }) => {
      const answer = (await call(flags, 'cron.list', { includeDisabled: flags.all === true })) as { jobs: readonly Job[] }; // the shape of cron/methods
      if (flags.json) return print(answer);
      const now = world.now();
      const rows = answer.jobs.map((job) => [
        job.id,
        job.name,
        scheduleText(job),
        job.state.nextRunAtMs === undefined ? '-' : `in ${span(job.state.nextRunAtMs - now)}`,
        job.state.lastRunAtMs === undefined ? '-' : age(now - job.state.lastRunAtMs),
        job.state.runningAtMs !== undefined ? 'running' : job.enabled ? (job.state.lastStatus ?? 'idle') : 'disabled',
        job.sessionTarget,
        job.agentId ?? 'default',
      ]);
      world.out(rows.length > 0 ? table(['ID', 'Name', 'Schedule', 'Next', 'Last', 'Status', 'Target', 'Agent'], rows) : 'No cron jobs.\n');
    });

  withJobFlags(verb('add', 'Add a job').alias('create').requiredOption('--name <name>', 'name of the job'))
    .option('--disabled', 'leave it off')
    .action(async (flags: JobFlags) => {
      const schedule = scheduleFrom(flags, world.now());
      if (!schedule) throw new CliError('Error: Choose exactly one schedule: --at, --every, or --cron');
      const payload = payloadFrom(flags);
      if (!payload) throw new CliError('Error: Choose exactly one payload: --system-event or --message');
      const sessionTarget = String(flags['session'] ?? (payload['kind'] === 'agentTurn' ? 'isolated' : 'main'));
      checkTarget(sessionTarget, payload);
      const job = await call(flags, 'cron.add', {
        ...commonFields(flags),
        name: flags['name'],
        enabled: flags['disabled'] !== true,
        deleteAfterRun: flags['deleteAfterRun'] === true,
        schedule,
        sessionTarget,
        wakeMode: flags['wake'] ?? 'next-heartbeat',
        payload,
        ...(sessionTarget === 'isolated' && {
          isolation: {
            postToMainPrefix: flags['postPrefix'] ?? 'Cron',
            ...(flags['postMode'] !== undefined && { postToMainMode: flags['postMode'] }),
            ...(flags['postMaxChars'] !== undefined && { postToMainMaxChars: Number(flags['postMaxChars']) }),
          },
        }),
      });
      print(job);
      await warnWhenOff(flags);
    });
  withJobFlags(verb('edit <id>', 'Change fields of a job').option('--name <name>', 'name of the job'))
    .option('--enable', 'switch it on')
    .option('--disable', 'switch it off')
    .option('--keep-after-run', 'keep it after a run')
    .option('--clear-agent', 'use the default agent')
    .option('--no-deliver', 'do not deliver its answer')
    .option('--no-best-effort-deliver', 'fail when its answer cannot be delivered')
    .action(async (id: string, flags: JobFlags) => {
      if (flags['enable'] && flags['disable']) throw new CliError('Error: Choose --enable or --disable, not both');
      const schedule = scheduleFrom(flags, world.now());
      const payload = payloadFrom(flags) ?? payloadFields(flags);
      const patch = {
        ...commonFields(flags),
        ...(flags['name'] !== undefined && { name: flags['name'] }),
        ...(flags['enable'] === true && { enabled: true }),
        ...(flags['disable'] === true && { enabled: false }),
        ...(flags['deleteAfterRun'] === true && { deleteAfterRun: true }),
        ...(flags['keepAfterRun'] === true && { deleteAfterRun: false }),
        ...(flags['clearAgent'] === true && { agentId: null }),
        ...(flags['session'] !== undefined && { sessionTarget: flags['session'] }),
        ...(flags['wake'] !== undefined && { wakeMode: flags['wake'] }),
        ...(flags['postPrefix'] !== undefined && { isolation: { postToMainPrefix: flags['postPrefix'] } }),
        ...(schedule && { schedule }),
        ...(Object.keys(payload).length > 0 && { payload }),
      };
      print(await call(flags, 'cron.update', { id, patch }));
      await warnWhenOff(flags);
    });
  verb('rm <id>', 'Remove a job')
    .alias('remove')
    .alias('delete')
    .action(async (id: string, flags: Flags) => print(await call(flags, 'cron.remove', { id })));
  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const)
    verb(`${name} <id>`, enabled ? 'Switch a job on' : 'Switch a job off').action(async (id: string, flags: Flags) => {
      print(await call(flags, 'cron.update', { id, patch: { enabled } }));
      await warnWhenOff(flags);
    });
  verb('run <id>', 'Run a job, if it is due, and wait for its end')
    .option('--force', 'run it whatever its schedule says')
    .action(async (id: string, flags: Flags & { force?: boolean }) =>
      print(await call(flags, 'cron.run', { id, mode: flags.force ? 'force' : 'due' }, LONGEST_RUN_MS)),
    );
  verb('runs [id]', 'What came of the slots of a job')
    .option('--id <id>', 'the job')
    .option('--limit <n>', 'how many', '50')
    .action(async (named: string | undefined, flags: Flags & { id?: string; limit: string }) => {
      const id = named ?? flags.id;
      if (id === undefined) throw new CliError("error: required option '--id <id>' not specified");
      print(await call(flags, 'cron.runs', { id, limit: wholeNumber('--limit', flags.limit) }));
    });

  async function warnWhenOff(flags: Flags): Promise<void> {
    const { enabled } = (await call(flags, 'cron.status')) as { enabled: boolean }; // the shape of cron/methods
    if (!enabled) world.err('The scheduler is off (cron.enabled): jobs do not run until it is on.\n');
  }
}

function withJobFlags(command: Command): Command {
  return command
    .option('--description <text>', 'what it is for')
    .option('--delete-after-run', 'remove a one-shot job when it has done its work')
    .option('--agent <id>', 'agent that does it')
    .option('--session <target>', 'main (tell the main session) or isolated (a turn in a fresh session)')
    .option('--wake <mode>', 'now or next-heartbeat')
    .option('--at <when>', 'once: an ISO time, or a duration from now such as 20m')
    .option('--every <duration>', 'again and again: 10m, 1h')
    .option('--cron <expr>', 'cron expression of five or six fields')
    .option('--tz <iana>', 'time zone of the expression')
    .option('--system-event <text>', 'what the main session is told')
    .option('--message <text>', 'what the agent is asked')
    .option('--thinking <level>', 'off, minimal, low, medium or high')
    .option('--model <model>', 'model of its turns')
    .option('--timeout-seconds <n>', 'longest time a turn may take')
    .option('--deliver', 'deliver its answer')
    .option('--channel <channel>', 'channel of the delivery')
    .option('--to <dest>', 'where it is delivered')
    .option('--best-effort-deliver', 'do not fail when its answer cannot be delivered')
    .option('--post-prefix <prefix>', 'how its report to the main session begins')
    .option('--post-mode <mode>', 'summary or full')
    .option('--post-max-chars <n>', 'longest report in full')
    .option('--catch-up <policy>', 'missed slots: run-latest, run-all or skip')
    .option('--grace-minutes <n>', 'slots missed by more than this are not made up')
    .option(
      '--only-if <check...>',
      'run only when a check says that there is work: system-events, messages, inbox, spawn-queue, stale-heartbeats, progress, tasks',
    )
    .option('--priority <name>', 'urgent, normal or low');
}

function commonFields(flags: JobFlags): Record<string, unknown> {
  return {
    ...(flags['description'] !== undefined && { description: flags['description'] }),
    ...(flags['agent'] !== undefined && { agentId: flags['agent'] }),
    ...(flags['catchUp'] !== undefined && { catchUp: flags['catchUp'] }),
    ...(flags['graceMinutes'] !== undefined && { graceMinutes: Number(flags['graceMinutes']) }),
    ...(flags['onlyIf'] !== undefined && { onlyIf: flags['onlyIf'] }),
    ...(flags['priority'] !== undefined && { priority: flags['priority'] }),
  };
}

function scheduleFrom(flags: JobFlags, now: number): Record<string, unknown> | undefined {
  const { at, every, cron, tz } = flags;
  if ([at, every, cron].filter((flag) => flag !== undefined).length > 1) throw new CliError('Error: Choose exactly one schedule: --at, --every, or --cron');
  if (at !== undefined) return { kind: 'at', atMs: instantOf(String(at), now) };
  if (every !== undefined) {
    const everyMs = durationMs(String(every));
    if (!(everyMs > 0) || !/[a-z]/i.test(String(every))) throw new CliError('Error: Invalid --every; use e.g. 10m, 1h, 1d');
    return { kind: 'every', everyMs };
  }
  return cron === undefined ? undefined : { kind: 'cron', expr: cron, ...(tz ? { tz } : {}) };
}

function instantOf(written: string, now: number): number {
  const ahead = durationMs(written.replace(/^\+/, ''));
  if (!Number.isNaN(ahead) && /[a-z]/i.test(written)) return now + ahead;
  const at = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(written) || !written.includes('T') ? written : `${written}Z`);
  if (Number.isNaN(at)) throw new CliError('Error: Invalid --at; use ISO time or duration like 20m');
  return at;
}

function payloadFrom(flags: JobFlags): Record<string, unknown> | undefined {
  const { systemEvent, message } = flags;
  if (systemEvent !== undefined && message !== undefined) throw new CliError('Error: Choose exactly one payload: --system-event or --message');
  if (systemEvent !== undefined) return { kind: 'systemEvent', text: systemEvent };
  return message === undefined ? undefined : { kind: 'agentTurn', message, ...payloadFields(flags) };
}

function payloadFields({ thinking, model, timeoutSeconds, deliver, channel, to, bestEffortDeliver }: JobFlags): Record<string, unknown> {
  return {
    ...(thinking !== undefined && { thinking }),
    ...(model !== undefined && { model }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds: wholeNumber('--timeout-seconds', String(timeoutSeconds)) }),
    ...(deliver !== undefined && { deliver }),
    ...(channel !== undefined && { channel }),
    ...(to !== undefined && { to }),
    ...(bestEffortDeliver !== undefined && { bestEffortDeliver }),
  };
}

function checkTarget(target: string, payload: Readonly<Record<string, unknown>>): void {
  if (target !== 'main' && target !== 'isolated') throw new CliError('Error: --session must be main or isolated');
  if (target === 'main' && payload['kind'] !== 'systemEvent') throw new CliError('Error: Main jobs require --system-event (systemEvent).');
  if (target === 'isolated' && payload['kind'] !== 'agentTurn') throw new CliError('Error: Isolated jobs require --message (agentTurn).');
}

function scheduleText({ schedule }: Job): string {
  if (schedule.kind === 'at') return `at ${new Date(schedule.atMs ?? 0).toISOString().slice(0, 16)}Z`;
  if (schedule.kind === 'every') return `every ${span(schedule.everyMs ?? 0)}`;
  return `cron ${schedule.expr ?? ''}${schedule.tz === undefined ? '' : ` @ ${schedule.tz}`}`;
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new CliError(`Error: ${flag} must be a whole number of 1 or more, not "${text}"`);
  return value;
}
