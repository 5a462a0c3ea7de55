// clawdbot channels, pairing, message, route: who speaks with the agents from outside, and what is sent there.

import type { Command } from 'commander';
import { accountsOf } from '../../../domain/channel.ts';
import { newUuid } from '../../../kit/id.ts';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };

interface Account {
  readonly accountId: string;
  readonly enabled: boolean;
  readonly configured: boolean;
  readonly state: string;
  readonly since: number | null;
  readonly sockets: number;
  readonly self: { readonly name: string } | null;
  readonly lastError: string | null;
}

interface Peer {
  readonly id: string;
  readonly name: string | null;
  readonly code: string | null;
  readonly askedAt: number;
}

export function addChannelVerbs(program: Command, context: VerbContext): void {
  addChannels(program, context);
  addPairing(program, context);
  addMessage(program, context);
  addRoute(program, context);
}

function addChannels(program: Command, { world, profile, withGateway, print }: VerbContext): void {
  const channels = program.command('channels').description('Message channels: their accounts and connections');
  channels
    .command('list')
    .description('Configured channels and model credentials')
    .option('--no-usage', 'accepted for compatibility')
    .option('--json', 'as JSON')
    .action(async ({ json }: Flags) => {
      const { config } = await world.readConfig(profile());
      const slack = config?.channels.slack;
      const chat = config && slack ? { slack: [...accountsOf(config, 'slack').keys()] } : {};
      const auth = Object.entries(config?.auth.profiles ?? {}).map(([id, { provider, mode }]) => ({ id, provider, type: mode }));
      if (json) return print({ chat, auth, usage: { updatedAt: world.now(), providers: [] } });
      const lines = Object.entries(chat).map(([channel, accounts]) => `${channel}: ${accounts.join(', ')}\n`);
      world.out(
        lines.length > 0
          ? lines.join('')
          : 'No channel is configured. For Slack: clawdbot config set channels.slack.botToken and appToken, see docs/guide/slack.md\n',
      );
    });
  withConnectFlags(channels.command('status').description('How the connections of the running gateway stand').option('--probe', 'accepted for compatibility'))
    .option('--json', 'as JSON')
    .action(async (flags: Flags & { timeout?: string }) => {
      const answer = (await withGateway(flags, (client) => client.call('channels.status'))) as {
        channelAccounts: Readonly<Record<string, readonly Account[]>>;
      }; // the shape of channels/methods
      if (flags.json) return print(answer);
      const rows = Object.entries(answer.channelAccounts).flatMap(([channel, accounts]) =>
        accounts.map(({ accountId, state, since, sockets, self, lastError }) => [
          `${channel}/${accountId}`,
          state,
          since === null ? '' : age(world.now() - since),
          String(sockets),
          self?.name ?? '',
          lastError ?? '',
        ]),
      );
      world.out(rows.length > 0 ? table(['account', 'state', 'since', 'sockets', 'as', 'problem'], rows) : 'No channel is configured.\n');
    });
  withConnectFlags(channels.command('outbox').description('What was sent and what waits, the latest first').option('--json', 'as JSON')).action(
    async (flags: Flags) => {
      const answer = (await withGateway(flags, (client) => client.call('channels.outbox'))) as {
        entries: readonly {
          id: string;
          state: string;
          to: { channel: string; place: string };
          body: { kind: string; text?: string };
          createdAt: number;
          error: string | null;
        }[];
      }; // the shape of channels/methods
      if (flags.json) return print(answer);
      const rows = answer.entries.map(({ id, state, to, body, createdAt, error }) => [
        id,
        state,
        `${to.channel}:${to.place}`,
        age(world.now() - createdAt),
        error ?? (body.text ?? body.kind).replace(/\s+/g, ' ').slice(0, 60),
      ]);
      world.out(rows.length > 0 ? table(['id', 'state', 'to', 'queued', 'what'], rows) : 'Nothing was sent yet.\n');
    },
  );
}

function addPairing(program: Command, { world, withGateway, print }: VerbContext): void {
  const pairing = program.command('pairing').description('People who want to speak with the agent in direct messages');
  const channelOf = (written: string | undefined, { channel = written ?? 'slack' }: { channel?: string }) => channel;
  withConnectFlags(pairing.command('list [channel]').description('Open requests with their codes'))
    .option('--channel <channel>', 'the channel')
    .option('--json', 'as JSON')
    .action(async (written: string | undefined, flags: Flags & { channel?: string }) => {
      const channel = channelOf(written, flags);
      const answer = (await withGateway(flags, (client) => client.call('pairing.list', { channel }))) as {
        requests: readonly Peer[];
        allowed: readonly Peer[];
      }; // the shape of channels/methods
      if (flags.json) return print(answer);
      const rows = [
        ...answer.requests.map(({ id, name, code, askedAt }) => [id, name ?? '', `asks, code ${code}`, age(world.now() - askedAt)]),
        ...answer.allowed.map(({ id, name, askedAt }) => [id, name ?? '', 'let in', age(world.now() - askedAt)]),
      ];
      world.out(rows.length > 0 ? table(['id', 'name', 'state', 'since'], rows) : 'Nobody asks, and nobody was let in.\n');
    });
  withConnectFlags(pairing.command('approve <codeOrChannel> [code]').description('Let in the one who was given this code'))
    .option('--channel <channel>', 'the channel')
    .option('--notify', 'tell them')
    .option('--json', 'as JSON')
    .action(async (first: string, second: string | undefined, flags: Flags & { channel?: string; notify?: boolean }) => {
      const [channel, code] = second === undefined ? [channelOf(undefined, flags), first] : [first, second];
      const answer = (await withGateway(flags, (client) => client.call('pairing.approve', { channel, code, notify: flags.notify === true }))) as { peer: Peer }; // the shape of channels/methods
      if (flags.json) return print(answer);
      world.out(`${answer.peer.id} is let in, as somebody who is not you.\nIf it is you: clawdbot config set channels.${channel}.owner ${answer.peer.id}\n`);
    });
  for (const [word, allowed] of [
    ['allow', true],
    ['revoke', false],
  ] as const)
    withConnectFlags(pairing.command(`${word} <id>`).description(allowed ? 'Let somebody in by id' : 'Let somebody in no more'))
      .option('--channel <channel>', 'the channel', 'slack')
      .option('--account <account>', 'the account', 'default')
      .action(async (id: string, flags: Flags & { channel: string; account: string }) => {
        const { channel, account } = flags;
        print(await withGateway(flags, (client) => client.call('pairing.set', { channel, account, id, allowed })));
      });
}

interface SendFlags extends Flags {
  readonly target: string;
  readonly message?: string;
  readonly media?: string;
  readonly channel: string;
  readonly account: string;
  readonly replyTo?: string;
  readonly threadId?: string;
  readonly dryRun?: boolean;
}

function addMessage(program: Command, { world, withGateway, print }: VerbContext): void {
  const message = program.command('message').description('Messages through a channel');
  withConnectFlags(message.command('send').description('Send a message'))
    .requiredOption('-t, --target <dest>', 'a conversation or a person by id, as C0123456789 or U0123456789')
    .option('-m, --message <text>', 'what to say')
    .option('--media <url>', 'an address to send along')
    .option('--channel <channel>', 'the channel', 'slack')
    .option('--account <id>', 'the account', 'default')
    .option('--reply-to <id>', 'the message to answer in a thread')
    .option('--thread-id <id>', 'the thread')
    .option('--dry-run', 'only show what would be sent')
    .option('--json', 'as JSON')
    .action(async (flags: SendFlags) => {
      const { target, channel, account, media, json, dryRun } = flags;
      const threadId = flags.threadId ?? flags.replyTo;
      const text = [flags.message, media].filter((part) => part !== undefined).join('\n');
      if (text === '') throw new CliError('say what to send with --message');
      const order = { to: target, message: text, channel, accountId: account, ...(threadId !== undefined && { threadId }), idempotencyKey: newUuid() };
      if (dryRun) return print({ dryRun: true, ...order });
      const answer = (await withGateway({ ...flags, timeout: '30000' }, (client) => client.call('send', order))) as {
        state: string;
        messageId: string | null;
        waitingFor?: string;
      }; // the shape of channels/methods
      if (json) return print(answer);
      world.out(answer.state === 'sent' ? `sent (${answer.messageId})\n` : `it waits to be sent: ${answer.waitingFor ?? 'the channel'}\n`);
    });
}

function addRoute(program: Command, { withGateway, print }: VerbContext): void {
  const route = program.command('route').description('The routing table of the channels');
  withConnectFlags(route.command('explain').description('Where a message would go, without sending one'))
    .requiredOption('--place <id>', 'the conversation, as C0123456789 or D0123456789')
    .requiredOption('--user <id>', 'the sender')
    .option('--channel <channel>', 'the channel', 'slack')
    .option('--account <account>', 'the account', 'default')
    .option('--kind <kind>', 'dm, group or channel')
    .option('--thread <id>', 'the thread')
    .option('--team <id>', 'the team')
    .option('--not-mentioned', 'the message does not name the agent')
    .option('--json', 'accepted for compatibility: the answer is always JSON')
    .action(async (flags: ConnectFlags & Readonly<Record<string, string | boolean | undefined>>) => {
      const { place, user, channel, account, kind, thread, team, notMentioned } = flags;
      const asked = {
        place,
        user,
        channel,
        account,
        ...(kind && { kind }),
        ...(thread && { thread }),
        ...(team && { team }),
        mentioned: notMentioned !== true,
      };
      print(await withGateway(flags, (client) => client.call('routes.explain', asked)));
    });
}
