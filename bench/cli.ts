// Wall time of commands, bundled, against a running gateway: with 50 sessions, and with 10,000 and 1 GB of transcripts.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Installation } from '../test/support/installation.ts';
import { connectClient } from '../test/support/installation.ts';
import { percentile, type Row, table, timeEach, withInstallation } from './support.ts';

const COMMANDS = [
  ['--version'],
  ['--help'],
  ['health', '--json'],
  ['sessions', '--json'],
  ['status', '--json'],
  ['config', 'get', 'gateway.port'],
  ['devices', 'list', '--json'],
];
const SESSIONS = 10_000;
const ENTRIES = 100;
const ENTRY_CHARS = 1000;

export async function cli(): Promise<void> {
  await withInstallation({}, async (installation) => {
    const gateway = await installation.start();
    const client = await connectClient(gateway.port);
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => client.call('agent', { message: 'hi', sessionKey: `s${n}`, idempotencyKey: `k${n}` }, { expectFinal: true })),
    );
    client.close();
    table('command line, 50 sessions', ['', 'p50 ms', 'max ms'], await measure(installation));
    gateway.child.kill('SIGTERM');
    await gateway.exited;
    const path = join(installation.stateDir, 'gateway.sqlite');
    fill(path);
    await installation.start();
    table(`command line, ${SESSIONS} sessions, ${(statSync(path).size / 1e9).toFixed(2)} GB`, ['', 'p50 ms', 'max ms'], await measure(installation));
  });
}

async function measure(installation: Installation): Promise<Row[]> {
  const rows: Row[] = [];
  for (const args of COMMANDS) {
    const samples = await timeEach(12, () => installation.cli(args));
    rows.push([args.join(' '), percentile(samples, 0.5), Math.max(...samples)]);
  }
  return rows;
}

/** Copies a session with its transcript until the store is large: written straight into the file, while nobody has it open. */
function fill(path: string): void {
  const db = new Database(path);
  db.pragma('synchronous = OFF');
  const text = JSON.stringify({ kind: 'user', text: 'x'.repeat(ENTRY_CHARS) });
  const [first] = db.prepare('SELECT * FROM session LIMIT 1').all() as Record<string, unknown>[];
  const columns = Object.keys(first ?? {});
  const insertSession = db.prepare(`INSERT INTO session (${columns.join(',')}) VALUES (${columns.map((name) => `@${name}`).join(',')})`);
  const insertEntry = db.prepare("INSERT INTO entry (session_id, seq, workspace_id, run_id, kind, body, at) VALUES (?, ?, ?, NULL, 'user', ?, ?)");
  db.transaction(() => {
    for (let n = 0; n < SESSIONS; n++) {
      const id = `sess_fill${n}`;
      insertSession.run({ ...first, id, key: `agent:main:fill${n}`, label: null, last_seq: ENTRIES, updated_at: Number(first?.['updated_at']) - n });
      for (let seq = 1; seq <= ENTRIES; seq++) insertEntry.run(id, seq, first?.['workspace_id'], text, n);
    }
  })();
  db.close();
}
