// The system prompt: who the agent is, what it can do, the workspace's own files, where it runs.

import type { Config } from '../../domain/config.ts';
import { isRole } from '../../domain/role.ts';
import { hasConflictMarkers, rightsProse, rolePolicies, rolePolicy } from '../../domain/team.ts';
import type { ToolSpec } from '../../domain/tool.ts';

const WORKSPACE_FILES = ['AGENTS.md', 'SOUL.md', 'TOOLS.md', 'IDENTITY.md', 'USER.md', 'HEARTBEAT.md', 'BOOTSTRAP.md'];
const SUBAGENT_FILES = ['AGENTS.md', 'TOOLS.md'];
/** The others of the root describe the owner's own agent. */
const FILES_OF_ROLES = ['AGENTS.md', 'TOOLS.md', 'USER.md'];
/** Shown whether it exists or not; the others only when they exist. */
const EXPECTED = 'AGENTS.md';

export interface PromptFacts {
  readonly config: Config;
  readonly agentId: string;
  readonly sessionKey: string;
  readonly workspace: string;
  readonly model: string;
  readonly sandbox: string;
  readonly host: string;
  readonly tools: readonly ToolSpec[];
  /** Role in the team, when the agent or the run has one. */
  readonly role: string | null;
  readonly extra: string | undefined;
  /** The text of a workspace file, or undefined when there is none. */
  readonly readFile: (name: string) => Promise<string | undefined>;
}

/** Reads the workspace files fresh and puts the prompt together. The order never changes, so that providers can cache it. */
export async function buildSystemPrompt(facts: PromptFacts): Promise<string> {
  const { config, agentId, sessionKey, workspace, tools, role, extra, readFile } = facts;
  const own =
    role !== null && isRole(role)
      ? {
          rights: rightsProse(rolePolicies(config), role),
          identity: await firstThatExists(readFile, [`scheduler/${role}/IDENTITY.md`, `scheduler/${rolePolicy(config, role).box}/IDENTITY.md`]),
        }
      : undefined;
  const names = [...(own ? [own.identity] : []), ...(sessionKey.includes(':subagent:') ? SUBAGENT_FILES : own ? FILES_OF_ROLES : WORKSPACE_FILES)];
  const cap = config.agents.defaults.bootstrapMaxChars;
  const files = await Promise.all(names.map(async (name) => ({ name, text: await readFile(name) })));
  const shown = files
    .filter(({ name, text }) => text !== undefined || name === EXPECTED)
    .map(({ name, text }) => `## ${name}\n\n${text === undefined ? `[MISSING] Expected at: ${workspace}/${name}` : shownText(name, text, cap)}`);
  const zone = config.agents.defaults.userTimezone;
  return [
    'You are an agent that works for its owner through the Clawdbot Gateway. You act with tools and report what really happened: never say that something is done unless a tool result in this conversation shows it.',
    ...(own ? [`# Your role\n\n${own.rights}`] : []),
    `# Tools\n\n${tools.map(({ name, about }) => `- ${name}: ${about}`).join('\n')}\n\nCall tools without announcing each one. When a result says that a call was interrupted, find out what happened before you repeat it. Long output is cut in the middle; narrow the command instead of repeating it.`,
    `# Workspace\n\nYour working folder is ${workspace}. Relative paths start there.`,
    ...(zone ? [`# Time\n\nThe owner's time zone is ${zone}.`] : []),
    `# Project Context\n\nThese files of the workspace describe you, your owner and your work.\n\n${shown.join('\n\n')}`,
    ...(extra ? [`# Extra instructions\n\n${extra}`] : []),
    `# Silent replies\n\nWhen there is nothing to say, answer with NO_REPLY alone. When a heartbeat asks and nothing needs attention, answer HEARTBEAT_OK alone.`,
    `# Runtime\n\nagent=${agentId} | host=${facts.host} | os=${process.platform} | node=${process.version} | model=${facts.model} | sandbox=${facts.sandbox}`,
  ].join('\n\n');
}

async function firstThatExists(readFile: PromptFacts['readFile'], [first = '', ...rest]: readonly string[]): Promise<string> {
  if (rest.length === 0 || (await readFile(first)) !== undefined) return first;
  return firstThatExists(readFile, rest);
}

/** Two versions that nobody has reconciled are not instructions. */
function shownText(name: string, text: string, cap: number): string {
  if (!hasConflictMarkers(text)) return capMiddle(text, cap);
  return `[${name} holds unresolved conflict markers of a merge and is not shown. Say so to the one you work for; somebody must resolve it.]`;
}

/** Head and tail of a text with a mark between, at most `max` characters of the original. */
function capMiddle(text: string, max: number): string {
  if (text.length <= max) return text;
  const head = Math.floor(max * 0.7);
  return `${text.slice(0, head)}\n\n[… ${text.length - max} characters left out …]\n\n${text.slice(head - max)}`;
}
