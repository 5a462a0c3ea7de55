// Incidents: what is broken and nobody's work. One for each broken thing, with all the tasks that it blocks.

import type { Blocked } from '../../domain/task.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { IncidentTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { noticeOf, takeMessage } from '../inbox/ops.ts';
import { updateTask } from '../tasks/rows.ts';
import { specOf } from './rows.ts';

const insertIncident = statement<IncidentTable>()((db, p) =>
  db.insertInto('incident').values(pick(p, 'id', 'workspace_id', 'subject', 'reason', 'state', 'opened_at', 'resolved_at')),
);
const openAbout = statement<{ workspaceId: string; subject: string }>()((db, p) =>
  db.selectFrom('incident').selectAll().where('workspace_id', '=', p.workspaceId).where('state', '=', 'open').where('subject', '=', p.subject),
);

const RECHECK_MS = 3_600_000;

/** Blocks a task for what is broken, under the incident that is open for its repository or a new one. */
export function* blockForInfra(tx: Tx, task: TaskTable, why: string, actor: string): OpSteps<TaskTable> {
  const subject = `the gateway cannot judge work of ${specOf(task)?.repo ?? task.project}`;
  const workspaceId = task.workspace_id;
  let incident = yield* tx.one(openAbout, { workspaceId, subject });
  if (!incident) {
    incident = { id: tx.newId('inc'), workspace_id: workspaceId, subject, reason: why, state: 'open', opened_at: tx.now, resolved_at: null };
    yield* tx.run(insertIncident, incident);
    const content = {
      incident: incident.id,
      reason: why,
      task: task.name,
      how: `See to it, then: clawdbot incident resolve ${incident.id}. All tasks that it blocks are proved again.`,
    };
    const notice = {
      type: 'escalation',
      subject: `Incident: ${subject}`,
      content,
      box: 'coordinator',
      actor,
      key: `incident:${incident.id}`,
      ackByMs: RECHECK_MS,
    } as const;
    yield* takeMessage(tx, workspaceId, noticeOf(notice));
  }
  const action = `see to it that it can be judged, then resolve ${incident.id}: ${why.slice(0, 300)}`;
  const blocked = { owner: 'coordinator', action, recheckAt: tx.now + RECHECK_MS, cause: incident.id } satisfies Blocked;
  return yield* updateTask(tx, task, { state: 'blocked', blocked: JSON.stringify(blocked) }, actor, why.slice(0, 500));
}
