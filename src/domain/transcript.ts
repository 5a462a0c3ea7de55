// The append-only log of a session. Entries are never changed; a provider request is rendered from them.

export interface EntryUsage {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** US dollars by the price table, or null where no price is known. */
  readonly cost: number | null;
}

export interface Attachment {
  readonly mimeType: string;
  /** Base64. */
  readonly data: string;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface UserEntry {
  readonly kind: 'user';
  readonly text: string;
  readonly attachments?: readonly Attachment[];
}

export interface AssistantEntry {
  readonly kind: 'assistant';
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  /** `injected`: put there by a client, not said by a model. */
  readonly stopReason: 'stop' | 'tool_use' | 'length' | 'aborted' | 'error' | 'injected';
  readonly provider: string;
  readonly model: string;
  readonly usage: EntryUsage;
}

export interface ToolResultEntry {
  readonly kind: 'tool_result';
  readonly callId: string;
  readonly toolName: string;
  readonly text: string;
  readonly isError: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The gateway's own answer to a chat command: shown to people, never to the model. */
export interface NoteEntry {
  readonly kind: 'note';
  readonly text: string;
}

/** The older part of a conversation in few words. What it stands for stays in the log, readable and searchable. */
export interface CompactionEntry {
  readonly kind: 'compaction';
  readonly text: string;
  /** What people marked as lasting, in their own words: it goes from summary to summary. */
  readonly pins: readonly string[];
  /** First sequence that is still shown as it is. */
  readonly keptFrom: number;
  readonly tokensBefore: number;
  /** Whether a model wrote it, or rules did because no model could. */
  readonly by: 'model' | 'rules';
}

export type EntryBody = UserEntry | AssistantEntry | ToolResultEntry | NoteEntry | CompactionEntry;

export interface Entry {
  readonly seq: number;
  readonly runId: string | null;
  readonly at: number;
  readonly body: EntryBody;
}

export const NO_USAGE: EntryUsage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cost: 0 };

export function addUsage(left: EntryUsage, right: EntryUsage): EntryUsage {
  return {
    input: left.input + right.input,
    output: left.output + right.output,
    cacheRead: left.cacheRead + right.cacheRead,
    cacheWrite: left.cacheWrite + right.cacheWrite,
    cost: left.cost === null || right.cost === null ? null : left.cost + right.cost,
  };
}

/** Tool calls of the log that have no result yet, in order: what a resumed run must settle first. */
export function openCalls(entries: readonly Entry[]): readonly ToolCall[] {
  const answered = new Set<string>();
  for (let i = entries.length - 1; i >= 0; i--) {
    const body = entries[i]?.body;
    if (body?.kind === 'note' || body?.kind === 'compaction' || (body?.kind === 'assistant' && body.stopReason === 'injected')) continue;
    if (body?.kind === 'tool_result') answered.add(body.callId);
    else if (body?.kind === 'assistant') return body.stopReason === 'tool_use' ? body.toolCalls.filter((call) => !answered.has(call.id)) : [];
    else return [];
  }
  return [];
}
