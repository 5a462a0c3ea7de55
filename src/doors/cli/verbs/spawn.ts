// clawdbot spawn: sub-agents by hand.

import type { Command } from 'commander';
import type { SpawnView } from '../../../features/spawns/rows.ts';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
interface RequestFlags extends Flags {
  readonly agent?: string;
  readonly label?: string;
  readonly role?: string;
  readonly model?: string;
  readonly thinking?: string;
  readonly timeoutSeconds?: string;
  readonly session?: string;
  readonly key?: string;
  readonly priority?: string;
  readonly budget?: string;
  readonly policy?: string;
  readonly cleanup?: string;
  readonly wait?: boolean;
}

const LONGEST_WAIT_MS = 2 ** 31 - 1;

export function addSpawnVerbs(program: Command, { world, withGateway, print }: VerbContext, setExit: (code: number) => void): void {
  const spawn = program.command('spawn').description('Sub-agents: start, look at, wait for, stop');
  const verb = (usage: string, about: string) => withConnectFlags(spawn.command(usage).description(about).option('--json', 'as JSON'));
  const call = async (flags: Flags, method: string, params: unknown, timeoutMs?: number) =>
    withGateway(flags, (client) => client.call(method, params, timeoutMs === undefined ? undefined : { timeoutMs })) as Promise<{ spawn: SpawnView }>; // the shape of spawns/methods
  const show = ({ id, status, rule, error, agentId, label, childSessionKey, task, result }: SpawnView) => {
    const lines = [
      `${id}: ${status}${rule === null ? '' : ` (${rule}: ${error ?? ''})`}`,
      `agent ${agentId}${label === null ? '' : `, "${label}"`}, session ${childSessionKey}`,
      `task: ${task.replace(/\s+/g, ' ').slice(0, 200)}`,
      ...(result ? ['', result.error ?? result.text] : []),
    ];
    world.out(`${lines.join('\n')}\n`);
  };
  /** Exit code 1 for a spawn that did not do its work. */
  const settle = ({ spawn: found }: { spawn: SpawnView }, flags: Flags) => {
    if (flags.json) print(found);
    else show(found);
    if (
      found.status === 'denied' ||
      found.status === 'expired' ||
      found.status === 'cancelled' ||
      (found.runState !== null && found.runState !== 'succeeded' && found.status === 'settled')
    )
      setExit(1);
  };

  verb('request <task...>', 'Start a sub-agent')
    .option('--agent <id>', 'agent whose sub-agent it is')
    .option('--label <name>', 'a short name')
    .option('--role <role>', 'role in the team')
    .option('--model <model>', 'model, an alias or provider/model')
    .option('--thinking <level>', 'off, minimal, low, medium or high')
    .option('--timeout-seconds <n>', 'longest time it may take')
    .option('--session <key>', 'session that is told what came of it')
    .option('--key <key>', 'your key for this request: sent twice it starts one')
    .option('--priority <name>', 'urgent, spawn or background')
    .option('--budget <usd>', 'most that it may spend, in US dollars')
    .option('--policy <name>', 'adopt, cancel or detach, when the one who asked fails')
    .option('--cleanup <mode>', 'keep or delete its session when it ends')
    .option('--wait', 'wait for its end and print what it found')
    .action(async (words: string[], flags: RequestFlags) => {
      const params = {
        task: words.join(' '),
        ...(flags.agent !== undefined && { agentId: flags.agent }),
        ...(flags.label !== undefined && { label: flags.label }),
        ...(flags.role !== undefined && { role: flags.role }),
        ...(flags.model !== undefined && { model: flags.model }),
        ...(flags.thinking !== undefined && { thinking: flags.thinking }),
        ...(flags.timeoutSeconds !== undefined && { runTimeoutSeconds: numberOf('--timeout-seconds', flags.timeoutSeconds) }),
        ...(flags.session !== undefined && { sessionKey: flags.session }),
        ...(flags.key !== undefined && { idempotencyKey: flags.key }),
        ...(flags.priority !== undefined && { priority: flags.priority }),
        ...(flags.budget !== undefined && { budget: { usd: numberOf('--budget', flags.budget) } }),
        ...(flags.policy !== undefined && { childPolicy: flags.policy }),
        ...(flags.cleanup !== undefined && { cleanup: flags.cleanup }),
      };
      const asked = await call(flags, 'spawns.request', params);
      const open = asked.spawn.status !== 'denied';
      settle(flags.wait && open ? await call(flags, 'spawns.wait', { id: asked.spawn.id }, LONGEST_WAIT_MS) : asked, flags);
    });
  verb('list', 'The latest spawns')
    .option('--limit <n>', 'how many', '50')
    .action(async (flags: Flags & { limit: string }) => {
      const limit = numberOf('--limit', flags.limit);
      const { spawns } = (await withGateway(flags, (client) => client.call('spawns.list', { limit }))) as { spawns: readonly SpawnView[] }; // the shape of spawns/methods
      if (flags.json) return print({ spawns });
      const rows = spawns.map(({ id, status, rule, requestedAt, agentId, label, task }) => [
        id,
        rule === null ? status : `${status} (${rule})`,
        age(world.now() - requestedAt),
        agentId,
        label ?? '',
        task.replace(/\s+/g, ' ').slice(0, 60),
      ]);
      world.out(rows.length > 0 ? table(['id', 'status', 'asked', 'agent', 'label', 'task'], rows) : 'No spawns.\n');
    });
  verb('show <id>', 'One spawn, by its id or key, or its child by run or session key').action(async (id: string, flags: Flags) => {
    const { spawn: found } = await call(flags, 'spawns.get', { id });
    if (flags.json) print(found);
    else show(found);
  });
  verb('cancel <id>', 'Take a request back, or stop the sub-agent').action(async (id: string, flags: Flags) => {
    const { spawn: found, cancelled } = (await call(flags, 'spawns.cancel', { id })) as { spawn: SpawnView; cancelled: boolean }; // the shape of spawns/methods
    if (flags.json) print({ spawn: found, cancelled });
    else world.out(cancelled ? `${found.id} is stopped.\n` : `${found.id} was over already: ${found.runState ?? found.status}.\n`);
  });
  verb('wait <id>', 'Wait for the end of a sub-agent, and print what it found')
    .option('--for <seconds>', 'longest wait')
    .action(async (id: string, flags: Flags & { for?: string }) => {
      const timeoutMs = flags.for === undefined ? LONGEST_WAIT_MS : Math.round(numberOf('--for', flags.for) * 1000);
      const found = await call(flags, 'spawns.wait', { id, timeoutMs }, LONGEST_WAIT_MS);
      if (found.spawn.status !== 'settled' && found.spawn.rule === null && !['cancelled', 'expired', 'denied'].includes(found.spawn.status))
        throw new CliError(`${found.spawn.id} is not over yet: ${found.spawn.status}`);
      settle(found, flags);
    });
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new CliError(`${flag} must be a number of 0 or more, not "${text}"`);
  return value;
}
