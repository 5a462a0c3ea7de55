// clawdbot devices: who is paired, who asks to be, and their tokens.

import type { Command } from 'commander';
import { age, table } from '../text.ts';
import { CliError, type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

type Flags = ConnectFlags & { readonly json?: boolean };
type RoleFlags = Flags & { readonly device?: string; readonly role?: string; readonly scope?: readonly string[] };

interface Device {
  readonly deviceId: string;
  readonly displayName?: string;
  readonly platform?: string;
  readonly remoteIp?: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly roles?: readonly string[];
  readonly tokens?: readonly { readonly role: string; readonly revokedAtMs?: number }[];
}
interface Devices {
  readonly pending: readonly (Device & { readonly requestId: string; readonly ts: number })[];
  readonly paired: readonly Device[];
}

export function addDeviceVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const devices = program.command('devices').description('Paired devices, requests to be paired, and tokens');
  const verb = (usage: string, about: string) => withConnectFlags(devices.command(usage).description(about).option('--json', 'as JSON'));

  verb('list', 'Paired devices and open requests').action(async (flags: Flags) => {
    const answer = (await withGateway(flags, (client) => client.call('device.pair.list'))) as Devices; // the shape of devices/methods
    if (flags.json) return print(answer);
    world.out(devicesPage(answer, world.now()));
  });

  const decide = (name: 'approve' | 'reject', about: string, done: string) =>
    verb(`${name} <requestId>`, about).action(async (requestId: string, flags: Flags) => {
      const answer = (await withGateway(flags, (client) => client.call(`device.pair.${name}`, { requestId }))) as { device?: Device; deviceId?: string }; // the shape of devices/methods
      if (flags.json) return print(answer);
      world.out(`${done} ${answer.device?.displayName ?? answer.device?.deviceId ?? answer.deviceId ?? requestId}\n`);
    });
  decide('approve', 'Let a device in', 'Approved');
  decide('reject', 'Turn a device away', 'Rejected');

  const withRole = (command: Command) => command.option('--device <id>', 'device id').option('--role <role>', 'operator or node');
  withRole(verb('rotate', 'Make a new token for a device; the old one is void at once'))
    .option('--scope <scope...>', 'scopes of the new token')
    .action(async (flags: RoleFlags) => {
      const params = { ...roleOf(flags), ...(flags.scope && { scopes: flags.scope }) };
      print(await withGateway(flags, (client) => client.call('device.token.rotate', params)));
    });
  withRole(verb('revoke', 'Void the token of a device and close its connections')).action(async (flags: RoleFlags) => {
    print(await withGateway(flags, (client) => client.call('device.token.revoke', roleOf(flags))));
  });
}

function roleOf({ device, role }: RoleFlags) {
  if (!device || !role) throw new CliError('--device and --role are needed. See: clawdbot devices list');
  return { deviceId: device, role };
}

function devicesPage({ pending, paired }: Devices, now: number): string {
  const asking = pending.map(({ requestId, displayName, deviceId, role, remoteIp, ts }) => [
    requestId,
    displayName ?? deviceId.slice(0, 12),
    role,
    remoteIp ?? '',
    age(now - ts),
  ]);
  const known = paired.map(({ deviceId, displayName, platform, roles, scopes, tokens }) => {
    const revoked = tokens?.filter(({ revokedAtMs }) => revokedAtMs !== undefined).map(({ role }) => role) ?? [];
    return [
      deviceId.slice(0, 12),
      displayName ?? '',
      platform ?? '',
      (roles ?? []).join(','),
      scopes.join(','),
      revoked.length > 0 ? `revoked: ${revoked.join(',')}` : '',
    ];
  });
  return [
    asking.length > 0
      ? `Asking to be paired (approve with: clawdbot devices approve <request>)\n${table(['request', 'device', 'role', 'address', 'since'], asking)}\n`
      : '',
    known.length > 0 ? table(['device', 'name', 'platform', 'roles', 'scopes', ''], known) : 'No paired devices.\n',
  ].join('');
}
