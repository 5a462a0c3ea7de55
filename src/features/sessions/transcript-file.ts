// A transcript as the lines of the original's session files: a header, then messages that each name the one before.

import type { Entry } from '../../domain/transcript.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { SessionTable } from '../../ports/tables.ts';
import { toMessage } from './views.ts';

const VERSION = 3;

/** Lines of one page of entries; the header comes with the first. Ids follow from session and sequence, so that they stay the same. */
export function transcriptLines(
  { id, created_at }: SessionTable,
  entries: readonly Entry[],
  { cwd, begin }: { cwd: string; begin: boolean },
): readonly string[] {
  const header = { type: 'session', version: VERSION, id, timestamp: new Date(created_at).toISOString(), cwd };
  const idOf = (seq: number) => sha256Hex(`${id}/${seq}`).slice(0, 8);
  const lines = entries.map((entry) => ({
    type: 'message',
    id: idOf(entry.seq),
    parentId: entry.seq === 1 ? null : idOf(entry.seq - 1),
    timestamp: new Date(entry.at).toISOString(),
    message: toMessage(entry),
  }));
  return [...(begin ? [header] : []), ...lines].map((line) => JSON.stringify(line));
}
