// Writes sessions and transcripts as the files the original's own commands read. Files of others in the same folder stay.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { agentIds, workspaceOf } from '../../domain/config.ts';
import { WORKSPACE_ID } from '../../domain/workspace.ts';
import { listSessions, readEntries } from '../../features/sessions/ops.ts';
import { transcriptLines } from '../../features/sessions/transcript-file.ts';
import { sessionEntry } from '../../features/sessions/views.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import type { Store } from '../../ports/store.ts';
import type { SessionTable } from '../../ports/tables.ts';
import { type Environment, expandHome } from '../environment.ts';
import { CannotRun } from '../state.ts';
import { configOf } from './facts.ts';
import { openReader } from './reader.ts';

const ALL = 1_000_000;

/** One folder per agent, `agents/<id>/sessions/` of the state or of `out`. Answers how many entries of others were kept. */
export async function exportSessions(environment: Environment, out: string | undefined): Promise<{ dir: string; sessions: number; kept: number }> {
  const { stateDir, home } = environment;
  const config = configOf(environment);
  const store = await openReader(stateDir, config);
  if (!store) throw new CannotRun(`there are no sessions to export: ${stateDir} holds no store`);
  const base = out === undefined ? join(stateDir, 'agents') : resolve(out, 'agents');
  let kept = 0;
  let count = 0;
  try {
    const { rows } = await store.call(listSessions, { workspaceId: WORKSPACE_ID, since: 0, limit: ALL });
    for (const agentId of new Set([...agentIds(config), ...rows.map((row) => row.agent_id)])) {
      const own = rows.filter((row) => row.agent_id === agentId);
      if (own.length === 0) continue;
      const dir = join(base, agentId, 'sessions');
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const cwd = resolve(expandHome(workspaceOf(config, agentId), home));
      for (const row of own) writeWhole(join(dir, `${row.id}.jsonl`), await transcriptOf(store, row, cwd));
      const written = Object.fromEntries(own.map((row) => [row.key, { ...sessionEntry(row, config), sessionFile: join(dir, `${row.id}.jsonl`) }]));
      const others = foreignEntries(join(dir, 'sessions.json'));
      kept += Object.keys(others).filter((key) => !(key in written)).length;
      count += own.length;
      writeWhole(join(dir, 'sessions.json'), `${JSON.stringify({ ...others, ...written }, null, 2)}\n`);
    }
  } finally {
    await store.close();
  }
  return { dir: base, sessions: count, kept };
}

async function transcriptOf(store: Store, row: SessionTable, cwd: string): Promise<string> {
  const lines: string[] = [];
  for (let after = 0; ; ) {
    const page = await store.call(readEntries, { sessionId: row.id, after });
    lines.push(...transcriptLines(row, page, { cwd, begin: after === 0 }));
    after = page.at(-1)?.seq ?? after;
    if (page.length === 0) return `${lines.join('\n')}\n`;
  }
}

/** Entries of a file that is there already; the first time the file is kept beside. */
function foreignEntries(path: string): Readonly<Record<string, unknown>> {
  if (!existsSync(path)) return {};
  const first = `${path}.before-export`;
  if (!existsSync(first)) copyFileSync(path, first);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>; // keys are kept as they are
  } catch {
    throw new CannotRun(`${path} is not JSON, so its sessions cannot be kept. Move it away, or export elsewhere with --out`);
  }
}
