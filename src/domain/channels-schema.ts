// The sections `channels` and `bindings` of the configuration: who may speak where, and which agent answers.

import { z } from 'zod';

const section = <S extends z.ZodRawShape>(shape: S) => z.looseObject(shape);
const withDefaults = <T extends z.ZodType>(schema: T) => schema.prefault({} as never); // every field inside has its own default
const ids = z.array(z.union([z.string(), z.number()]).transform(String));
const tools = section({
  allow: z.array(z.string()).optional().describe('Tools that others than the owner may make the agent use here. Left out: none that acts or reads files.'),
  deny: z.array(z.string()).optional(),
});

const GROUP_POLICIES = ['allowlist', 'open', 'disabled'] as const;
const DM_POLICIES = ['pairing', 'allowlist', 'open', 'disabled'] as const;

const Place = section({
  enabled: z.boolean().optional(),
  allow: z.boolean().optional().describe('The same as enabled.'),
  requireMention: z.boolean().optional().describe('Whether the agent answers only when it is named. Left out: as for the whole channel.'),
  users: ids.optional().describe('Ids of the people who are heard here. Left out: all.'),
  allowBots: z.boolean().optional(),
  tools: tools.optional(),
  systemPrompt: z.string().optional().describe('Extra instructions for turns here.'),
});

/** What one account of a channel is set to. Names are those of the original; owner, home, streaming and apiUrl are new. */
const channelSettings = {
  enabled: z.boolean().default(true),
  name: z.string().optional(),
  owner: z.string().optional().describe('Id of the owner here, as U0123456789. Never a name: names can be chosen by anybody.'),
  home: z.string().optional().describe('Id of the conversation that questions, digests and alerts go to. Left out: the direct messages of the owner.'),
  groupPolicy: z.enum(GROUP_POLICIES).default('allowlist').describe('allowlist: only conversations listed under channels. open: all it is a member of.'),
  requireMention: z.boolean().default(true),
  allowBots: z.boolean().default(false).describe('Whether other bots are heard.'),
  dm: withDefaults(
    section({
      enabled: z.boolean().default(true),
      policy: z
        .enum(DM_POLICIES)
        .default('pairing')
        .describe('pairing: strangers get a code that the owner approves. allowlist: only allowFrom. open: everybody. The owner is always heard.'),
      allowFrom: ids.default([]).describe('Ids of people who are heard in direct messages, or *.'),
      groupEnabled: z.boolean().default(false).describe('Direct messages of several people.'),
      groupChannels: ids.optional(),
    }),
  ),
  channels: z.record(z.string(), Place).default({}).describe('Conversations by id; * for all others.'),
  tools: tools.optional(),
  replyToMode: z
    .enum(['off', 'first', 'all'])
    .default('off')
    .describe('Whether answers to messages outside threads open one. Messages in threads are answered there.'),
  streaming: z.boolean().default(true).describe('Answers appear while they are written.'),
  textChunkLimit: z.int().min(200).max(12_000).default(4000).describe('Longest message; longer answers are cut between paragraphs.'),
  historyLimit: z.int().min(0).max(200).default(20).describe('Messages that were not for the agent and are told with the next one that is.'),
  reactionNotifications: z.enum(['off', 'own', 'all']).default('own').describe('Reactions that the agent hears of: none, those to its own messages, all.'),
  slashCommand: withDefaults(
    section({
      enabled: z.boolean().default(true),
      name: z.string().default('clawd'),
      sessionPrefix: z.string().default('slack:slash'),
      ephemeral: z.boolean().default(true).describe('Answers to slash commands are seen by their sender alone.'),
    }),
  ),
};

const slack = {
  ...channelSettings,
  mode: z.enum(['socket', 'http']).default('socket').describe('socket: Socket Mode. http is not available in this version.'),
  botToken: z.string().optional().describe('xoxb-…. Left out: SLACK_BOT_TOKEN of the environment.'),
  appToken: z.string().optional().describe('xapp-…, with the scope connections:write. Left out: SLACK_APP_TOKEN of the environment.'),
  apiUrl: z.string().default('https://slack.com/api/').describe('Where the methods of Slack are; another address for the simulator.'),
};

export const ChannelsSchema = section({
  slack: section({
    ...slack,
    accounts: z.record(z.string(), z.looseObject({})).default({}).describe('Further accounts by id; what they leave out is as above.'),
  }).optional(),
});

/** One account of any channel, and of Slack: its own values over those of the channel. */
export const ChannelAccountSchema = section(channelSettings);
export const SlackAccountSchema = section(slack);

export const BindingsSchema = z.array(
  section({
    agentId: z.string().min(1),
    match: section({
      channel: z.string().min(1),
      accountId: z.string().optional(),
      peer: section({ kind: z.enum(['dm', 'group', 'channel']), id: z.string().min(1) }).optional(),
      teamId: z.string().optional(),
    }),
  }),
);
