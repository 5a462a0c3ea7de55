// Whether the log is whole, and what stands in the tables of proof is what the log says of them: shows who has written past the gateway.

import { z } from 'zod';
import type { EventBody } from '../../domain/event.ts';
import type { TaskState } from '../../domain/task.ts';
import { method } from '../../ports/method.ts';
import { type OpSteps, readOp, statement } from '../../ports/store.ts';
import { chainHash } from '../events/ops.ts';
import { evidenceDigest, verdictDigest } from './rows.ts';

const EVENTS_AT_ONCE = 2000;
const TASKS_AT_ONCE = 50;

const sealedAfter = statement<{ after: number; limit: number }>()((db, p) =>
  db.selectFrom('event').selectAll().where('sealed_seq', '>', p.after).orderBy('sealed_seq').limit(p.limit),
);

export interface Link {
  /** Of the last event that was looked at. */
  readonly seq: number;
  readonly hash: string;
  readonly count: number;
  /** The first event that is not what was sealed. */
  readonly broken: number | null;
}

/** The next links of the chain. Where the first events are no longer kept, it begins with the oldest that is. */
export const auditChain = readOp('log.chain', function* (tx, { after, hash }: { readonly after: number; readonly hash: string | null }): OpSteps<Link> {
  let [seq, last] = [after, hash];
  let count = 0;
  for (const row of yield* tx.all(sealedAfter, { after, limit: EVENTS_AT_ONCE })) {
    const at = Number(row.sealed_seq);
    const isAnchor = last === null && at !== 1;
    if (!isAnchor && (at !== seq + 1 || chainHash(last ?? '', row) !== row.hash)) return { seq: at, hash: row.hash ?? '', count, broken: at };
    [seq, last] = [at, row.hash ?? ''];
    count += 1;
  }
  return { seq, hash: last ?? '', count, broken: null };
});

const tasksAfter = statement<{ workspaceId: string; after: string; limit: number }>()((db, p) =>
  db
    .selectFrom('task')
    .select(['id', 'name', 'project', 'state'])
    .where('workspace_id', '=', p.workspaceId)
    .where('id', '>', p.after)
    .orderBy('id')
    .limit(p.limit),
);
const eventsOf = statement<{ workspaceId: string; stream: string }>()((db, p) =>
  db.selectFrom('event').select(['body']).where('workspace_id', '=', p.workspaceId).where('stream', '=', p.stream).orderBy('seq'),
);
const evidenceIn = statement<{ taskId: string }>()((db, p) => db.selectFrom('evidence').selectAll().where('task_id', '=', p.taskId));
const verdictsIn = statement<{ taskId: string }>()((db, p) => db.selectFrom('verdict').selectAll().where('task_id', '=', p.taskId));

export interface Audited {
  readonly last: string | null;
  readonly tasks: number;
  readonly records: number;
  readonly problems: readonly string[];
}

/** The next tasks: their state, evidence and verdicts against their streams. */
export const auditTasks = readOp(
  'log.tasks',
  function* (tx, { workspaceId, after }: { readonly workspaceId: string; readonly after: string }): OpSteps<Audited> {
    const problems: string[] = [];
    const tasks = yield* tx.all(tasksAfter, { workspaceId, after, limit: TASKS_AT_ONCE });
    let records = 0;
    for (const { id, name, project, state } of tasks) {
      const bodies = (yield* tx.all(eventsOf, { workspaceId, stream: `task:${id}` })).map(({ body }) => JSON.parse(body) as EventBody); // written by appendEvent
      const said = bodies.reduce<TaskState | null>((last, body) => (body.kind === 'task' ? body.state : last), null);
      const of = `${name} (${project})`;
      if (said !== null && said !== state) problems.push(`${of} is ${state} in its table, and the log says ${said}`);
      const sealed = new Map(bodies.flatMap((body) => (body.kind === 'proof.recorded' ? [[body.id, body.digest]] : [])));
      const rows = [
        ...(yield* tx.all(evidenceIn, { taskId: id })).map((row) => ({ what: `evidence ${row.kind}`, id: row.id, digest: evidenceDigest(row) })),
        ...(yield* tx.all(verdictsIn, { taskId: id })).map((row) => ({ what: `the verdict of layer ${row.layer}`, id: row.id, digest: verdictDigest(row) })),
      ];
      for (const row of rows) {
        records += 1;
        const expected = sealed.get(row.id);
        sealed.delete(row.id);
        if (expected === undefined) problems.push(`${of}: ${row.what} (${row.id}) stands in its table, and the gateway never wrote it`);
        else if (expected !== row.digest) problems.push(`${of}: ${row.what} (${row.id}) was changed after the gateway wrote it`);
      }
      for (const missing of sealed.keys()) problems.push(`${of}: ${missing} is gone from its table`);
    }
    return { last: tasks.at(-1)?.id ?? null, tasks: tasks.length, records, problems };
  },
);

export const logVerify = method({
  name: 'log.verify',
  scope: 'operator.read',
  about: 'Looks whether the chain of events is whole, and whether tasks, evidence and verdicts are what the log says of them.',
  input: z.strictObject({}),
  output: z.object({
    ok: z.boolean(),
    events: z.number(),
    brokenAt: z.number().nullable(),
    tasks: z.number(),
    records: z.number(),
    problems: z.array(z.string()),
  }),
  run: async ({ store, workspaceId }) => {
    let [after, events, brokenAt]: [number, number, number | null] = [0, 0, null];
    let hash: string | null = null;
    for (;;) {
      const link: Link = await store.call(auditChain, { after, hash });
      [after, hash] = [link.seq, link.hash];
      events += link.count;
      brokenAt = link.broken;
      if (brokenAt !== null || link.count < EVENTS_AT_ONCE) break;
    }
    const problems: string[] = [];
    let [tasks, records] = [0, 0];
    for (let last = ''; ; ) {
      const audited: Audited = await store.call(auditTasks, { workspaceId, after: last });
      problems.push(...audited.problems);
      tasks += audited.tasks;
      records += audited.records;
      if (audited.last === null) break;
      last = audited.last;
    }
    return { ok: brokenAt === null && problems.length === 0, events, brokenAt, tasks, records, problems };
  },
});
