// Renders a session's log into a valid provider request: every call answered, roles alternating, within the budget.

import { INTERRUPTED } from '../../domain/tool.ts';
import type { AssistantEntry, Entry, EntryBody, ToolResultEntry, UserEntry } from '../../domain/transcript.ts';
import type { ModelMessage, ModelPart } from '../../ports/model.ts';

/** A piece of the log that is kept or dropped whole: what somebody said, or an answer with all its tool results. */
interface Unit {
  readonly kind: 'user' | 'assistant';
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
const NO_TEXT = '(no text)';
const SMALLEST_PART_TOKENS = 16;

export function estimateTokens(text: string): number {
  return Math.ceil(text.length / CHARS_PER_TOKEN);
}

export type History = ReturnType<typeof createHistory>;

/** A session's log after a sequence, as a growing request. Adding an entry costs the same however long the log is. */
export function createHistory(budgetTokens: number, after = 0) {
  const units: Unit[] = [];
  let open: { assistant: AssistantEntry; results: Map<string, ToolResultEntry>; injected: AssistantEntry[] } | undefined;
  let first = 0;
  let kept = 0;
  let lastSeq = after;
  let chars = 0;

  const addUnit = (unit: Unit) => {
    units.push(unit);
    kept += unit.tokens;
    if (kept <= budgetTokens) return;
    while (kept > budgetTokens * KEEP && first < units.length - 1) {
      kept -= units[first]?.tokens ?? 0;
      first += 1;
    }
  };
  const closeOpen = () => {
    if (!open) return;
    addUnit(answerUnit(open.assistant, open.results));
    for (const { text } of open.injected) addUnit(textUnit(text));
    open = undefined;
  };
  /** Never between a call and its results, and never after the message that waits for an answer. */
  const inject = (said: AssistantEntry) => {
    if (open) open.injected.push(said);
    else if (units.at(-1)?.kind === 'user') {
      const unit = textUnit(said.text);
      units.splice(units.length - 1, 0, unit);
      kept += unit.tokens;
    } else addUnit(textUnit(said.text));
  };
  const addBody = (body: EntryBody) => {
    if (body.kind === 'note') return;
    if (body.kind === 'tool_result') {
      if (open?.assistant.toolCalls.some(({ id }) => id === body.callId)) open.results.set(body.callId, body);
      return;
    }
    if (body.kind === 'assistant' && body.stopReason === 'injected') return inject(body);
    closeOpen();
    if (body.kind === 'user') addUnit(userUnit(body));
    else if (body.toolCalls.length > 0 && body.stopReason === 'tool_use') open = { assistant: body, results: new Map(), injected: [] };
    else if (body.text !== '') addUnit(textUnit(body.text));
  };

  return {
    lastSeq: () => lastSeq,
    chars: () => chars,
    /** Entries in order of sequence; what is known already is skipped. */
    add: (entries: readonly Entry[]) => {
      for (const { seq, body } of entries) {
        if (seq <= lastSeq) continue;
        lastSeq = seq;
        chars += JSON.stringify(body).length;
        addBody(body);
      }
    },
    messages: (): readonly ModelMessage[] => {
      const shown = units.slice(first);
      if (open) shown.push(answerUnit(open.assistant, open.results));
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

function userUnit({ text, attachments = [] }: UserEntry): Unit {
  const images = attachments.map(({ mimeType, data }): ModelPart => ({ type: 'image', mimeType, data }));
  return unitOf('user', [{ role: 'user', parts: [...images, { type: 'text', text: text === '' ? NO_TEXT : text }] }]);
}

function answerUnit({ text, toolCalls }: AssistantEntry, results: ReadonlyMap<string, ToolResultEntry>): Unit {
  const said: ModelPart[] = text === '' ? [] : [{ type: 'text', text }];
  return unitOf('assistant', [
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

function textUnit(text: string): Unit {
  return unitOf('assistant', [{ role: 'assistant', parts: [{ type: 'text', text }] }]);
}

function unitOf(kind: Unit['kind'], messages: readonly ModelMessage[]): Unit {
  return { kind, messages, tokens: sum(messages.map(messageTokens)) };
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
