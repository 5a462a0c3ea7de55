// Durations as people write them: 30m, 2h, 1500ms, a plain number in a unit of the caller's choice.

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds, or NaN for what is no duration. A number without a unit is taken in `unit`. */
export function durationMs(written: string, unit: keyof typeof UNITS = 'ms'): number {
  const [, number = '', name = unit] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$/i.exec(written) ?? [];
  return number === '' ? Number.NaN : Number(number) * (UNITS[name.toLowerCase()] ?? Number.NaN);
}
