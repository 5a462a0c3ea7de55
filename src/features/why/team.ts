// Why a message or a task stands where it stands.

import { type MessageState, wakeAfterMs } from '../../domain/inbox.ts';
import { type Blocked, isClosed, TASK_ATTEMPTS, type TaskState } from '../../domain/task.ts';
import type { Why } from '../../domain/why.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { MessageTable, TaskTable } from '../../ports/tables-team.ts';
import { runById } from '../runs/rows.ts';
import { openDependencies } from '../tasks/dependencies.ts';

interface Named {
  readonly workspaceId: string;
  readonly id: string;
}

const taskNamed = statement<Named>()((db, p) =>
  db
    .selectFrom('task')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('id', '=', p.id), row('name', '=', p.id)]))
    .orderBy('updated_at', 'desc')
    .limit(1),
);
const messageNamed = statement<Named>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where((row) => row.or([row('id', '=', p.id), row('claimed_id', '=', p.id)]))
    .orderBy('id', 'desc')
    .limit(1),
);

type WhyRun = (tx: Tx, run: RunTable) => OpSteps<Why>;

/** Null when no task and no message is called so. */
export function* whyOfTeam(tx: Tx, named: Named, whyRun: WhyRun): OpSteps<Why | null> {
  const task = yield* tx.one(taskNamed, named);
  if (task) return yield* whyTask(tx, task, whyRun);
  const message = yield* tx.one(messageNamed, named);
  return message ? yield* whyMessage(tx, message, whyRun) : null;
}

const TASK_OWNER: Readonly<Partial<Record<TaskState, string>>> = {
  draft: 'the coordinator',
  ready: 'the task manager',
  leased: 'the gateway',
  working: 'its worker',
  submitted: 'the gateway, which proves it',
  parked: 'a person',
};
const TASK_WAITS: Readonly<Partial<Record<TaskState, string>>> = {
  draft: 'somebody who may split work to make it ready',
  ready: 'a worker',
  leased: 'the start of its next attempt',
  submitted: 'its proof',
  proving: 'its proof',
  in_validation: 'the verdicts of the coordinator and the validator: clawdbot proof show <name>',
  merging: 'its merge',
  parked: 'somebody to look at it: clawdbot task move <name> ready',
};

function* whyTask(tx: Tx, task: TaskTable, whyRun: WhyRun): OpSteps<Why> {
  const run = task.run_id === null ? undefined : yield* tx.one(runById, { id: task.run_id });
  const blocked = task.blocked === null || task.state !== 'blocked' ? null : (JSON.parse(task.blocked) as Blocked); // written by tasks/ops
  const open = task.state === 'draft' ? (yield* openDependencies(tx, task)).map(({ name, state }) => `${name} (${state})`) : [];
  const waits = open.length > 0 ? open.join(', ') : null;
  return {
    kind: 'task',
    id: task.id,
    name: `${task.name} (${task.project})`,
    state: task.state,
    owner: blocked?.owner ?? TASK_OWNER[task.state] ?? (isClosed(task.state) ? 'nobody' : 'the gateway'),
    waitingFor: waits ?? blocked?.action ?? (run && task.state === 'working' ? `run ${run.client_key}` : (TASK_WAITS[task.state] ?? null)),
    since: task.updated_at,
    lastProgress: { what: `${task.attempts} of ${TASK_ATTEMPTS} attempts have failed`, at: task.updated_at },
    next: blocked ? { action: 'it is looked at again', at: blocked.recheckAt } : null,
    because: run && task.state === 'working' ? [yield* whyRun(tx, run)] : [],
  };
}

const MESSAGE_WAITS: Readonly<Partial<Record<MessageState, string>>> = {
  queued: 'the next turn of its agent',
  delivered: 'the end of the turn that was told it',
  dead_lettered: 'nothing: three deliveries have failed',
};

function* whyMessage(tx: Tx, message: MessageTable, whyRun: WhyRun): OpSteps<Why> {
  const run = message.run_id === null || message.state !== 'delivered' ? undefined : yield* tx.one(runById, { id: message.run_id });
  const isOwed = message.ack_by !== null && message.acked_at === null;
  return {
    kind: 'message',
    id: message.id,
    name: message.subject,
    state: message.state,
    owner: message.box,
    waitingFor: MESSAGE_WAITS[message.state] ?? (isOwed ? `an answer of ${message.box}` : null),
    since: message.arrived_at,
    lastProgress: message.delivered_at === null ? null : { what: 'it was told', at: message.delivered_at },
    next:
      message.state === 'queued'
        ? { action: 'its agent is woken', at: message.arrived_at + wakeAfterMs(message.priority) }
        : isOwed
          ? { action: 'the manager of its sender hears of it', at: message.ack_by }
          : null,
    because: run ? [yield* whyRun(tx, run)] : [],
  };
}
