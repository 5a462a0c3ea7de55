// Alerts: what is found to be wrong is told once, to the owner, and so is its end.

import type { Address } from '../../domain/channel.ts';
import type { Degraded, Finding, Severity } from '../../domain/checks.ts';
import { type OpSteps, pick, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { AlertTable } from '../../ports/tables-channels.ts';
import { putOutbox } from '../channels/outbox.ts';
import { noticeOf, takeMessage } from '../inbox/ops.ts';
import { readSetting, writeSetting } from '../settings/ops.ts';

const openAlerts = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('alert').selectAll().where('workspace_id', '=', p.workspaceId).where('resolved_at', 'is', null).orderBy('opened_at'),
);
const latestAlerts = statement<{ workspaceId: string; limit: number }>()((db, p) =>
  db.selectFrom('alert').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('opened_at', 'desc').limit(p.limit),
);
const insertAlert = statement<AlertTable>()((db, p) =>
  db
    .insertInto('alert')
    .values(pick(p, 'id', 'workspace_id', 'check_id', 'severity', 'evidence', 'fix', 'opened_at', 'told_at', 'told_severity', 'resolved_at')),
);
const updateAlert = statement<Pick<AlertTable, 'id' | 'severity' | 'evidence' | 'fix' | 'told_at' | 'told_severity' | 'resolved_at'>>()((db, p) =>
  db
    .updateTable('alert')
    .set({ severity: p.severity, evidence: p.evidence, fix: p.fix, told_at: p.told_at, told_severity: p.told_severity, resolved_at: p.resolved_at })
    .where('id', '=', p.id),
);

/** What passes within this time is nobody's business; what is critical is told at once. */
const TOLD_AFTER_MS = 20_000;
const REMINDED_AFTER_MS = 86_400_000;

interface Settling {
  readonly workspaceId: string;
  readonly findings: readonly Finding[];
  readonly degraded: Degraded;
  /** Where alerts go in a channel; null where none is up. */
  readonly home: Address | null;
  readonly ownerBox: string;
}

/** Compares what was found with what is open: opens, tells, resolves. Answers how many notices went out. */
export const settleAlerts = txOp('health.settleAlerts', function* (tx, { workspaceId, findings, degraded, home, ownerBox }: Settling): OpSteps<number> {
  const open = new Map((yield* tx.all(openAlerts, { workspaceId })).map((row) => [row.check_id, row]));
  const tell = (subject: string, text: string, key: string, isUrgent: boolean) => notify(tx, { workspaceId, home, ownerBox, subject, text, key, isUrgent });
  let told = 0;
  for (const { id, severity, evidence, fix } of findings) {
    if (severity === 'info') open.delete(id); // better, and not well yet: what was told is not over
    if (severity !== 'warning' && severity !== 'critical') continue;
    const before = open.get(id);
    open.delete(id);
    const row: AlertTable = before
      ? { ...before, severity, evidence, fix }
      : {
          id: tx.newId('alert'),
          workspace_id: workspaceId,
          check_id: id,
          severity,
          evidence,
          fix,
          opened_at: tx.now,
          told_at: null,
          told_severity: null,
          resolved_at: null,
        };
    if (!before) yield* tx.run(insertAlert, row);
    if (isDue(row, tx.now)) {
      const again = row.told_at === null ? '' : ' (still)';
      yield* tell(
        `${severity}: ${id}${again}`,
        `:rotating_light: **${severity}: ${id}**${again}\n${evidence}\nWhat to do: ${fix}`,
        `alert:${row.id}:${severity}:${tx.now}`,
        severity === 'critical',
      );
      row.told_at = tx.now;
      row.told_severity = severity;
      told += 1;
    }
    yield* tx.run(updateAlert, row);
  }
  for (const row of open.values()) {
    yield* tx.run(updateAlert, { ...row, resolved_at: tx.now });
    if (row.told_at === null) continue;
    const minutes = Math.max(1, Math.round((tx.now - row.opened_at) / 60_000));
    yield* tell(`over: ${row.check_id}`, `:white_check_mark: **over: ${row.check_id}**, after ${minutes} min`, `alert:${row.id}:over`, false);
    told += 1;
  }
  if (JSON.stringify(yield* readSetting(tx, { workspaceId, name: 'degraded' })) !== JSON.stringify(degraded))
    yield* writeSetting(tx, { workspaceId, name: 'degraded', value: degraded, actor: 'gateway' });
  return told;
});

function isDue({ severity, told_at, told_severity, opened_at }: AlertTable, now: number): boolean {
  if (told_at === null) return severity === 'critical' || now - opened_at >= TOLD_AFTER_MS;
  return (severity === 'critical' && told_severity !== 'critical') || now - told_at >= REMINDED_AFTER_MS;
}

interface Notice {
  readonly workspaceId: string;
  readonly home: Address | null;
  readonly ownerBox: string;
  readonly subject: string;
  readonly text: string;
  readonly key: string;
  readonly isUrgent: boolean;
}

/** To the owner's conversation, or into his inbox where no channel is up. */
function* notify(tx: Tx, { workspaceId, home, ownerBox, subject, text, key, isUrgent }: Notice): OpSteps<void> {
  if (home) {
    yield* putOutbox(tx, { workspaceId, to: home, body: { kind: 'text', text }, intent: key, actor: 'gateway' });
    return;
  }
  const message = noticeOf({ box: ownerBox, actor: 'gateway', type: 'alert', subject, content: text, key, priority: isUrgent ? 0 : 1 });
  yield* takeMessage(tx, workspaceId, message);
}

export interface AlertView {
  readonly id: string;
  readonly check: string;
  readonly severity: Severity;
  readonly evidence: string;
  readonly fix: string;
  readonly openedAt: number;
  readonly toldAt: number | null;
  readonly resolvedAt: number | null;
}

export const listAlerts = readOp('health.alerts', function* (tx, args: { workspaceId: string; limit: number }): OpSteps<AlertView[]> {
  return (yield* tx.all(latestAlerts, args)).map(({ id, check_id, severity, evidence, fix, opened_at, told_at, resolved_at }) => ({
    ...{ id, check: check_id, severity: severity as Severity, evidence, fix }, // written by settleAlerts
    ...{ openedAt: opened_at, toldAt: told_at, resolvedAt: resolved_at },
  }));
});
