// Keeps cron/jobs.json and the jobs in step: imports it at the first start, reads hand edits, writes the view, keeps a broken file aside.

import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../domain/config.ts';
import { normaliseJob } from '../domain/cron.ts';
import { type Agreed, editsIn, type JobsFile, parseAgreed, parseJobsFile, renderJobsFile } from '../features/cron/file-sync.ts';
import { readJob } from '../features/cron/methods.ts';
import { listCronJobs, putCronJob, removeCronJob } from '../features/cron/ops.ts';
import type { Clock } from '../kit/clock.ts';
import { errorCode, isFault, messageOf } from '../kit/fault.ts';
import { newUuid } from '../kit/id.ts';
import type { Log } from '../kit/log.ts';
import { startLoop } from '../kit/loop.ts';
import { watchFile } from '../kit/watch-file.ts';
import { writeWhole } from '../kit/write-whole.ts';
import type { Store } from '../ports/store.ts';

interface CronDoorOptions {
  readonly workspaceId: string;
  readonly stateDir: string;
  readonly store: Store;
  readonly config: () => Config;
  readonly clock: Clock;
  readonly log: Log;
}

const EMPTY: JobsFile = { version: 1, jobs: [] };
const LOOK_EVERY_MS = 30_000;
const BETWEEN_WRITES_MS = 250;
const ACTOR = 'file:cron/jobs.json';

export type CronDoor = ReturnType<typeof openCronDoor>;

export function openCronDoor({ workspaceId, stateDir, store, config, clock, log }: CronDoorOptions) {
  const path = join(stateDir, 'cron', 'jobs.json');
  mkdirSync(join(stateDir, 'cron'), { recursive: true, mode: 0o700 });
  const read = (): string | undefined => readIfThere(path);
  /** What both sides agreed on last, kept beside: what differs from it was written by a hand, what does not is only older than the jobs. */
  const agreedPath = join(stateDir, 'cron', '.jobs-agreed.json');
  let agreed: Agreed = parseAgreed(readIfThere(agreedPath));

  const takeEdits = async (file: JobsFile): Promise<void> => {
    const before = new Set(agreed.ids);
    const jobs = await store.call(listCronJobs, { workspaceId });
    const { put, removed } = editsIn(file, jobs, before);
    for (const entry of put) await takeJob(entry, before.size === 0);
    for (const name of removed) await store.call(removeCronJob, { workspaceId, name, actor: ACTOR });
    if (put.length + removed.length > 0) log.info({ put: put.length, removed: removed.length }, 'cron/jobs.json was edited; the jobs follow it');
  };

  /** A job that cannot run stays in the file as it is, and is said. */
  const takeJob = async (entry: Readonly<Record<string, unknown>>, isImport: boolean): Promise<void> => {
    const id = String(entry['id']);
    const { lastRunAtMs } = (entry['state'] ?? {}) as { lastRunAtMs?: unknown }; // only a number is taken
    const cursor = isImport && typeof lastRunAtMs === 'number' ? lastRunAtMs : undefined;
    try {
      const spec = readJob(normaliseJob(entry), config(), clock.now());
      const createdAt = typeof entry['createdAtMs'] === 'number' ? entry['createdAtMs'] : undefined;
      await store.call(putCronJob, { workspaceId, actor: ACTOR, id, spec, restart: false, cursor, createdAt });
    } catch (error) {
      if (!isFault(error)) throw error;
      log.warn({ job: entry['name'] ?? id, problem: error.message }, 'a job in cron/jobs.json cannot be taken; it stays in the file');
    }
  };

  const step = async (): Promise<undefined> => {
    let text = read();
    let file = EMPTY;
    if (text !== undefined) {
      try {
        file = parseJobsFile(text, newUuid);
        if (agreed.text === undefined && !existsSync(agreedPath)) keepFirst(stateDir, text, clock.now());
        if (text !== agreed.text) await takeEdits(file);
      } catch (error) {
        if (isFault(error)) throw error;
        const aside = `${path}.broken-${clock.now()}`;
        renameSync(path, aside);
        log.error({ kept: aside, problem: messageOf(error) }, 'cron/jobs.json cannot be read; it is kept aside, and the jobs stay as they were');
        text = undefined;
      }
    }
    const jobs = await store.call(listCronJobs, { workspaceId });
    if (text === undefined && jobs.length === 0) return;
    const ids = jobs.map(({ id }) => id);
    const gone = agreed.ids.filter((id) => !ids.includes(id));
    const next = renderJobsFile(file, jobs, new Set(gone));
    if (read() !== text) return loop.poke() as undefined; // edited meanwhile: that goes first
    if (next !== text) writeWhole(path, next);
    if (next === agreed.text) return;
    agreed = { ids, text: next };
    writeWhole(agreedPath, JSON.stringify(agreed)); // after the file: a job that is agreed on but does not stand in it would count as taken out by hand
    await clock.sleep(BETWEEN_WRITES_MS); // many jobs may end at once
  };
  const loop = startLoop({ name: 'cron-file', everyMs: LOOK_EVERY_MS, run: step, clock, log });
  const watch = watchFile({ path, look: loop.poke });
  return {
    poke: loop.poke,
    stop: async () => {
      watch.close();
      await loop.stop();
    },
  };
}

/** The file as it was before the gateway wrote into it for the first time. */
function keepFirst(stateDir: string, text: string, now: number): void {
  writeWhole(join(stateDir, 'imported', new Date(now).toISOString().replace(/[:.]/g, '-'), 'cron', 'jobs.json'), text);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
