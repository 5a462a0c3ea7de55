// What a tool is to a model and to the turn loop.

import type { Config } from './config.ts';
import { isRole } from './role.ts';
import { isSubagentKey } from './session.ts';
import { rolePolicy } from './team.ts';
import type { Wait } from './wait.ts';

export interface ToolSpec {
  readonly name: string;
  readonly about: string;
  /** JSON Schema of the input, as existing agents know it. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Running it twice is the same as once: an unknown outcome after a crash may be resolved by running it again. */
  readonly idempotent: boolean;
  /** May run beside other tools of the same step. */
  readonly parallel: boolean;
}

export interface ToolOutcome {
  readonly text: string;
  readonly isError: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Ids of runs whose results this outcome tells. */
  readonly tells?: readonly string[];
  /** The tool has not done its work: it is to be called again once something is settled. */
  readonly waits?: ToolWait;
}

export type ToolWait = Omit<Wait, 'calls' | 'since'>;

export type SandboxLevel = 'none' | 'bwrap';
/** What the configuration asks for. `auto` takes the best level this machine has. */
export type SandboxChoice = SandboxLevel | 'auto';

/**
 * The sandbox an agent gets. `off` is the owner's explicit none; a file written by the original gateway
 * without the key keeps its unsandboxed exec; everything else gets bubblewrap.
 */
export function sandboxChoice(config: Config, agentId: string): SandboxChoice {
  const own = config.agents.list.find((agent) => agent.id === agentId)?.sandbox?.mode;
  const mode = own ?? config.agents.defaults.sandbox?.mode;
  if (mode === undefined) return config.meta?.lastTouchedVersion === undefined ? 'bwrap' : 'none';
  if (mode === 'off') return 'none';
  if (mode === 'auto') return 'auto';
  return 'bwrap';
}

/** Text for the model when a crash hid the outcome of a call. */
export const INTERRUPTED =
  'interrupted, may have run: the gateway stopped while this call was under way and its outcome is unknown. Check before you repeat it.';

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'group:fs': ['read', 'write', 'edit'],
  'group:runtime': ['exec', 'process'],
  'group:messaging': ['message'],
  'group:sessions': ['sessions_list', 'sessions_history', 'sessions_send', 'sessions_spawn', 'sessions_await', 'session_status'],
};
/** What sub-agents have no use for: they work for the one who started them, and talk to nobody else. */
const NOT_FOR_SUBAGENTS = ['sessions_list', 'sessions_history', 'sessions_send', 'session_status', 'agents_list', 'cron', 'gateway', 'message'];
const TOOLS_OF_PARENTS = ['sessions_spawn', 'sessions_await'];

export interface ToolPolicy {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
}

interface ToolUser {
  readonly agentId: string;
  readonly sessionKey: string;
  readonly depth: number;
  readonly role: string | null;
  /** What the one who asked may make it use. */
  readonly narrowed?: ToolPolicy | undefined;
}

/**
 * Whether a run may use a tool: the lists of the file hold for all agents, an agent's own narrow them further,
 * then those of its role and of the one who asked, and those of sub-agents further still.
 */
export function isToolAllowed(config: Config, { agentId, sessionKey, depth, role, narrowed }: ToolUser, tool: string): boolean {
  const own = config.agents.list.find((agent) => agent.id === agentId)?.tools;
  const policies: (ToolPolicy | undefined)[] = [config.tools, own, role !== null && isRole(role) ? rolePolicy(config, role).tools : undefined, narrowed];
  if (isSubagentKey(sessionKey)) {
    const deepest = depth >= config.agents.defaults.subagents.maxDepth;
    policies.push(config.tools.subagents?.tools, { deny: deepest ? [...NOT_FOR_SUBAGENTS, ...TOOLS_OF_PARENTS] : NOT_FOR_SUBAGENTS });
  }
  return policies.every((policy) => {
    const names = (list: readonly string[] | undefined) => list?.flatMap((entry) => GROUPS[entry] ?? [entry.toLowerCase()]);
    const [allow, deny] = [names(policy?.allow), names(policy?.deny) ?? []];
    return !deny.includes(tool) && !deny.includes('*') && (allow === undefined || allow.includes('*') || allow.includes(tool));
  });
}
