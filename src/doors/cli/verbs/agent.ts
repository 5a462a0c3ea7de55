// clawdbot agent: give an order and wait for the answer.

import type { Command } from 'commander';
import { newUuid } from '../../../kit/id.ts';
import { CliError, type ConnectFlags, type VerbContext } from '../verb.ts';

interface AgentFlags extends ConnectFlags {
  readonly deliver?: boolean;
  readonly channel?: string;
  readonly replyTo?: string;
  readonly replyChannel?: string;
  readonly replyAccount?: string;
  readonly message: string;
  readonly agent?: string;
  readonly to?: string;
  readonly sessionId?: string;
  readonly session?: string;
  readonly thinking?: string;
  readonly verbose?: string;
  readonly local?: boolean;
  readonly json?: boolean;
}

interface FinalAnswer {
  readonly status?: string;
  readonly summary?: string;
  readonly result?: { readonly payloads?: readonly { readonly text?: string }[] };
}

export function addAgentVerb(program: Command, { world, withGateway, print }: VerbContext): void {
  program
    .command('agent')
    .description('Give an order to an agent and wait for its answer')
    .requiredOption('-m, --message <text>', 'what it should do')
    .option('-t, --to <number>', 'session of this recipient')
    .option('--agent <id>', 'agent id: its main session')
    .option('--session-id <id>', 'a session by its id')
    .option('--session <key>', 'a session by its key, or a plain name')
    .option('--thinking <level>', 'off, minimal, low, medium, high')
    .option('--verbose <level>', 'on or off: whether clients see the tool calls of the session')
    .option('--channel <channel>', 'channel of --deliver')
    .option('--reply-to <target>', 'conversation or person, by id, that --deliver sends to; left out: where the session was spoken with last')
    .option('--reply-channel <channel>', 'the same as --channel')
    .option('--reply-account <id>', 'account of --deliver')
    .option('--local', 'not available: agents run in the gateway')
    .option('--deliver', 'send the answer through a channel too')
    .option('--url <url>', 'WebSocket address of the gateway')
    .option('--token <token>', 'gateway token')
    .option('--password <password>', 'gateway password')
    .option('--timeout <seconds>', 'longest time the run may take')
    .option('--json', 'the whole result as JSON')
    .action(async (flags: AgentFlags) => {
      if (!flags.agent && !flags.to && !flags.sessionId && !flags.session)
        throw new CliError('Error: Pass --to <E.164>, --session-id, or --agent to choose a session');
      if (flags.local) throw new CliError('agents run in the gateway: leave --local out, and start one with: clawdbot gateway');
      const { timeout, ...connectFlags } = flags;
      const seconds = timeout === undefined ? undefined : Number(timeout);
      if (seconds !== undefined && !(seconds >= 0)) throw new CliError('--timeout must be a number of seconds');
      const params = {
        message: flags.message,
        idempotencyKey: newUuid(),
        ...(flags.agent && { agentId: flags.agent }),
        ...(flags.to && { to: flags.to }),
        ...(flags.sessionId && { sessionId: flags.sessionId }),
        ...(flags.session && { sessionKey: flags.session }),
        ...(flags.thinking && { thinking: flags.thinking }),
        ...(seconds !== undefined && { timeout: seconds }),
        ...(flags.deliver && { deliver: true }),
        ...(flags.channel && { channel: flags.channel }),
        ...(flags.replyTo && { replyTo: flags.replyTo }),
        ...(flags.replyChannel && { replyChannel: flags.replyChannel }),
        ...(flags.replyAccount && { replyAccountId: flags.replyAccount }),
      };
      const answer = (await withGateway(connectFlags, async (client) => {
        const key = flags.session ?? (flags.agent ? `agent:${flags.agent}:main` : undefined);
        if (flags.verbose && key) await client.call('sessions.patch', { key, verboseLevel: flags.verbose });
        return client.call('agent', params, { expectFinal: true, timeoutMs: 0 });
      })) as FinalAnswer; // the shape of protocol3/methods
      if (flags.json) return print(answer);
      const text = (answer.result?.payloads ?? []).map((payload) => payload.text ?? '').join('\n');
      world.out(`${text || answer.summary || 'No reply from agent.'}\n`);
    });
}
