// Names in the configuration file: those this version uses (from the schema), those the original knows, and typing errors.

import { z } from 'zod';

import { type ConfigFinding, ConfigSchema } from './config-schema.ts';

/** Keys of the original beside the schema's own; `{…}` holds the known names of a section, a bare name is not looked into. */
const ORIGINAL = `
wizard diagnostics update browser ui nodeHost broadcast audio media commands approvals web discovery canvasHost talk skills plugins
env{shellEnv vars *} logging{file consoleLevel consoleStyle redactSensitive} auth{cooldowns} models{mode bedrockDiscovery providers{*{auth authHeader models{api maxTokens headers compat}}}}
agents{defaults{imageModel models{*{params}} repoRoot skipBootstrap timeFormat envelopeTimezone envelopeTimestamp envelopeElapsed cliBackends memorySearch contextPruning
compaction thinkingDefault verboseDefault elevatedDefault blockStreamingDefault blockStreamingBreak blockStreamingChunk blockStreamingCoalesce humanDelay mediaMaxMb
typingIntervalSeconds typingMode heartbeat subagents{archiveAfterMinutes model} sandbox{workspaceAccess sessionToolsVisibility scope perSession workspaceRoot docker browser prune}}
list{agentDir memorySearch humanDelay heartbeat identity{theme} groupChat subagents sandbox{workspaceAccess sessionToolsVisibility scope perSession workspaceRoot docker browser prune}
tools{profile byProvider elevated exec sandbox}}}
tools{profile byProvider web media links message agentToAgent elevated exec{host node safeBins cleanupMs notifyOnExit applyPatch} subagents sandbox}
session{identityLinks resetTriggers idleMinutes reset resetByType resetByChannel store typingIntervalSeconds typingMode sendPolicy agentToAgent}
channels{defaults whatsapp telegram discord googlechat signal imessage msteams slack{userToken userTokenReadOnly signingSecret webhookPath replyToModeByChatType actions thread chunkMode
mediaMaxMb configWrites commands capabilities markdown heartbeat blockStreaming dmHistoryLimit dms channels{*{skills}} reactionAllowlist}} bindings{match{guildId}}
messages{messagePrefix responsePrefix groupChat inbound removeAckAfterReply tts queue{debounceMsByChannel}}
cron{enabled store} hooks{presets transformsDir mappings gmail internal}
gateway{controlUi auth{allowTailscale} trustedProxies tailscale remote reload tls nodes http{endpoints{chatCompletions responses{maxBodyBytes files images}}}}
`;

interface Names {
  readonly [name: string]: Names;
}

/** Findings about keys that this version does not use: known ones of the original, and unknown ones with the nearest known name. */
export function keyFindings(value: unknown): readonly ConfigFinding[] {
  return look(value, ConfigSchema, original(), '');
}

function look(value: unknown, schema: z.ZodType | undefined, also: Names, path: string): ConfigFinding[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => look(item, schema, also, `${path}[${i}]`));
  if (value === null || typeof value !== 'object') return [];
  const own = schema && namesOf(schema);
  if (!own) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = path === '' ? key : `${path}.${key}`;
    const [ours, theirs] = [own[key] ?? own['*'], also[key] ?? also['*']];
    if (ours) return look(inner, ours, theirs ?? {}, at);
    if (theirs) return [{ path: at, message: 'this version does not use this key yet; it is kept as it is' }];
    const nearest = nearestName(key, [...Object.keys(own), ...Object.keys(also)]);
    return [{ path: at, message: `unknown key; it is kept and ignored${nearest === undefined ? '' : `. Did you mean "${nearest}"?`}` }];
  });
}

/** The keys a schema describes; `*` for any key of a record; undefined for what is no object. */
function namesOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  if (schema instanceof z.ZodObject) return schema.shape as Record<string, z.ZodType>; // zod's own shape
  if (schema instanceof z.ZodRecord) return { '*': schema.valueType as z.ZodType };
  if (schema instanceof z.ZodArray) return namesOf(schema.element as z.ZodType);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return namesOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodUnion) return schema.options.map((option) => namesOf(option as z.ZodType)).find((names) => names !== undefined);
  return undefined;
}

let parsed: Names | undefined;

function original(): Names {
  parsed ??= readNames(ORIGINAL.match(/[^\s{}]+|[{}]/g) ?? []);
  return parsed;
}

function readNames(tokens: string[]): Names {
  const names: Record<string, Names> = {};
  let last = '';
  for (let token = tokens.shift(); token !== undefined && token !== '}'; token = tokens.shift()) {
    if (token === '{') names[last] = readNames(tokens);
    else {
      last = token;
      names[last] = {};
    }
  }
  return names;
}

const FARTHEST = 3;

/** The known name that needs the fewest changed letters, if it is near enough to be meant. */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  const ranked = known.map((name) => ({ name, distance: editDistance(written.toLowerCase(), name.toLowerCase()) })).sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best && best.distance <= Math.min(FARTHEST, Math.ceil(written.length / 3)) ? best.name : undefined;
}

/** Levenshtein's distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, i) => i);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const changed = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
