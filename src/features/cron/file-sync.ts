// cron/jobs.json is a view of the jobs and a door for hand edits. What an edit means, and what the next text of the file is.

import { isDeepStrictEqual } from 'node:util';
import { parseJson } from '../../kit/json.ts';
import { jobEntry } from './methods.ts';
import type { JobView } from './rows.ts';

export interface JobsFile {
  readonly jobs: readonly unknown[];
  readonly [field: string]: unknown;
}
type Entry = Readonly<Record<string, unknown>>;

/** Jobs that were written without an id are given one. @throws SyntaxError, or Error when it is JSON but no list of jobs */
export function parseJobsFile(text: string, newId: () => string): JobsFile {
  const parsed: unknown = parseJson(text);
  if (parsed === null || typeof parsed !== 'object' || !('jobs' in parsed) || !Array.isArray(parsed.jobs)) throw new Error('it holds no list "jobs"');
  const file = parsed as JobsFile; // checked above
  return { ...file, jobs: file.jobs.map((entry) => (isEntry(entry) && idOf(entry) === undefined ? { id: newId(), ...entry } : entry)) };
}

const isEntry = (entry: unknown): entry is Entry => entry !== null && typeof entry === 'object' && !Array.isArray(entry);
const idOf = (entry: unknown): string | undefined => (isEntry(entry) && typeof entry['id'] === 'string' && entry['id'] !== '' ? entry['id'] : undefined);
/** What an owner may write: without what the gateway keeps in the file. */
const written = ({ state: _state, updatedAtMs: _updated, createdAtMs: _created, ...own }: Entry): Entry => own;

/** The text that file and jobs agreed on, and the jobs that stood in it. */
export interface Agreed {
  readonly ids: readonly string[];
  readonly text: string | undefined;
}

/** One that is not there or broken agrees on nothing: then nothing counts as taken out. */
export function parseAgreed(text: string | undefined): Agreed {
  try {
    const { ids, text: agreed } = JSON.parse(text ?? '{}') as Partial<Agreed>; // looked at below
    if (Array.isArray(ids) && typeof agreed === 'string') return { ids, text: agreed };
  } catch {
    // as if there were none
  }
  return { ids: [], text: undefined };
}

export interface Edit {
  readonly put: readonly Entry[];
  /** Ids of jobs that were taken out of the file. */
  readonly removed: readonly string[];
}

/**
 * What a hand did to the file since it was last in step with the jobs. A job that stands in no `before` is not missed:
 * a file that was never ours removes nothing.
 */
export function editsIn(file: JobsFile, jobs: readonly JobView[], before: ReadonlySet<string>): Edit {
  const known = new Map(jobs.map((job) => [job.id, job]));
  const listed = new Set(file.jobs.map(idOf));
  const put = file.jobs.filter(isEntry).filter((entry) => {
    const job = known.get(idOf(entry) ?? '');
    return !job || !isDeepStrictEqual(written(entry), written(JSON.parse(JSON.stringify(jobEntry(job))) as Entry));
  });
  return { put, removed: jobs.map(({ id }) => id).filter((id) => before.has(id) && !listed.has(id)) };
}

/** The file's next text: the jobs of now in their places, and everything else as it was, jobs that could not be read among it. */
export function renderJobsFile(file: JobsFile, jobs: readonly JobView[], gone: ReadonlySet<string>): string {
  const entries = new Map(jobs.map((job) => [job.id, jobEntry(job)]));
  const kept = file.jobs.flatMap((entry) => {
    const id = idOf(entry);
    const own = id === undefined ? undefined : entries.get(id);
    if (own && id !== undefined) entries.delete(id);
    return own ?? (id !== undefined && gone.has(id) ? [] : entry);
  });
  return `${JSON.stringify({ ...file, version: file['version'] ?? 1, jobs: [...kept, ...entries.values()] }, null, 2)}\n`;
}
