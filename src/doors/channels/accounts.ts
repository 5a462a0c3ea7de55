// The connections of a workspace's channel accounts: made, replaced when their settings change, let go when another node has them.

import { accountsOf, type ChannelAccount } from '../../domain/channel.ts';
import type { Config } from '../../domain/config.ts';
import type { Channel, ChannelWorld, Connection } from '../../ports/channel.ts';
import type { ChannelStatus } from '../../ports/method.ts';

interface Held {
  readonly settings: string;
  readonly connection: Connection;
}

export function createAccounts(
  catalog: readonly Channel[],
  variables: ChannelWorld['variables'],
  worldOf: (channel: Channel, account: string, settings: ChannelAccount) => ChannelWorld,
) {
  const held = new Map<string, Held>();
  const keyOf = (channel: string, account: string) => `${channel}:${account}`;
  const wanted = (config: Config) =>
    catalog.flatMap((channel) =>
      [...accountsOf(config, channel.id)].map(([account, settings]) => ({ channel, account, settings, key: keyOf(channel.id, account) })),
    );

  return {
    connection: (channel: string, account: string): Connection | undefined => held.get(keyOf(channel, account))?.connection,
    /** Makes the connections those of the configuration; none where `isMine` is false. */
    follow: async (config: Config, isMine: boolean): Promise<void> => {
      const due = wanted(config).filter(({ settings }) => isMine && settings.enabled);
      const gone = [...held].filter(([key, { settings }]) => !due.some((one) => one.key === key && JSON.stringify(one.settings) === settings));
      for (const [key] of gone) held.delete(key);
      await Promise.all(gone.map(([, { connection }]) => connection.stop()));
      for (const { key, channel, account, settings } of due)
        if (!held.has(key)) held.set(key, { settings: JSON.stringify(settings), connection: channel.connect(worldOf(channel, account, settings)) });
    },
    list: (config: Config): ChannelStatus[] =>
      wanted(config).map(({ key, channel, account, settings }) => ({
        channel,
        account,
        settings,
        isConfigured: channel.isConfigured(settings, variables),
        state: held.get(key)?.connection.state(),
      })),
    stop: async (): Promise<void> => {
      await Promise.all([...held.values()].map(({ connection }) => connection.stop()));
      held.clear();
    },
  };
}
