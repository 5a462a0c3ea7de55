// Text for people: ages, tables, lines that name what they say.

const MINUTE_MS = 60_000;

export function span(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.max(0, Math.round(ms / 1000))}s`;
  return ms < 60 * MINUTE_MS ? `${Math.round(ms / MINUTE_MS)}m` : `${Math.round(ms / (60 * MINUTE_MS))}h`;
}

export function age(ms: number): string {
  return `${span(ms)} ago`;
}

/** Columns as wide as their widest cell; the head is left out when it is empty. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = head.length > 0 ? [head, ...rows] : rows;
  const widths = (all[0] ?? []).map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all.map((row) => `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ')}\n`).join('');
}
