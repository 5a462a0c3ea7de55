// The end of an incident: what it blocked is proved again, or ready for a worker.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import type { Submission } from '../../domain/proof.ts';
import type { Blocked } from '../../domain/task.ts';
import { method } from '../../ports/method.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { IncidentTable } from '../../ports/tables-plan.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import { resumeFrom } from '../tasks/lease.ts';
import { resubmit } from './merging.ts';
import { requestById } from './rows.ts';

const incidentById = statement<{ workspaceId: string; id: string }>()((db, p) =>
  db.selectFrom('incident').selectAll().where('workspace_id', '=', p.workspaceId).where('id', '=', p.id),
);
const recentIncidents = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('incident').selectAll().where('workspace_id', '=', p.workspaceId).orderBy('opened_at', 'desc').limit(200),
);
const close = statement<{ id: string; now: number }>()((db, p) =>
  db.updateTable('incident').set({ state: 'resolved', resolved_at: p.now }).where('id', '=', p.id),
);
const blockedTasks = statement<{ workspaceId: string }>()((db, p) =>
  db.selectFrom('task').selectAll().where('workspace_id', '=', p.workspaceId).where('state', '=', 'blocked').orderBy('id').limit(5000),
);

export interface Incident {
  readonly id: string;
  readonly subject: string;
  readonly reason: string;
  readonly state: 'open' | 'resolved';
  readonly openedAt: number;
  readonly resolvedAt: number | null;
  /** Names of the tasks that it blocks now. */
  readonly tasks: readonly string[];
}

function* blockedBy(tx: Tx, { workspace_id: workspaceId, id }: IncidentTable): OpSteps<TaskTable[]> {
  return (yield* tx.all(blockedTasks, { workspaceId })).filter(({ blocked }) => blocked !== null && (JSON.parse(blocked) as Blocked).cause === id); // written by incidents
}

function* view(tx: Tx, row: IncidentTable): OpSteps<Incident> {
  const tasks = row.state === 'open' ? (yield* blockedBy(tx, row)).map(({ name }) => name) : [];
  return { id: row.id, subject: row.subject, reason: row.reason, state: row.state, openedAt: row.opened_at, resolvedAt: row.resolved_at, tasks };
}

export const listIncidents = readOp('incidents.list', function* (tx, { workspaceId, all }: { readonly workspaceId: string; readonly all: boolean }): OpSteps<
  Incident[]
> {
  const found: Incident[] = [];
  for (const row of yield* tx.all(recentIncidents, { workspaceId })) if (all || row.state === 'open') found.push(yield* view(tx, row));
  return found;
});

/** @throws Fault `incident.not_found` */
export const resolveIncident = txOp(
  'incidents.resolve',
  function* (
    tx,
    { workspaceId, id, actor }: { readonly workspaceId: string; readonly id: string; readonly actor: string },
  ): OpSteps<{ incident: Incident; resumed: string[] }> {
    const row = yield* tx.one(incidentById, { workspaceId, id });
    if (!row) throw fault('incident.not_found', { id });
    const resumed: string[] = [];
    for (const task of row.state === 'open' ? yield* blockedBy(tx, row) : []) {
      const request = task.request_id === null ? undefined : yield* tx.one(requestById, { id: task.request_id });
      if (request)
        yield* resubmit(tx, task, request, JSON.parse(request.submission) as Submission, `${id} is resolved`); // written by submitTask
      else yield* resumeFrom(tx, task, id, actor);
      resumed.push(task.name);
    }
    if (row.state === 'open') yield* tx.run(close, { id, now: tx.now });
    return { incident: yield* view(tx, (yield* tx.one(incidentById, { workspaceId, id })) ?? row), resumed };
  },
);

const View = z.custom<Incident>();

export const incidentsList = method({
  name: 'incidents.list',
  scope: 'operator.read',
  about: 'What is broken and keeps tasks from being judged: those that are open, or all.',
  input: z.strictObject({ all: z.boolean().default(false) }),
  output: z.object({ incidents: z.array(View) }),
  run: async ({ store, workspaceId }, { all }) => ({ incidents: await store.call(listIncidents, { workspaceId, all }) }),
});

export const incidentsResolve = method({
  name: 'incidents.resolve',
  scope: 'operator.write',
  about: 'Says that something broken is repaired: every task that it blocked is proved again.',
  input: z.strictObject({ id: z.string().min(1) }),
  output: z.object({ incident: View, resumed: z.array(z.string()) }),
  run: ({ store, workspaceId, principal }, { id }) => store.call(resolveIncident, { workspaceId, id, actor: principal.actor }),
});
