// Who is here, in the shape of the presence snapshot.

import { hostname, networkInterfaces, release } from 'node:os';
import type { Principal } from '../../domain/authorize.ts';
import type { ConnectParams } from '../../domain/frame.ts';
import type { Clock } from '../../kit/clock.ts';

export type PresenceEntry = Readonly<Record<string, unknown>>;

const MAX_GONE = 20;
const MAX_TOLD = 100;
const NOTED = new Set('deviceId instanceId host ip mode version platform deviceFamily modelIdentifier lastInputSeconds reason roles scopes tags'.split(' '));

export function createPresence({ clock, version }: { readonly clock: Clock; readonly version: string }) {
  const here = new Map<string, PresenceEntry>();
  const told = new Map<string, PresenceEntry>();
  let gone: PresenceEntry[] = [];
  let revision = 1;
  const ip = Object.values(networkInterfaces())
    .flat()
    .find((address) => address && !address.internal && address.family === 'IPv4')?.address;
  const host = hostname();
  const self = (): PresenceEntry => ({
    host,
    ...(ip !== undefined && { ip }),
    version,
    platform: `${process.platform} ${release()}`,
    deviceFamily: process.platform === 'linux' ? 'Linux' : process.platform,
    modelIdentifier: process.arch,
    mode: 'gateway',
    reason: 'self',
    text: `Gateway: ${host}${ip === undefined ? '' : ` (${ip})`} · app ${version} · mode gateway · reason self`,
    ts: clock.now(),
  });
  return {
    revision: () => revision,
    list: (): readonly PresenceEntry[] => [self(), ...here.values(), ...told.values(), ...gone],
    join: (connId: string, { client, device }: ConnectParams, { role, scopes }: Principal) => {
      revision += 1;
      here.set(connId, {
        host: client.displayName ?? client.id,
        version: client.version,
        platform: client.platform,
        mode: client.mode,
        ...(device && { deviceId: device.id, instanceId: client.instanceId ?? device.id }),
        roles: [role],
        scopes,
        reason: 'connect',
        ts: clock.now(),
        text: `Node: ${client.displayName ?? client.id} · mode ${client.mode}`,
      });
    },
    /** What a device tells of itself, under its own id. */
    note: (text: string, facts: Readonly<Record<string, unknown>>) => {
      revision += 1;
      const named = facts['deviceId'] ?? facts['instanceId'] ?? facts['host'] ?? text;
      const known = Object.fromEntries(Object.entries(facts).filter(([key]) => NOTED.has(key)));
      told.delete(String(named));
      told.set(String(named), { ...known, text, reason: known['reason'] ?? 'system-event', ts: clock.now() });
      const [oldest] = told.keys();
      if (told.size > MAX_TOLD && oldest !== undefined) told.delete(oldest);
    },
    leave: (connId: string) => {
      const entry = here.get(connId);
      if (!entry) return;
      revision += 1;
      here.delete(connId);
      gone = [{ ...entry, reason: 'disconnect', ts: clock.now() }, ...gone].slice(0, MAX_GONE);
    },
  };
}

export type Presence = ReturnType<typeof createPresence>;
