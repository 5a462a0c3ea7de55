// Arithmetic of cron expressions in a time zone. croner finds the times a pattern names; the changes of clocks are ours:
// a time that is skipped is run at the first instant after it, one that comes twice is run once; what runs every hour or
// every few minutes runs by the clock on the wall in both.

import { Cron } from 'croner';

const HOUR_MS = 3_600_000;
/** No zone's clocks are moved by more. */
const LONGEST_CHANGE_MS = 26 * HOUR_MS;
/** How long times can come twice. */
const TWICE_MS = 3 * HOUR_MS;
const TWICE_MINUTES = 180;
const MOST_KNOWN = 1000;

const patterns = new Map<string, Cron>();
const formats = new Map<string, Intl.DateTimeFormat>();

function remember<T>(known: Map<string, T>, key: string, make: () => T): T {
  const there = known.get(key);
  if (there !== undefined) return there;
  if (known.size >= MOST_KNOWN) known.clear();
  const made = make();
  known.set(key, made);
  return made;
}

function patternOf(expr: string, zone: string): Cron {
  return remember(patterns, `${zone} ${expr}`, () => new Cron(expr, { timezone: zone, paused: true }));
}

/** Whether the pattern runs in every hour. */
function isEveryHour(expr: string): boolean {
  const fields = expr.trim().split(/\s+/);
  return expr.startsWith('@') ? expr === '@hourly' : fields[fields.length - 4] === '*';
}

/** Milliseconds that the clocks of a zone are ahead of UTC. */
function offsetAt(zone: string, at: number): number {
  const format = remember(formats, zone, () => new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }));
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = /GMT([+-])(\d+):(\d+)(?::(\d+))?/.exec(format.format(at)) ?? [];
  return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds));
}

/** The instant at which the clocks show `wall`: the first of two, or the end of the gap that skips it. */
function instantOf(wall: number, zone: string): number {
  let [low, high] = [wall - LONGEST_CHANGE_MS, wall + LONGEST_CHANGE_MS];
  const [before, after] = [offsetAt(zone, low), offsetAt(zone, high)];
  const [first, second] = [wall - Math.max(before, after), wall - Math.min(before, after)];
  for (const at of [first, second]) if (at + offsetAt(zone, at) === wall) return at;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** The first instant after `afterMs`, epoch ms, or null when there is none. @throws Error for a pattern or zone that is none */
export function nextCronInstant(expr: string, zone: string, afterMs: number): number | null {
  if (isEveryHour(expr)) return patternOf(expr, zone).nextRun(new Date(afterMs))?.getTime() ?? null;
  const pattern = patternOf(expr, 'UTC');
  let wall = afterMs + offsetAt(zone, afterMs) - LONGEST_CHANGE_MS;
  for (;;) {
    const next = pattern.nextRun(new Date(wall))?.getTime();
    if (next === undefined) return null;
    const at = instantOf(next, zone);
    if (at > afterMs) return at;
    wall = next;
  }
}

/** The latest instants before `beforeMs`, at most `count`, oldest first. */
export function cronInstantsBefore(expr: string, zone: string, beforeMs: number, count: number): number[] {
  const every = isEveryHour(expr);
  const from = every ? beforeMs : beforeMs + offsetAt(zone, beforeMs) + TWICE_MS;
  const runs = patternOf(expr, every ? zone : 'UTC').previousRuns(every ? count : count + TWICE_MINUTES, new Date(from));
  const instants = runs.map((run) => (every ? run.getTime() : instantOf(run.getTime(), zone))).filter((at) => at < beforeMs);
  return [...new Set(instants)].sort((a, b) => a - b).slice(-count);
}

/** @throws Error that says what is wrong with the expression or the zone */
export function checkCronExpression(expr: string, zone: string): void {
  const parts = expr.trim().split(/\s+/).length;
  if (!expr.trim().startsWith('@') && parts !== 5 && parts !== 6)
    throw new TypeError(`CronPattern: invalid configuration format ('${expr}'), exactly five or six space separated parts are required.`);
  if (nextCronInstant(expr, zone, 0) === null) throw new TypeError(`CronPattern: '${expr}' never comes`);
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false; // the caller says which name it was
  }
}

let zoneHere: string | undefined;

/** The zone of this machine. */
export function localZone(): string {
  zoneHere ??= new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zoneHere;
}

const texts = new Map<string, Intl.DateTimeFormat>();

function textIn(zone: string, atMs: number): string {
  return remember(texts, zone, () => new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })).format(atMs);
}

/** `18:00`. */
export function timeOfDay(atMs: number, zone: string): string {
  return textIn(zone, atMs).slice(-5);
}

/** `2026-11-24 18:00 Europe/London`. */
export function localTime(atMs: number, zone: string): string {
  return `${textIn(zone, atMs)} ${zone}`;
}
