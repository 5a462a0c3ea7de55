// clawdbot inbox: the agents' mail by hand.

import type { Command } from 'commander';
import type { MessageView } from '../../../domain/inbox.ts';
import type { Decision } from '../../../features/inbox/decisions.ts';
import type { BoxCount } from '../../../features/inbox/ops.ts';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
interface SendFlags extends Flags {
  readonly subject?: string;
  readonly type?: string;
  readonly priority?: string;
  readonly replyTo?: string;
  readonly ackBy?: string;
  readonly key?: string;
}

export function addInboxVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const inbox = program.command('inbox').description("The agents' mail: send, list, read, settle");
  const verb = (usage: string, about: string) => withConnectFlags(inbox.command(usage).description(about).option('--json', 'as JSON'));
  const call = <T>(flags: Flags, method: string, params: unknown) => withGateway(flags, (client) => client.call(method, params)) as Promise<T>; // the shapes of inbox/methods
  const list = (messages: readonly MessageView[]) => {
    const rows = messages.map(({ id, priority, state, arrivedAt, from, subject, count }) => [
      id,
      `P${priority}`,
      state,
      age(world.now() - arrivedAt),
      from,
      `${count > 1 ? `(${count}x) ` : ''}${subject.slice(0, 70)}`,
    ]);
    world.out(rows.length > 0 ? table(['id', '', 'state', 'came', 'from', 'subject'], rows) : 'No messages.\n');
  };
  const show = ({ id, box, from, type, priority, state, arrivedAt, claimedAt, clockOff, ackBy, amends, subject, content }: MessageView) => {
    const lines = [
      `${id}: ${subject}`,
      `from ${from} to ${box}, ${type}, P${priority}, ${state}, came ${new Date(arrivedAt).toISOString()}${claimedAt === null ? '' : ` (it says ${claimedAt}${clockOff ? ', which is off' : ''})`}`,
      ...(ackBy === null ? [] : [`an answer is due by ${new Date(ackBy).toISOString()}`]),
      ...(amends === null ? [] : [`amends ${amends}`]),
      '',
      typeof content === 'string' ? content : JSON.stringify(content, null, 2),
    ];
    world.out(`${lines.join('\n')}\n`);
  };

  withConnectFlags(
    program.command('decisions').description('What waits for you: each once, oldest first, with how to answer it').option('--json', 'as JSON'),
  ).action(async (flags: Flags) => {
    const { decisions } = await call<{ decisions: Decision[] }>(flags, 'decisions.list', {});
    if (flags.json) return print({ decisions });
    const lines = decisions.map(
      ({ what, from, since, count, answer }, i) =>
        `${i + 1}. ${what}${count > 1 ? ` (asked ${count} times)` : ''}\n   from ${from}, ${age(world.now() - since)}\n   ${answer}`,
    );
    world.out(lines.length > 0 ? `${lines.join('\n')}\n` : 'Nothing waits for you.\n');
  });
  verb('send <to> <text...>', 'Send a message to an agent')
    .option('--subject <text>', 'subject (default: the first line)')
    .option('--type <word>', 'notification, request or response')
    .option('--priority <p>', 'P0 (most urgent) to P4')
    .option('--reply-to <id>', 'the message that this answers')
    .option('--ack-by <minutes>', 'an answer is due by then')
    .option('--key <key>', 'your key: sent twice it is one message')
    .action(async (to: string, words: string[], { subject, type, priority, replyTo, ackBy, key, ...flags }: SendFlags) => {
      const content = words.join(' ');
      const minutes = ackBy === undefined ? undefined : Number(ackBy);
      if (minutes !== undefined && !(minutes > 0)) throw new CliError(`--ack-by must be a number of minutes, not "${ackBy}"`);
      const params = {
        to,
        subject: subject ?? (content.split('\n')[0] ?? '').slice(0, 100),
        content,
        ...(type !== undefined && { type }),
        ...(priority !== undefined && { priority }),
        ...(replyTo !== undefined && { replyTo }),
        ...(minutes !== undefined && { ackByMinutes: minutes }),
        ...(key !== undefined && { idempotencyKey: key }),
      };
      const sent = await call<{ id: string; box: string; fate: string; known: boolean }>(flags, 'inbox.send', params);
      if (flags.json) return print(sent);
      world.out(
        `${sent.id} is in the inbox of ${sent.box}${sent.fate === 'new' ? '' : ` (${sent.fate})`}.${sent.known ? '' : ' Nobody is known to read it.'}\n`,
      );
    });
  verb('list [agent]', 'What waits in a box; without one, how many messages each box holds')
    .option('--all', 'also what is settled')
    .option('--limit <n>', 'how many', '50')
    .action(async (box: string | undefined, { all, limit, ...flags }: Flags & { all?: boolean; limit: string }) => {
      const params = { ...(box !== undefined && { box }), ...(all && { all }), ...(box !== undefined && { limit: Number(limit) }) };
      const found = await call<{ messages?: MessageView[]; boxes?: BoxCount[] }>(flags, 'inbox.list', params);
      if (flags.json) return print(found);
      if (found.messages) return list(found.messages);
      const rows = (found.boxes ?? []).map(({ box: name, counts, oldestQueuedAt }) => [
        name,
        String(counts.queued ?? 0),
        String(Object.values(counts).reduce((sum, n) => sum + n, 0)),
        oldestQueuedAt === null ? '' : age(world.now() - oldestQueuedAt),
      ]);
      world.out(rows.length > 0 ? table(['box', 'waiting', 'all', 'oldest'], rows) : 'No messages.\n');
    });
  verb('read <id>', 'One message whole').action(async (id: string, flags: Flags) => {
    const { message } = await call<{ message: MessageView }>(flags, 'inbox.read', { id });
    if (flags.json) print(message);
    else show(message);
  });
  verb('ack <id>', 'Settle a message: it is told to nobody any more').action(async (id: string, flags: Flags) => {
    const { message } = await call<{ message: MessageView }>(flags, 'inbox.ack', { id });
    if (flags.json) print(message);
    else world.out(`${message.id} is settled.\n`);
  });
  verb('thread <id>', 'A message with all answers, oldest first').action(async (id: string, flags: Flags) => {
    const { messages } = await call<{ messages: MessageView[] }>(flags, 'inbox.thread', { id });
    if (flags.json) print({ messages });
    else list(messages);
  });
}
