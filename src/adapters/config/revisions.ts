// Every good state of the configuration file, kept beside the state: who wrote it, when, what it changed.

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../kit/write-whole.ts';
import type { ConfigRevision } from '../../ports/config-file.ts';
import { readText } from './read.ts';

const KEPT = 20;
const JOURNAL_LINES = 400;
const Line = z.object({ id: z.string(), at: z.number(), actor: z.string(), hash: z.string(), changed: z.array(z.string()), note: z.string().optional() });

const folder = (stateDir: string) => join(stateDir, 'config', 'revisions');
const journal = (stateDir: string) => join(folder(stateDir), 'journal.jsonl');
const textPath = (stateDir: string, id: string) => join(folder(stateDir), `${id}.json5`);

/** Oldest first; only those whose text is still there. Lines that cannot be read are passed over. */
export function listRevisions(stateDir: string): readonly ConfigRevision[] {
  return journalLines(stateDir).filter(({ id }) => existsSync(textPath(stateDir, id)));
}

function journalLines(stateDir: string): ConfigRevision[] {
  if (!existsSync(journal(stateDir))) return [];
  return readFileSync(journal(stateDir), 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        const { note, ...rest } = Line.parse(JSON.parse(line));
        return [{ ...rest, ...(note !== undefined && { note }) }];
      } catch {
        return []; // a line cut short by a crash, or the empty one at the end
      }
    });
}

export function revisionText(stateDir: string, id: string): string | undefined {
  return /^[a-z0-9-]+$/.test(id) ? readText(textPath(stateDir, id)) : undefined;
}

/** Keeps a good state. The same state twice in a row is one revision. */
export function keepRevision(stateDir: string, raw: string, facts: Omit<ConfigRevision, 'id'>): ConfigRevision {
  mkdirSync(folder(stateDir), { recursive: true, mode: 0o700 });
  const before = listRevisions(stateDir);
  const newest = before.at(-1);
  if (newest?.hash === facts.hash) return newest;
  const revision = { id: `${facts.at.toString(36)}-${facts.hash.slice(0, 8)}`, ...facts };
  writeWhole(textPath(stateDir, revision.id), raw);
  appendFileSync(journal(stateDir), `${JSON.stringify(revision)}\n`, { mode: 0o600 });
  for (const { id } of before.slice(0, Math.max(0, before.length + 1 - KEPT))) if (id !== revision.id) rmSync(textPath(stateDir, id), { force: true });
  const lines = journalLines(stateDir);
  if (lines.length > 2 * JOURNAL_LINES)
    writeWhole(
      journal(stateDir),
      lines
        .slice(-JOURNAL_LINES)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );
  return revision;
}
