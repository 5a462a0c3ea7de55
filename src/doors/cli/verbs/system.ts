// clawdbot system: events, heartbeats, presence.

import type { Command } from 'commander';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };

interface Present {
  readonly text?: string;
  readonly reason?: string;
  readonly ts: number;
}

export function addSystemVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const system = program.command('system').description('Events, heartbeats and presence');
  const verb = (parent: Command, usage: string, about: string) =>
    withConnectFlags(parent.command(usage).description(about).option('--json', 'as JSON').option('--expect-final', 'accepted for compatibility'));

  verb(system, 'event', 'Tell the main session something')
    .requiredOption('--text <text>', 'what happened')
    .option('--mode <mode>', 'now (a turn at once) or next-heartbeat (with the next turn)', 'next-heartbeat')
    .action(async (flags: Flags & { text: string; mode: string }) => {
      if (flags.mode !== 'now' && flags.mode !== 'next-heartbeat') throw new CliError('--mode must be now or next-heartbeat');
      const answer = await withGateway(flags, (client) => client.call('wake', { mode: flags.mode, text: flags.text }));
      if (flags.json) print(answer);
      else world.out('ok\n');
    });

  const heartbeat = system.command('heartbeat').description('Heartbeat turns');
  verb(heartbeat, 'last', 'What the latest heartbeat came to').action(async (flags: Flags) =>
    print(await withGateway(flags, (client) => client.call('last-heartbeat'))),
  );
  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    verb(heartbeat, name, enabled ? 'Turn heartbeats on' : 'Turn heartbeats off').action(async (flags: Flags) => {
      const answer = await withGateway(flags, (client) => client.call('set-heartbeats', { enabled }));
      if (flags.json) print(answer);
      else world.out('ok\n');
    });
  }

  verb(system, 'presence', 'Who is connected').action(async (flags: Flags) => {
    const present = (await withGateway(flags, (client) => client.call('system-presence'))) as readonly Present[]; // the shape of presence
    if (flags.json) return print(present);
    world.out(
      table(
        [],
        present.map(({ text = '', reason = '', ts }) => [text, reason, age(world.now() - ts)]),
      ),
    );
  });
}
