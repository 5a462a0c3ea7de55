// What runs wait for, and their going on when it is settled. A waiting run holds its session and no slot.

import { RESUMED_TAG } from '../../domain/lane.ts';
import type { Wait } from '../../domain/wait.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { appendEvent } from '../events/ops.ts';

const insertWait = statement<{ runId: string; target: string; workspaceId: string }>()((db, p) =>
  db
    .insertInto('wait_on')
    .values({ run_id: p.runId, target: p.target, workspace_id: p.workspaceId })
    .onConflict((clash) => clash.doNothing()),
);
const deleteWaits = statement<{ runId: string }>()((db, p) => db.deleteFrom('wait_on').where('run_id', '=', p.runId));
const deleteTarget = statement<{ target: string }>()((db, p) => db.deleteFrom('wait_on').where('target', '=', p.target));
const waitersOf = statement<{ target: string }>()((db, p) =>
  db
    .selectFrom('wait_on')
    .innerJoin('run', 'run.id', 'wait_on.run_id')
    .select(['run.id', 'run.wait', 'run.workspace_id', 'run.session_key', 'run.client_key'])
    .where('wait_on.target', '=', p.target)
    .where('run.state', '=', 'waiting'),
);
const anyLeft = statement<{ runId: string }>()((db, p) => db.selectFrom('wait_on').select('target').where('run_id', '=', p.runId).limit(1));
/** The time it stood still is not counted against its deadline. */
const goOn = statement<{ id: string; now: number; tag: number }>()((db, p) =>
  db
    .updateTable('run')
    .set((row) => ({
      state: 'queued' as const,
      fair_tag: p.tag,
      not_before: p.now,
      deadline_at: row('deadline_at', '+', row.eb(row.val(p.now), '-', row.ref('wait_since'))),
      wait_since: null,
      wait_until: null,
    }))
    .where('id', '=', p.id)
    .where('state', '=', 'waiting'),
);

interface Waiter {
  readonly id: string;
  readonly workspace_id: string;
  readonly session_key: string | null;
  readonly client_key: string;
}

const waitingRuns = statement<{ target: string }>()((db, p) =>
  db
    .selectFrom('wait_on')
    .innerJoin('run', 'run.id', 'wait_on.run_id')
    .selectAll('run')
    .where('wait_on.target', '=', p.target)
    .where('run.state', '=', 'waiting'),
);

/** The runs that wait for something. */
export function* waitersOn(tx: Tx, target: string): OpSteps<RunTable[]> {
  return yield* tx.all(waitingRuns, { target });
}

/** Notes what a run waits for. */
export function* waitOn(tx: Tx, run: { readonly id: string; readonly workspace_id: string }, targets: readonly string[]): OpSteps<void> {
  for (const target of targets) yield* tx.run(insertWait, { runId: run.id, target, workspaceId: run.workspace_id });
}

export function* forgetWaits(tx: Tx, runId: string): OpSteps<void> {
  yield* tx.run(deleteWaits, { runId });
}

/** Something has been settled: runs that waited only for it go on. Answers the ids of all that waited for it. */
export function* settleTarget(tx: Tx, target: string): OpSteps<string[]> {
  const waiters = yield* tx.all(waitersOf, { target });
  if (waiters.length === 0) return [];
  yield* tx.run(deleteTarget, { target });
  for (const waiter of waiters) {
    const { all } = JSON.parse(waiter.wait ?? '{"all":false}') as Pick<Wait, 'all'>; // written by suspendRun
    if (all && (yield* tx.one(anyLeft, { runId: waiter.id }))) continue;
    yield* resumeRun(tx, waiter, target);
  }
  return waiters.map(({ id }) => id);
}

/** Puts a waiting run back into its lane, before everything that has not begun. */
export function* resumeRun(tx: Tx, { id, workspace_id, session_key, client_key }: Waiter, by: string): OpSteps<void> {
  yield* tx.run(deleteWaits, { runId: id });
  yield* tx.run(goOn, { id, now: tx.now, tag: RESUMED_TAG });
  yield* appendEvent(tx, {
    workspaceId: workspace_id,
    stream: `run:${id}`,
    actor: 'store',
    sessionKey: session_key,
    runKey: client_key,
    body: { kind: 'run.resumed', by },
  });
}
