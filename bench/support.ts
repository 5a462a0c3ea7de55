// What the benches share: an installation of the bundle, percentiles, tables.

import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScenarioFile } from '../src/adapters/models/simulator/scenario.ts';
import { createInstallation, type Installation } from '../test/support/installation.ts';

export type Row = readonly (string | number)[];

export function table(title: string, head: readonly string[], rows: readonly Row[]): void {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? String(Number(cell.toFixed(cell < 10 ? 2 : 0))) : cell)))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  process.stdout.write(`\n${title}\n${cells.map(line).join('\n')}\n`);
}

/** The value below which the share `p` of the samples lies. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

/** Milliseconds of each of `count` calls, one after another. */
export async function timeEach(count: number, action: (i: number) => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const since = performance.now();
    await action(i);
    samples.push(performance.now() - since);
  }
  return samples;
}

export const QUICK_ANSWER: ScenarioFile = { name: 'bench', rules: [{ text: 'A short answer, as a model without any delay would give it.' }] };

/** Runs with a fresh installation of the bundle on this machine's disk, removed afterwards. */
export async function withInstallation<T>(
  options: { readonly scenario?: ScenarioFile; readonly maxConcurrent?: number; readonly config?: Readonly<Record<string, unknown>> },
  use: (installation: Installation) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'clawdbot-bench-'));
  const installation = await createInstallation({
    dir,
    scenario: options.scenario ?? QUICK_ANSWER,
    config: { agents: { defaults: { maxConcurrent: options.maxConcurrent ?? 64 } }, logging: { level: 'info' }, ...options.config },
  });
  try {
    return await use(installation);
  } finally {
    await installation.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Proportional set size of a process and everything it started, in MB. */
export function pssOfTree(pid: number): number {
  const own = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  return children.reduce((sum, child) => sum + pssOfTree(child), own);
}

/** CPU seconds that a process and everything it started have used. */
export function cpuOfTree(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const own = (Number(fields[11]) + Number(fields[12])) / 100;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  return children.reduce((sum, child) => sum + cpuOfTree(child), own);
}

/** How fast this disk confirms a write of 4 kB. */
export function printDisk(): void {
  const path = join(mkdtempSync(join(tmpdir(), 'clawdbot-disk-')), 'probe');
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  const samples: number[] = [];
  for (let i = 0; i < 200; i++) {
    const since = performance.now();
    writeSync(fd, block);
    fdatasyncSync(fd);
    samples.push(performance.now() - since);
  }
  closeSync(fd);
  rmSync(join(path, '..'), { recursive: true });
  table('disk: write 4 kB + fdatasync', ['', 'p50 ms', 'p99 ms'], [[tmpdir(), percentile(samples, 0.5), percentile(samples, 0.99)]]);
}
