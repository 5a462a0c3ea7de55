// Summaries in place of the older part of a conversation: written by a model, or by rules when no model can. Neither can fail.

import type { CompactionEntry } from '../../domain/transcript.ts';
import type { ModelMessage, ModelPart } from '../../ports/model.ts';
import type { History, OlderPart } from './history.ts';

const CHARS_PER_TOKEN = 3.5;
/** Part of the budget that stays as it is. */
const KEEP = 0.3;
const SUMMARY_SHARE = 0.15;
const MOST_PINS = 60;
const PIN_CHARS = 240;
const RESULT_CHARS = 400;
const LINE_CHARS = 200;
const ORDER_CHARS = 4000;

export const SUMMARY_PROMPT = `You write the summary that takes the place of the older part of a conversation between an agent and the one it works for.
Write down what is needed to go on with the work, in these sections: Goals. Decisions. Open tasks. Facts (names, paths, numbers, what was tried and what came of it).
Be short and exact, keep names and paths as they are, invent nothing, and do not address anybody.`;

/** Lines that people mark as lasting. */
const LASTING = /^\s*(?:[-*+]\s*)?(?:please\s+)?(?:remember|never forget|goal|decision|decided|to-?do|open task|task|important|rule|deadline|always|never)\b/i;

/** Whether a summary is due: the conversation comes near the budget, and enough is new since the last one. */
export function isDue(history: History, { budget, at, everyTokens }: { budget: number; at: number; everyTokens: number }): OlderPart | undefined {
  if (history.tokens() < budget * at || history.fresh() < everyTokens) return undefined;
  return history.older(budget * KEEP);
}

/** The older part as text for a model that summarises, at most `roomTokens`. */
export function transcriptOf({ before, messages }: OlderPart, roomTokens: number): string {
  const lines = messages.flatMap(({ role, parts }) => parts.map((part) => `${role === 'user' ? 'USER' : 'AGENT'}: ${partText(part)}`));
  const text = [...(before ? [`SUMMARY SO FAR: ${before.text}`] : []), ...lines].join('\n');
  const room = Math.floor(roomTokens * CHARS_PER_TOKEN);
  if (text.length <= room) return text;
  const head = Math.floor(room * 0.4);
  return `${text.slice(0, head)}\n[… left out …]\n${text.slice(head - room)}`;
}

function partText(part: ModelPart): string {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'image':
      return '(an image)';
    case 'tool_call':
      return `calls ${part.call.name} ${cut(JSON.stringify(part.call.input), RESULT_CHARS)}`;
    case 'tool_result':
      return `result: ${cut(part.text, RESULT_CHARS)}`;
  }
}

/** The entry that takes the place of the older part. `summary` is null when no model wrote one. */
export function compactionOf(older: OlderPart, summary: string | null, { budget, tokensBefore }: { budget: number; tokensBefore: number }): CompactionEntry {
  const pins = pinsOf(older);
  const room = Math.floor(budget * SUMMARY_SHARE * CHARS_PER_TOKEN);
  const text = [
    cut(summary ?? byRules(older, room), room),
    ...(pins.length > 0 ? [`Marked as lasting:\n${pins.map((pin) => `- ${pin}`).join('\n')}`] : []),
    ...(older.order === undefined ? [] : [`The order under way:\n${cut(older.order, ORDER_CHARS)}`]),
  ].join('\n\n');
  return { kind: 'compaction', text, pins, keptFrom: older.keptFrom, tokensBefore, by: summary === null ? 'rules' : 'model' };
}

function pinsOf({ before, messages }: OlderPart): string[] {
  const found = messages
    .filter(({ role }) => role === 'user')
    .flatMap(textsOf)
    .flatMap((text) => text.split('\n'))
    .filter((line) => LASTING.test(line))
    .map((line) => cut(line.trim(), PIN_CHARS));
  return [...new Set([...(before?.pins ?? []), ...found])].slice(-MOST_PINS);
}

/** Without a model: the summary so far, and what people said, a line each, the latest last. */
function byRules({ before, messages }: OlderPart, room: number): string {
  const said = messages.filter(({ role }) => role === 'user').flatMap(textsOf);
  const lines = said.map((text) => `- ${cut(text.replace(/\s+/g, ' ').trim(), LINE_CHARS)}`);
  const earlier = before ? cut(before.text, Math.floor(room / 2)) : '';
  let size = earlier.length;
  const latest = lines.toReversed().filter((line) => {
    size += line.length + 1;
    return size < room;
  });
  return [earlier, 'What was asked:', ...latest.reverse()].filter((part) => part !== '').join('\n');
}

function textsOf({ parts }: ModelMessage): string[] {
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`;
}

export function summaryTokens(budget: number): number {
  return Math.max(256, Math.min(4096, Math.floor(budget * SUMMARY_SHARE)));
}
