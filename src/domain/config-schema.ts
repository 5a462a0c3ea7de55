// The configuration file's schema: types, defaults, validation and the reference page come from it.
// Keys we do not know are kept and reported, never fatal. Loaded only where a file is validated: building it takes time.

import { z } from 'zod';
import { BindingsSchema, ChannelsSchema } from './channels-schema.ts';
import { EXEC_ASK, EXEC_SECURITY } from './exec-policy.ts';
import { ROLES } from './role.ts';
import { TeamSchema } from './team-schema.ts';
import { isWorkspaceId } from './workspace.ts';

const count = z.int().min(1);
const seconds = z.number().min(0);
const section = <S extends z.ZodRawShape>(shape: S) => z.looseObject(shape);
const withDefaults = <T extends z.ZodType>(schema: T) => schema.prefault({} as never); // every field inside has its own default

const isPattern = (source: string) => {
  try {
    new RegExp(source, 'g');
    return true;
  } catch {
    return false; // the schema says which entry it is
  }
};

const ModelChoice = z
  .union([z.string().min(1), section({ primary: z.string().min(1), fallbacks: z.array(z.string().min(1)).optional() })])
  .describe('Model of a turn: an alias, "provider/model", or { primary, fallbacks }.');

const Sandbox = section({
  mode: z
    .enum(['off', 'bwrap', 'all', 'non-main', 'auto'])
    .optional()
    .describe('off: no sandbox. bwrap, all, non-main: bubblewrap, refused when missing. auto: the best this machine has.'),
  binds: z.array(z.string()).optional().describe('Extra absolute paths that commands may read.'),
});

const toolPolicy = {
  allow: z.array(z.string()).optional().describe('Tools agents may use: names, group:fs, group:runtime or *. Left out: all.'),
  deny: z.array(z.string()).optional().describe('Tools agents may not use. Goes before allow.'),
};

const duration = z.string().regex(/^\d+\s*(ms|s|m|h|d)?$/i, 'not a duration such as 30m');

const Heartbeat = section({
  every: duration.optional().describe('Shortest time between two heartbeats of an agent, as 30m; 0m: none.'),
  prompt: z.string().optional().describe('What the agent is asked. Left out: to look at HEARTBEAT.md.'),
  model: z.string().optional(),
  check: z
    .enum(['changes', 'always'])
    .optional()
    .describe('changes: only when something happened since the last heartbeat. always: at each interval when HEARTBEAT.md has content.'),
  activeHours: section({ start: z.string(), end: z.string(), timezone: z.string().optional() }).optional(),
});

const Money = section({
  usd: z.number().min(0).optional().describe('US dollars.'),
  tokens: z.int().min(0).optional().describe('Output and uncached input tokens.'),
});

const QueueMode = z.enum(['collect', 'followup', 'interrupt', 'steer', 'steer-backlog', 'queue']);

const Agent = section({
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/),
  default: z.boolean().optional(),
  name: z.string().optional(),
  workspace: z.string().optional(),
  model: ModelChoice.optional(),
  identity: section({ name: z.string().optional(), emoji: z.string().optional(), avatar: z.string().optional() }).optional(),
  sandbox: Sandbox.optional(),
  tools: section(toolPolicy).optional(),
  role: z.enum(ROLES).optional().describe('Role of this agent in the team. Left out: it acts for the owner.'),
  subagents: section({
    allowAgents: z.array(z.string()).optional().describe('Agents whose sub-agents this one may start, or *. Left out: only its own.'),
  }).optional(),
  heartbeat: Heartbeat.optional(),
});

const Cost = section({
  input: z.number().min(0),
  output: z.number().min(0),
  cacheRead: z.number().min(0).optional(),
  cacheWrite: z.number().min(0).optional(),
});

const Provider = section({
  baseUrl: z.string().optional().describe('Where the provider answers. Needed for every provider but anthropic and openai.'),
  apiKey: z.string().optional().describe('The key, best written as ${NAME_OF_VARIABLE}.'),
  api: z.enum(['anthropic-messages', 'openai-completions', 'openai-responses', 'google-generative-ai', 'github-copilot', 'bedrock-converse-stream']).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  oauth: section({ tokenUrl: z.string(), clientId: z.string() }).optional().describe('Where OAuth tokens of this provider are refreshed.'),
  models: z
    .array(
      section({
        id: z.string().min(1),
        name: z.string().optional(),
        reasoning: z.boolean().optional(),
        input: z.array(z.string()).optional(),
        cost: Cost.optional(),
        contextWindow: count.optional(),
        maxTokens: count.optional(),
      }),
    )
    .optional(),
});

export const ConfigSchema = section({
  meta: section({ lastTouchedVersion: z.string().optional(), lastTouchedAt: z.string().optional() }).optional(),
  env: z.record(z.string(), z.unknown()).optional().describe('Variables for the gateway when its environment lacks them: { vars: { NAME: "value" } }.'),
  gateway: withDefaults(
    section({
      port: z.int().min(0).max(65_535).default(18_789).describe('TCP port of WebSocket and HTTP.'),
      mode: z.enum(['local', 'remote']).default('local'),
      bind: z
        .enum(['loopback', 'lan', 'tailnet', 'auto', 'custom'])
        .default('loopback')
        .describe('loopback: this machine only. lan: every interface. The others are not available yet and mean loopback.'),
      auth: withDefaults(
        section({
          mode: z.enum(['token', 'password']).default('token'),
          token: z.string().min(1).optional(),
          password: z.string().min(1).optional(),
        }),
      ),
      http: withDefaults(
        section({
          endpoints: withDefaults(
            section({
              chatCompletions: withDefaults(section({ enabled: z.boolean().default(true).describe('POST /v1/chat/completions for token holders.') })),
              responses: withDefaults(section({ enabled: z.boolean().default(true).describe('POST /v1/responses for token holders.') })),
            }),
          ),
        }),
      ),
      allowedOrigins: z.array(z.string()).default([]).describe('Browser origins allowed besides this gateway itself.'),
      drainSeconds: seconds.default(10).describe('How long a stop waits for running turns before it hands them to the next start.'),
      workers: z.int().min(0).default(1).describe('Worker processes of this gateway. 0 only where workers run on other machines.'),
      workerSlots: count.default(64).describe('Runs one worker process drives at once.'),
    }),
  ),
  auth: withDefaults(
    section({
      profiles: z.record(z.string(), section({ provider: z.string(), mode: z.enum(['api_key', 'oauth', 'token']), email: z.string().optional() })).default({}),
      order: z.record(z.string(), z.array(z.string())).default({}),
    }),
  ),
  models: withDefaults(
    section({
      providers: z.record(z.string(), Provider).default({}),
      replacements: z.record(z.string(), z.string()).optional().describe('Model ids to replace by others, before the built-in table.'),
      idleSeconds: z.number().min(0.1).default(60).describe('A model stream that sends nothing for this long is given up and retried.'),
    }),
  ),
  agents: withDefaults(
    section({
      defaults: withDefaults(
        section({
          model: ModelChoice.default('anthropic/claude-opus-4-5'),
          models: z.record(z.string(), section({ alias: z.string().optional() })).optional(),
          workspace: z.string().default('~/clawd').describe('Where agents work.'),
          bootstrapMaxChars: count.default(20_000).describe('Longest part of one workspace file that goes into the prompt.'),
          userTimezone: z.string().optional(),
          contextTokens: count.default(200_000).describe('Size of the context window that requests are trimmed to.'),
          maxOutputTokens: count.default(8192),
          timeoutSeconds: z.number().min(1).default(600).describe('Longest time one run may take.'),
          maxConcurrent: count.default(4).describe('Runs of the main lane at once.'),
          subagents: withDefaults(
            section({
              maxConcurrent: count.default(8).describe('Sub-agent runs at once.'),
              maxDepth: z.int().min(0).default(4).describe('How deep sub-agents may start sub-agents.'),
              fanOut: z.int().min(0).default(8).describe('Open sub-agents of one run. 0: no limit.'),
              perMinute: z.int().min(0).default(60).describe('Sub-agents that one tree of work may start within a minute. 0: no limit.'),
              grants: z
                .enum(['auto', 'ask'])
                .default('auto')
                .describe('Requests of sub-agents for more sub-agents: granted within the limits, or a person is asked.'),
              model: z.string().optional().describe('Model of sub-agents. Left out: that of their agent.'),
              archiveAfterMinutes: z.int().min(0).default(60).describe('Sessions of sub-agents leave the lists after this long without work. 0: never.'),
            }),
          ),
          heartbeat: withDefaults(Heartbeat),
          compaction: withDefaults(
            section({
              at: z.number().min(0.2).max(0.95).default(0.8).describe('Part of the context window at which the older conversation is summarised.'),
              everyTokens: count.default(8000).describe('New tokens that must come between two summaries.'),
              model: z.string().optional().describe('Model that writes the summary. Left out: that of the turn.'),
            }),
          ),
          sandbox: Sandbox.optional(),
          claudeCommand: z
            .string()
            .optional()
            .describe('The claude command for roles with the runtime claude-code. Left out: from the PATH, or where clawdbot runtime install has put it.'),
        }),
      ),
      list: z.array(Agent).default([]),
    }),
  ),
  team: withDefaults(TeamSchema).describe('The roles of the team. Written in roles.json5 beside this file.'),
  session: withDefaults(
    section({
      scope: z.enum(['per-sender', 'global']).default('per-sender'),
      mainKey: z.string().min(1).default('main'),
      dmScope: z
        .enum(['main', 'per-peer', 'per-channel-peer'])
        .default('main')
        .describe('Session of direct messages of the owner: the main one, or one of their own. Others always have one of their own.'),
      agentToAgent: withDefaults(
        section({ maxPingPongTurns: z.int().min(0).max(5).default(5).describe('How often two agents answer each other after sessions_send.') }),
      ),
    }),
  ),
  channels: withDefaults(ChannelsSchema).describe('Message channels: their accounts, and who may speak where.'),
  bindings: BindingsSchema.default([]).describe('Which agent answers where. The most exact match decides; without one the default agent answers.'),
  messages: withDefaults(
    section({
      ackReaction: z.string().default('eyes').describe('Reaction on a message while the agent works on it; empty: none.'),
      ackReactionScope: z.enum(['group-mentions', 'group-all', 'direct', 'all']).default('all').describe('Which messages get it.'),
      queue: withDefaults(
        section({
          mode: QueueMode.optional().describe(
            'Messages that come while the agent is busy. collect: answered together. followup: one by one. interrupt: stop and take the new one. steer and steer-backlog behave as followup for now. Left out: collect in channels, followup in web chat and terminal, whose clients look for an answer to each message.',
          ),
          byChannel: z.record(z.string(), QueueMode).optional().describe('The same by channel, as { webchat: "collect" }.'),
          debounceMs: z.int().min(0).default(1000).describe('How long to wait for more before collected messages are answered.'),
          cap: count.default(20).describe('Messages that may wait for one session.'),
          drop: z
            .enum(['old', 'new', 'summarize'])
            .default('summarize')
            .describe('What gives way above the cap: the oldest, the newest, or the oldest shortened to a line.'),
        }),
      ),
    }),
  ),
  workspaces: z
    .record(
      z.string().refine(isWorkspaceId, 'a workspace id is up to 64 small letters, digits, - and _, and not "default"'),
      section({
        stateDir: z.string().optional().describe('Its folder: configuration, credentials, jobs, logs. By default workspaces/<id> in the state folder.'),
      }),
    )
    .default({})
    .describe('Further workspaces of this gateway, each with its own folder, secrets, budgets and agents.'),
  store: withDefaults(
    section({
      url: z
        .string()
        .regex(/^postgres(ql)?:\/\//, 'not an address such as postgres://user:password@host:5432/database')
        .optional()
        .describe('A PostgreSQL database in place of the file in the state folder. Several gateways may share one.'),
    }),
  ),
  lanes: withDefaults(
    section({
      nested: count.default(4).describe('Runs at once that answer messages of other agents.'),
      proof: count.default(2),
      roles: z.record(z.string(), count).default({}).describe('Runs at once by role, within their lanes.'),
      longestQueue: z
        .int()
        .min(10)
        .default(10_000)
        .describe('Runs that may wait in one lane. Work of lower priority is refused at a half and a quarter of it.'),
      providers: z
        .record(z.string(), z.union([count, section({ min: count.optional(), max: count.optional() })]))
        .default({})
        .describe('Model calls at once by provider: a fixed number, or bounds between which the limit adapts. Left out: adapts between 1 and 64.'),
    }),
  ),
  cron: withDefaults(
    section({
      enabled: z.boolean().default(true),
      maxConcurrentRuns: count.default(4).describe('Cron runs at once.'),
      graceMinutes: z.number().min(0).default(60).describe('A slot missed by more than this is recorded as missed and not made up.'),
    }),
  ),
  proofs: withDefaults(
    section({
      registry: z
        .url()
        .default('https://registry.npmjs.org/')
        .describe('Where packages come from that the tests of a repository need. A proof reaches nothing else, and that only to install them.'),
    }),
  ),
  budgets: withDefaults(
    section({
      day: Money.prefault({ usd: 5 }).describe('What all agents together may spend in a day.'),
      run: Money.prefault({ tokens: 200_000 }).describe('What one run may spend.'),
      agents: z.record(z.string(), Money).default({}).describe('By agent, each day.'),
      roles: z.record(z.string(), Money).default({}).describe('By role, each day.'),
      jobs: z.record(z.string(), Money).default({}).describe('By cron job (id or name), each day.'),
      warnAt: z.number().min(0).max(1).default(0.8).describe('Part of a budget at which a warning is given.'),
      askForHours: z.number().min(0.001).default(24).describe('How long a run waits for an answer when its budget is used up. Then it is cancelled.'),
    }),
  ),
  backups: withDefaults(
    section({
      everyHours: z.number().min(0).default(24).describe('How often the store, the configuration and the policy are backed up. 0: never by itself.'),
      dir: z.string().optional().describe('Where backups are kept; best on another disk. Left out: backups in the state folder.'),
      keep: withDefaults(
        section({
          latest: count.default(3),
          daily: z.int().min(0).default(7).describe('The last one of so many days.'),
          weekly: z.int().min(0).default(4).describe('The last one of so many weeks.'),
        }),
      ),
    }),
  ),
  hooks: withDefaults(
    section({
      enabled: z.boolean().default(false).describe('POST /hooks/wake and /hooks/agent for programs that hold the hook token.'),
      token: z.string().min(1).optional().describe('The hook token: sent as a bearer token or in x-clawdbot-token, never in the address.'),
      path: z
        .string()
        .regex(/^\/[\w/-]*$/)
        .default('/hooks'),
      maxBodyBytes: z.int().min(1).max(1_048_576).default(262_144),
    }),
  ),
  tools: withDefaults(
    section({
      ...toolPolicy,
      subagents: section({ tools: section(toolPolicy).optional() })
        .optional()
        .describe('Tools of sub-agents, narrower than those of agents.'),
      agentToAgent: withDefaults(
        section({ enabled: z.boolean().default(false).describe('Agents may write to sessions of other agents.'), allow: z.array(z.string()).optional() }),
      ),
      exec: withDefaults(
        section({
          timeoutSec: seconds.default(1800).describe('A command is killed with its children after this long.'),
          backgroundMs: z.int().min(10).default(10_000).describe('A command that takes longer goes on in the background.'),
          network: z.enum(['none', 'host']).default('none').describe('Network of sandboxed commands.'),
          pathPrepend: z.array(z.string()).default([]),
          security: z
            .enum(EXEC_SECURITY)
            .default('full')
            .describe('Commands of agents: all, only programs on the allowlist of exec-approvals.json, or none. The stricter of this and that file holds.'),
          ask: z.enum(EXEC_ASK).default('off').describe('Whether a person is asked first: never, about programs that are not on the allowlist, always.'),
          askTimeoutSec: seconds.default(120).describe('How long a question waits for its answer.'),
        }),
      ),
    }),
  ),
  logging: withDefaults(
    section({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
      dir: z.string().optional().describe('Folder of the daily log files.'),
      retentionDays: count.default(7),
      redactPatterns: z
        .array(z.string().refine(isPattern, 'not a regular expression'))
        .default([])
        .describe('Extra regular expressions to mask in logs and transcripts.'),
    }),
  ),
});

export interface ConfigFinding {
  readonly path: string;
  readonly message: string;
}

export type ParsedConfig =
  | { readonly ok: true; readonly config: z.infer<typeof ConfigSchema>; readonly warnings: readonly ConfigFinding[] }
  | { readonly ok: false; readonly issues: readonly ConfigFinding[] };

/** Validates what was read from the file (after includes and variables) and fills in the defaults. */
export function parseConfig(value: unknown): ParsedConfig {
  const parsed = ConfigSchema.safeParse(value);
  if (!parsed.success) {
    return { ok: false, issues: parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })) };
  }
  return { ok: true, config: parsed.data, warnings: unusedChoices(parsed.data) };
}

function unusedChoices({ gateway: { bind } }: z.infer<typeof ConfigSchema>): ConfigFinding[] {
  if (bind === 'loopback' || bind === 'lan') return [];
  return [{ path: 'gateway.bind', message: `"${bind}" is not available yet: the gateway listens on loopback` }];
}
