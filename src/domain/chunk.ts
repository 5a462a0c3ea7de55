// Cutting a long Markdown text into messages: between paragraphs where that can be, else between lines, words, letters; fences stay closed.

const FENCE = /^(\s*)(`{3,}|~{3,})(.*)$/;

/** Parts of at most `limit` characters. Joined they say the same; a fence that is cut is closed and opened again. */
export function chunkMarkdown(text: string, limit: number): string[] {
  const parts: string[] = [];
  let rest = text.trimEnd();
  let reopened = '';
  while (reopened.length + rest.length > limit) {
    const { head, fence } = cutOnce(rest, limit - reopened.length, reopened);
    parts.push(reopened + head.trimEnd() + (fence === '' ? '' : `\n${closing(fence)}`));
    rest = rest.slice(head.length).replace(fence === '' ? /^\s*\n/ : /^\n/, '');
    reopened = fence === '' ? '' : `${fence}\n`;
  }
  if (rest.trim() !== '') parts.push(reopened + rest);
  return parts;
}

/** The longest good beginning of at most `room` characters, and the fence that is open at its end. */
function cutOnce(text: string, room: number, reopened: string): { head: string; fence: string } {
  const whole = Math.max(1, room - CLOSING_ROOM);
  const window = text.slice(0, whole);
  for (const at of [lastParagraph(window), window.lastIndexOf('\n'), window.lastIndexOf(' ')]) {
    if (at < whole / 4) continue; // a cut so early would make many small messages
    const head = text.slice(0, at);
    const fence = openFence(reopened + head);
    if (fence === '' || at !== lastParagraph(window)) return { head, fence };
  }
  return { head: beforePair(window), fence: openFence(reopened + window) };
}

/** Room for closing a fence at the end of a part. */
const CLOSING_ROOM = 12;

function lastParagraph(window: string): number {
  return window.lastIndexOf('\n\n');
}

/** Not between the two halves of a letter. */
function beforePair(text: string): string {
  return text.length > 1 && /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}

/** The line that opens the code block in which the text ends, or nothing. */
function openFence(text: string): string {
  let open = '';
  for (const line of text.split('\n')) {
    const [, , mark = '', info = ''] = FENCE.exec(line) ?? [];
    if (mark === '') continue;
    if (open === '') open = `${mark}${info}`.slice(0, 40);
    else if (open.startsWith(mark.charAt(0)) && mark.length >= markOf(open).length && info.trim() === '') open = '';
  }
  return open;
}

function markOf(fence: string): string {
  return /^(`+|~+)/.exec(fence)?.[1] ?? '```';
}

function closing(fence: string): string {
  return markOf(fence);
}
