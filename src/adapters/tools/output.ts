// Tool output: what the model sees is capped, the whole is kept by reference.

import type { Blobs } from '../../ports/blob.ts';

const MAX_CHARS = 30_000;
const HEAD_CHARS = 20_000;

export interface Capped {
  readonly text: string;
  /** Where the whole output is, when the text is not all of it. */
  readonly blob?: string;
}

/** Head and tail of a long text with a mark between; the whole text goes to the blobs. */
export async function capOutput(text: string, blobs: Blobs): Promise<Capped> {
  if (text.length <= MAX_CHARS) return { text };
  const blob = await blobs.put(Buffer.from(text, 'utf8'));
  const dropped = text.length - MAX_CHARS;
  return {
    text: `${text.slice(0, HEAD_CHARS)}\n[… ${dropped} characters left out; the whole output: read ${blob} …]\n${text.slice(HEAD_CHARS - MAX_CHARS)}`,
    blob,
  };
}
