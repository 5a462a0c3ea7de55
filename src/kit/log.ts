// JSON lines into one file a day, scrubbed at the sink. Created by main/, handed down as a Log.

import { closeSync, constants, openSync, readdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Clock, localDay } from './clock.ts';
import type { Scrub } from './scrub.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  readonly debug: (fields: Fields, message: string) => void;
  readonly info: (fields: Fields, message: string) => void;
  readonly warn: (fields: Fields, message: string) => void;
  readonly error: (fields: Fields, message: string) => void;
  readonly child: (fields: Fields) => Log;
}

export interface DailyLog extends Log {
  /** Path of today's file. */
  readonly file: () => string;
  readonly flush: () => void;
  /** For lines from now on. Children made earlier keep the level they were made with. */
  readonly setLevel: (level: string) => void;
}

interface DailyLogOptions {
  readonly dir: string;
  readonly level: string;
  readonly retentionDays: number;
  readonly scrub: Scrub;
  readonly clock: Clock;
}

const FILE_NAME = /^moltbot-(\d{4}-\d{2}-\d{2})\.log$/;
const FLUSH_AFTER_MS = 50;
const FLUSH_AT_CHARS = 65_536;
const DAY_MS = 86_400_000;

/**
 * Opens `moltbot-YYYY-MM-DD.log` in `dir` (mode 0600, links refused) and moves on at midnight.
 * Files older than `retentionDays` are deleted when a day begins; other files in the folder are left alone.
 * A line that cannot be written (disk full) is dropped: logging never stops the gateway.
 */
export function openDailyLog({ dir, level, retentionDays, scrub, clock }: DailyLogOptions): DailyLog {
  let day = '';
  let fd = -1;
  let held = '';
  let timer: NodeJS.Timeout | undefined;
  const file = () => join(dir, `moltbot-${localDay(clock.now())}.log`);

  const reopen = (today: string) => {
    if (fd !== -1) closeSync(fd);
    fd = openSync(file(), constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    day = today;
    const oldest = localDay(clock.now() - retentionDays * DAY_MS);
    for (const name of readdirSync(dir)) {
      const match = FILE_NAME.exec(name);
      if (match?.[1] && match[1] < oldest) unlinkSync(join(dir, name));
    }
  };

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (held === '') return;
    const text = held;
    held = '';
    try {
      const today = localDay(clock.now());
      if (today !== day) reopen(today);
      writeSync(fd, text);
    } catch {
      day = ''; // the folder went away or the disk is full: try a fresh file with the next line
    }
  };

  const write = (line: string) => {
    held += scrub(line);
    if (held.length > FLUSH_AT_CHARS) flush();
    else timer ??= setTimeout(flush, FLUSH_AFTER_MS).unref();
  };

  const logger = pino(
    {
      level,
      base: undefined,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
  const setLevel = (wanted: string) => {
    logger.level = wanted;
  };
  return { ...asLog(logger), file, flush, setLevel };
}

function asLog(logger: pino.Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => asLog(logger.child(fields)),
  };
}

/** A log that goes nowhere, for tools and tests that have no file. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
