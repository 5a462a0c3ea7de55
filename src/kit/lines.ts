// Newline-delimited JSON over a byte stream: the framing of the workers' socket.

import { StringDecoder } from 'node:string_decoder';

/** Splits chunks into lines and hands each on without its newline. `maxLength` bounds one line, in characters. */
export function createLineSplitter(onLine: (line: string) => void, maxLength: number): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let parts: string[] = [];
  let held = 0;
  return (chunk) => {
    let text = decoder.write(chunk);
    let end = text.indexOf('\n');
    while (end !== -1) {
      parts.push(text.slice(0, end));
      const line = parts.length === 1 ? (parts[0] ?? '') : parts.join('');
      parts = [];
      held = 0;
      onLine(line);
      text = text.slice(end + 1);
      end = text.indexOf('\n');
    }
    if (text === '') return;
    held += text.length;
    if (held > maxLength) throw new Error(`a line is longer than ${maxLength} characters`);
    parts.push(text);
  };
}

/** JSON with object keys in order, so that equal values have equal text (for hashes). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
