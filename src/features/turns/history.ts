// Renders a session's log into a valid provider request: every call answered, roles alternating, within the budget.

import { INTERRUPTED } from '../../domain/tool.ts';
import type { AssistantEntry, CompactionEntry, Entry, EntryBody, ToolResultEntry, UserEntry } from '../../domain/transcript.ts';
import type { ModelMessage, ModelPart } from '../../ports/model.ts';

/** A piece of the log that is kept or dropped whole: what somebody said, or an answer with all its tool results. */
interface Unit {
  readonly kind: 'user' | 'assistant';
  /** Sequence of its first entry. */
  readonly seq: number;
  readonly messages: readonly ModelMessage[];
  readonly tokens: number;
}

const CHARS_PER_TOKEN = 3.5;
const IMAGE_TOKENS = 1600;
const MESSAGE_TOKENS = 4;
/** When the log outgrows the budget it is cut down to this part of it, so that the cut (and the cached prefix) stays put for a while. */
const KEEP = 0.7;
const LEFT_OUT = '(The earlier part of this conversation is left out here; it is kept in the transcript.)';
const LEFT_OUT_TOKENS = 40;
const SUMMARY = '[Summary of the conversation so far]';
const NO_TEXT = '(no text)';
const SMALLEST_PART_TOKENS = 16;

export function estimateTokens(text: string): number {
  return Math.ceil(text.length / CHARS_PER_TOKEN);
}

/** The part of a conversation that a summary is to take the place of. */
export interface OlderPart {
  readonly before: CompactionEntry | undefined;
  readonly messages: readonly ModelMessage[];
  readonly keptFrom: number;
  /** The order under way, when it is in this part. */
  readonly order: string | undefined;
}

export type History = ReturnType<typeof createHistory>;

/** A session's log after a sequence, as a growing request. Adding an entry costs the same however long the log is. */
export function createHistory(budgetTokens: number, after = 0) {
  const units: Unit[] = [];
  let open: { seq: number; assistant: AssistantEntry; results: Map<string, ToolResultEntry>; injected: AssistantEntry[] } | undefined;
  let summary: CompactionEntry | undefined;
  /** Tokens that came since the summary was written. */
  let fresh = 0;
  let first = 0;
  let kept = 0;
  let lastSeq = after;
  let chars = 0;

  const addUnit = (unit: Unit) => {
    units.push(unit);
    kept += unit.tokens;
    fresh += unit.tokens;
    if (kept <= budgetTokens) return;
    while (kept > budgetTokens * KEEP && first < units.length - 1) {
      kept -= units[first]?.tokens ?? 0;
      first += 1;
    }
  };
  const closeOpen = () => {
    if (!open) return;
    addUnit(answerUnit(open.seq, open.assistant, open.results));
    for (const { text } of open.injected) addUnit(textUnit(open.seq, text));
    open = undefined;
  };
  /** Never between a call and its results, and never after the message that waits for an answer. */
  const inject = (seq: number, said: AssistantEntry) => {
    if (open) open.injected.push(said);
    else if (units.at(-1)?.kind === 'user') {
      const unit = textUnit(seq, said.text);
      units.splice(units.length - 1, 0, unit);
      kept += unit.tokens;
    } else addUnit(textUnit(seq, said.text));
  };
  /** What is older than its mark gives way to the summary. */
  const summarise = (entry: CompactionEntry) => {
    const from = units.findIndex(({ seq }) => seq >= entry.keptFrom);
    units.splice(0, from < 0 ? units.length : from);
    first = 0;
    summary = entry;
    fresh = 0;
    kept = estimateTokens(entry.text) + sum(units.map(({ tokens }) => tokens));
  };
  const addBody = (seq: number, body: EntryBody) => {
    if (body.kind === 'note') return;
    if (body.kind === 'compaction') return summarise(body);
    if (body.kind === 'tool_result') {
      if (open?.assistant.toolCalls.some(({ id }) => id === body.callId)) open.results.set(body.callId, body);
      return;
    }
    if (body.kind === 'assistant' && body.stopReason === 'injected') return inject(seq, body);
    closeOpen();
    if (body.kind === 'user') addUnit(userUnit(seq, body));
    else if (body.toolCalls.length > 0 && body.stopReason === 'tool_use') open = { seq, assistant: body, results: new Map(), injected: [] };
    else if (body.text !== '') addUnit(textUnit(seq, body.text));
  };

  return {
    lastSeq: () => lastSeq,
    chars: () => chars,
    tokens: () => kept + (open ? answerUnit(open.seq, open.assistant, open.results).tokens : 0),
    /** Tokens that came since the latest summary. */
    fresh: () => fresh,
    /** What may give way to a summary so that about `keep` tokens stay as they are; undefined when there is too little. */
    older: (keep: number): OlderPart | undefined => {
      let from = units.length;
      let staying = 0;
      while (from > 0 && staying + (units[from - 1]?.tokens ?? 0) <= keep) {
        from -= 1;
        staying += units[from]?.tokens ?? 0;
      }
      from = Math.min(from, units.length - (open ? 0 : 1)); // what waits for an answer stays
      if (from < 2) return undefined;
      const messages = units.slice(0, from).flatMap((unit) => unit.messages);
      const orderStays = units.slice(from).some(({ kind }) => kind === 'user');
      const order = orderStays ? undefined : units.slice(0, from).findLast(({ kind }) => kind === 'user');
      return {
        before: summary,
        messages,
        keptFrom: units[from]?.seq ?? open?.seq ?? lastSeq + 1,
        order: order?.messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))).join('\n'),
      };
    },
    /** Entries in order of sequence; what is known already is skipped. */
    add: (entries: readonly Entry[]) => {
      for (const { seq, body } of entries) {
        if (seq <= lastSeq) continue;
        lastSeq = seq;
        chars += JSON.stringify(body).length;
        addBody(seq, body);
      }
    },
    messages: (): readonly ModelMessage[] => {
      const shown = units.slice(first);
      if (open) shown.push(answerUnit(open.seq, open.assistant, open.results));
      if (summary) shown.unshift(userUnit(0, { kind: 'user', text: `${SUMMARY}\n\n${summary.text}` }));
      const pinned = first > 0 && !shown.some(({ kind }) => kind === 'user') ? units.slice(0, first).findLast(({ kind }) => kind === 'user') : undefined;
      if (pinned) shown.unshift(pinned);
      const joined = joinMessages(
        shown.flatMap(({ messages }) => messages),
        first > 0,
      );
      const tokens = kept + LEFT_OUT_TOKENS + (open ? (shown.at(-1)?.tokens ?? 0) : 0) + (pinned?.tokens ?? 0);
      return tokens <= budgetTokens ? joined : fit(joined, budgetTokens);
    },
  };
}

function userUnit(seq: number, { text, attachments = [] }: UserEntry): Unit {
  const images = attachments.map(({ mimeType, data }): ModelPart => ({ type: 'image', mimeType, data }));
  return unitOf('user', seq, [{ role: 'user', parts: [...images, { type: 'text', text: text === '' ? NO_TEXT : text }] }]);
}

function answerUnit(seq: number, { text, toolCalls }: AssistantEntry, results: ReadonlyMap<string, ToolResultEntry>): Unit {
  const said: ModelPart[] = text === '' ? [] : [{ type: 'text', text }];
  return unitOf('assistant', seq, [
    { role: 'assistant', parts: [...said, ...toolCalls.map((call): ModelPart => ({ type: 'tool_call', call }))] },
    {
      role: 'user',
      parts: toolCalls.map(({ id }): ModelPart => {
        const result = results.get(id);
        return { type: 'tool_result', callId: id, text: result ? result.text || '(no output)' : INTERRUPTED, isError: result?.isError ?? true };
      }),
    },
  ]);
}

function textUnit(seq: number, text: string): Unit {
  return unitOf('assistant', seq, [{ role: 'assistant', parts: [{ type: 'text', text }] }]);
}

function unitOf(kind: Unit['kind'], seq: number, messages: readonly ModelMessage[]): Unit {
  return { kind, seq, messages, tokens: sum(messages.map(messageTokens)) };
}

/** Merges neighbours of one role, and makes the user speak first. */
function joinMessages(messages: readonly ModelMessage[], cut: boolean): ModelMessage[] {
  const joined: ModelMessage[] = [];
  if (cut || messages[0]?.role !== 'user') joined.push({ role: 'user', parts: [{ type: 'text', text: LEFT_OUT }] });
  for (const message of messages) {
    const last = joined.at(-1);
    if (last?.role === message.role) joined[joined.length - 1] = { role: last.role, parts: resultsFirst([...last.parts, ...message.parts]) };
    else joined.push(message);
  }
  return joined;
}

function resultsFirst(parts: readonly ModelPart[]): ModelPart[] {
  return [...parts.filter(({ type }) => type === 'tool_result'), ...parts.filter(({ type }) => type !== 'tool_result')];
}

/** The last resort for single giants: long parts are shortened in the middle until the whole fits. */
function fit(messages: ModelMessage[], budgetTokens: number): readonly ModelMessage[] {
  let limit = Math.max(...messages.flatMap(({ parts }) => parts.map(partTokens)), SMALLEST_PART_TOKENS);
  let fitted: readonly ModelMessage[] = messages;
  while (sum(fitted.map(messageTokens)) > budgetTokens && limit > SMALLEST_PART_TOKENS) {
    limit = Math.max(SMALLEST_PART_TOKENS, Math.floor(limit * KEEP));
    fitted = messages.map(({ role, parts }) => ({ role, parts: parts.map((part) => shorten(part, limit)) }));
  }
  return fitted;
}

function shorten(part: ModelPart, limitTokens: number): ModelPart {
  if (part.type === 'image') return partTokens(part) <= limitTokens ? part : { type: 'text', text: '(an image was left out to fit the context window)' };
  if (part.type === 'tool_call') return partTokens(part) <= limitTokens ? part : { type: 'tool_call', call: { ...part.call, input: {} } };
  const room = Math.floor(limitTokens * CHARS_PER_TOKEN);
  if (part.text.length <= room) return part;
  const head = Math.floor(room / 2);
  return { ...part, text: `${part.text.slice(0, head)}\n[…]\n${part.text.slice(head - room)}` };
}

function messageTokens({ parts }: ModelMessage): number {
  return MESSAGE_TOKENS + sum(parts.map(partTokens));
}

function partTokens(part: ModelPart): number {
  if (part.type === 'image') return IMAGE_TOKENS;
  return estimateTokens(part.type === 'tool_call' ? part.call.name + JSON.stringify(part.call.input) : part.text);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
