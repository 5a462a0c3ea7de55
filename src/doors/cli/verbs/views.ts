// clawdbot health, status, sessions: what the gateway knows, as a page or as JSON.

import type { Command } from 'commander';
import { CallError } from '../client.ts';
import { type HistoryMessage, messageText } from '../messages.ts';
import { age } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';
import type { OfflineAnswers } from '../world.ts';

interface SessionRow {
  readonly key: string;
  readonly kind: string;
  readonly updatedAt: number;
  readonly sessionId: string;
  readonly systemSent: boolean;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  readonly model?: string;
  readonly contextTokens: number;
}
interface SessionsAnswer {
  readonly ts: number;
  readonly path: string;
  readonly sessions: readonly SessionRow[];
}
interface HealthAnswer {
  readonly ts: number;
  readonly version: string;
  readonly pid: number;
  readonly workers: readonly { readonly pid: number; readonly deaths: number }[];
  readonly agents: readonly { readonly agentId: string; readonly sandbox: { readonly level: string; readonly reason?: string } }[];
  readonly sessions: { readonly count: number };
  readonly lanes: readonly { readonly name: string; readonly slots: number; readonly queued: number; readonly active: number }[];
  readonly config: { readonly path: string; readonly source: string; readonly issues: readonly Finding[]; readonly warnings: readonly Finding[] };
  readonly logFile: string;
}
interface Finding {
  readonly path: string;
  readonly message: string;
}
interface HistoryAnswer {
  readonly messages: readonly HistoryMessage[];
}
type Flags = ConnectFlags & { readonly json?: boolean; readonly active?: string; readonly limit?: string };

export function addViewVerbs(program: Command, { world, profile, withGateway, print }: VerbContext): void {
  withConnectFlags(
    program.command('health').description('How the running gateway is').option('--json', 'as JSON').option('--verbose', 'accepted for compatibility'),
  ).action(async (flags: Flags) => {
    const answer = await withGateway(flags, (client) => client.call('health'));
    if (flags.json) return print(answer);
    world.out(healthPage(answer as HealthAnswer)); // the shape of health/methods
  });

  withConnectFlags(
    program
      .command('status')
      .description('Gateway, agents and latest sessions')
      .option('--json', 'as JSON')
      .option('--all', 'accepted for compatibility')
      .option('--deep', 'accepted for compatibility')
      .option('--usage', 'accepted for compatibility'),
  ).action(async (flags: Flags) => {
    const { url } = world.target(profile());
    const gateway = { mode: 'local', url: flags.url ?? url, reachable: true, connectLatencyMs: 0, self: null as unknown, error: null as string | null };
    try {
      const { status, health, latencyMs, self } = await withGateway(flags, async (client) => {
        const since = performance.now();
        const answered = await client.call('health');
        const tookMs = Math.round(performance.now() - since);
        const [present] = (await client.call('system-presence')) as readonly unknown[]; // the gateway itself comes first
        return { health: answered as HealthAnswer, status: (await client.call('status')) as object, latencyMs: tookMs, self: present }; // shapes of health/methods
      });
      if (flags.json)
        return print({ ...status, ...surroundings(world.version), gateway: { ...gateway, connectLatencyMs: latencyMs, self }, agents: health.agents });
      world.out(`${healthPage(health)}\n${sessionsTable((status as { sessions: { recent: readonly SessionRow[] } }).sessions.recent, health.ts)}`); // the shape of status
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const answer = (await (await world.offline(profile()))?.sessions(undefined)) as SessionsAnswer | undefined; // the shape of sessions/methods
      const recent = answer?.sessions.slice(0, 10) ?? [];
      if (flags.json)
        return print({
          ...surroundings(world.version),
          sessions: { count: answer?.sessions.length ?? 0, recent },
          gateway: { ...gateway, reachable: false, connectLatencyMs: null, error: error.message },
        });
      world.out(`The gateway does not answer: ${error.message}\n\n${sessionsTable(recent, world.now())}`);
    }
  });

  const sessionsCommand = withConnectFlags(
    program
      .command('sessions [key]')
      .description('Sessions, the latest first; with a key, the messages of that session. Works without a running gateway too')
      .option('--active <minutes>', 'only those active within this many minutes')
      .option('--limit <n>', 'messages of a session at most', '200')
      .option('--json', 'as JSON')
      .option('--store <path>', 'accepted for compatibility'),
  );
  sessionsCommand.action(async (key: string | undefined, flags: Flags) => {
    const minutes = flags.active === undefined ? undefined : Number(flags.active);
    if (minutes !== undefined && !(Number.isInteger(minutes) && minutes > 0)) throw new CliError('--active must be a positive integer (minutes)');
    if (key !== undefined) return showHistory(key, flags);
    const answer = (await withGateway(flags, (client) =>
      client.call('sessions.list', { limit: 1000, ...(minutes !== undefined && { activeMinutes: minutes }) }),
    ).catch(orOffline((answers) => answers.sessions(minutes)))) as SessionsAnswer; // the shape of sessions/methods
    if (!flags.json) return world.out(sessionsTable(answer.sessions, answer.ts));
    const sessions = answer.sessions.map((row) => toSessionJson(row, answer.ts));
    print({ path: answer.path, count: sessions.length, activeMinutes: minutes ?? null, sessions });
  });

  sessionsCommand
    .command('export')
    .description('Write sessions.json and transcripts as the original keeps them, for its own tools')
    .option('--out <dir>', 'write below this folder instead of the state')
    .option('--json', 'as JSON')
    .action(async (_flags, command: Command) => {
      const { out, json } = command.optsWithGlobals<{ out?: string; json?: boolean }>();
      const written = await world.exportSessions(profile(), out);
      if (json) print(written);
      else world.out(`${written.sessions} sessions written below ${written.dir}${written.kept > 0 ? `; ${written.kept} entries of others kept` : ''}\n`);
    });

  const orOffline = (ask: (answers: OfflineAnswers) => Promise<unknown>) => async (error: unknown) => {
    const answers = error instanceof CallError && world.runningGateway(profile()) === undefined ? await world.offline(profile()) : undefined;
    if (!answers) throw error;
    return ask(answers);
  };
  const showHistory = async (key: string, flags: Flags) => {
    const limit = Number(flags.limit);
    const answer = (await withGateway(flags, (client) => client.call('chat.history', { sessionKey: key, limit })).catch(
      orOffline((answers) => answers.history(key, limit)),
    )) as HistoryAnswer; // the shape of sessions/methods
    if (flags.json) return print(answer);
    world.out(answer.messages.length === 0 ? `No messages in ${key}.\n` : answer.messages.map(messageText).join('\n'));
  };
}

function surroundings(version: string) {
  return {
    os: { platform: process.platform, arch: process.arch, node: process.version },
    update: { installed: version, available: null },
    memory: null,
    gatewayService: { installed: null },
    nodeService: { installed: null },
    securityAudit: { hint: 'clawdbot doctor' },
  };
}

function toSessionJson({ key, kind, updatedAt, sessionId, systemSent, inputTokens, outputTokens, totalTokens, model, contextTokens }: SessionRow, now: number) {
  return {
    key,
    kind,
    updatedAt,
    ageMs: now - updatedAt,
    sessionId,
    systemSent,
    inputTokens,
    outputTokens,
    totalTokens,
    ...(model !== undefined && { model }),
    contextTokens,
  };
}

function healthPage({ version, pid, workers, agents, sessions, lanes, config, logFile }: HealthAnswer): string {
  const problems = [
    ...config.issues.map(({ path, message }) => `  problem: ${path} ${message}`),
    ...config.warnings.map(({ path, message }) => `  note: ${path}: ${message}`),
  ];
  return [
    `Gateway ${version}, PID ${pid}, ${workers.length} worker${workers.length === 1 ? '' : 's'} (${workers[0]?.deaths ?? 0} deaths)`,
    `Configuration: ${config.path} (running: ${config.source})`,
    ...problems,
    ...agents.map(({ agentId, sandbox }) => `Agent ${agentId}: sandbox ${sandbox.level}${sandbox.reason ? `: ${sandbox.reason}` : ''}`),
    `Lanes: ${lanes.map(({ name, slots, queued, active }) => `${name} ${active}/${slots}${queued > 0 ? ` (+${queued} waiting)` : ''}`).join(', ')}`,
    `Sessions: ${sessions.count}`,
    `Log: ${logFile}`,
    '',
  ].join('\n');
}

function sessionsTable(rows: readonly SessionRow[], now: number): string {
  if (rows.length === 0) return 'No sessions.\n';
  const width = Math.max(...rows.map(({ key }) => key.length));
  return rows
    .map(
      ({ key, updatedAt, totalTokens, contextTokens, model }) =>
        `${key.padEnd(width)}  ${age(now - updatedAt).padStart(8)}  ${String(totalTokens).padStart(8)}/${contextTokens}  ${model ?? ''}\n`,
    )
    .join('');
}
