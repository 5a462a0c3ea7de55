// Mail on its way into turns: which box a run reads, what it is told, and what becomes of that when the run ends.

import { describeMail, MAIL_PER_TURN, type MessageView, URGENT } from '../../domain/inbox.ts';
import type { TerminalState } from '../../domain/run.ts';
import { isSubagentKey } from '../../domain/session.ts';
import { slugOf } from '../../domain/team.ts';
import { type OpSteps, readOp, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import type { MessageTable } from '../../ports/tables-team.ts';
import { appendEvent } from '../events/ops.ts';
import { readSetting } from '../settings/ops.ts';

/** Who reads which box, as the configuration says: kept in the store for ops, which see no configuration. */
export interface Boxes {
  /** By agent. */
  readonly agents: Readonly<Record<string, string>>;
  readonly mainKey: string;
  /** The box that hears of what a box could not settle. */
  readonly managers: Readonly<Record<string, string>>;
  /** Names of agents, in small letters with dashes, and their boxes. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly owner: string;
}

const anyQueued = statement<{ workspaceId: string; least: number }>()((db, p) =>
  db.selectFrom('message').select('id').where('workspace_id', '=', p.workspaceId).where('state', '=', 'queued').where('priority', '<=', p.least).limit(1),
);
const queuedIn = statement<{ workspaceId: string; box: string; least: number; limit: number }>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('box', '=', p.box)
    .where('state', '=', 'queued')
    .where('priority', '<=', p.least)
    .orderBy('rank')
    .orderBy('id')
    .limit(p.limit),
);
const deliver = statement<{ id: string; runId: string; now: number }>()((db, p) =>
  db.updateTable('message').set({ state: 'delivered', delivered_at: p.now, run_id: p.runId }).where('id', '=', p.id),
);
const deliveredTo = statement<{ runId: string }>()((db, p) =>
  db.selectFrom('message').selectAll().where('run_id', '=', p.runId).where('state', '=', 'delivered').orderBy('id'),
);
const settle = statement<{ id: string; state: MessageTable['state']; failures: number; readAt: number | null }>()((db, p) =>
  db.updateTable('message').set({ state: p.state, failures: p.failures, read_at: p.readAt }).where('id', '=', p.id),
);
const runRow = statement<{ id: string }>()((db, p) => db.selectFrom('run').selectAll().where('id', '=', p.id));
const jobName = statement<{ id: string }>()((db, p) => db.selectFrom('cron_job').select('name').where('id', '=', p.id));
const labelOf = statement<{ runId: string }>()((db, p) => db.selectFrom('spawn').select('label').where('child_run_id', '=', p.runId));

const EVERY_PRIORITY = 4;
const FAILED_DELIVERIES = 3;

export function viewMessage(row: MessageTable): MessageView {
  return {
    id: row.id,
    box: row.box,
    from: row.sender,
    type: row.type,
    subject: row.subject,
    content: JSON.parse(row.content),
    priority: row.priority,
    state: row.state,
    arrivedAt: row.arrived_at,
    claimedAt: row.claimed_at,
    clockOff: row.clock_off === 1,
    replyTo: row.reply_to,
    thread: row.thread,
    amends: row.amends,
    count: row.folded + 1,
    ackBy: row.ack_by,
    ackedBy: row.acked_by,
    failures: row.failures,
  };
}

/** Whether the box that a job reads holds mail. */
export function* hasMail(
  tx: Tx,
  { workspaceId, agentId, jobName }: { readonly workspaceId: string; readonly agentId: string; readonly jobName: string },
): OpSteps<boolean> {
  const boxes = (yield* readSetting(tx, { workspaceId, name: 'boxes' })) as Boxes | undefined; // written by the gateway
  if (!boxes) return false;
  const own = boxes.agents[agentId];
  const box = own !== undefined && own !== agentId ? own : boxNamed(boxes, jobName);
  return (yield* tx.one(queuedIn, { workspaceId, box, least: EVERY_PRIORITY, limit: 1 })) !== undefined;
}

/** The mail that a turn begins with, as text, or an empty text. */
export function* tellMail(tx: Tx, run: RunTable): OpSteps<string> {
  return yield* take(tx, run, EVERY_PRIORITY);
}

/** The same for what cannot wait until the end of a turn that is under way. */
export function* tellUrgentMail(tx: Tx, run: RunTable): OpSteps<string> {
  return yield* take(tx, run, URGENT);
}

/** Whether something urgent waits for a run that is under way. */
export function* hasUrgentMail(tx: Tx, run: RunTable): OpSteps<boolean> {
  const of = { workspaceId: run.workspace_id, least: URGENT };
  if (!(yield* tx.one(anyQueued, of))) return false;
  const box = yield* boxOf(tx, run);
  return box !== undefined && (yield* tx.one(queuedIn, { ...of, box, limit: 1 })) !== undefined;
}

function* take(tx: Tx, run: RunTable, least: number): OpSteps<string> {
  const of = { workspaceId: run.workspace_id, least };
  if (!(yield* tx.one(anyQueued, of))) return '';
  const box = yield* boxOf(tx, run);
  if (box === undefined) return '';
  const queued = yield* tx.all(queuedIn, { ...of, box, limit: MAIL_PER_TURN });
  const [messages, others] = [
    queued.filter((one) => one.only_run === null || one.only_run === run.id),
    queued.filter((one) => one.only_run !== null && one.only_run !== run.id),
  ];
  for (const other of others) {
    yield* tx.run(settle, { id: other.id, state: 'expired', failures: other.failures, readAt: null });
    yield* appendMessageEvent(tx, { ...other, state: 'expired' }, `run:${run.id}`);
  }
  if (messages.length === 0) return '';
  for (const { id } of messages) yield* tx.run(deliver, { id, runId: run.id, now: tx.now });
  return describeMail(box, messages.map(viewMessage));
}

/**
 * The box whose mail a run gets: that of its agent for its main session and its jobs; of a job of that name where one agent plays all roles;
 * of its label for a sub-agent.
 */
function* boxOf(tx: Tx, { workspace_id: workspaceId, id, agent_id, session_key, job_id }: RunTable): OpSteps<string | undefined> {
  const boxes = (yield* readSetting(tx, { workspaceId, name: 'boxes' })) as Boxes | undefined; // written by the gateway
  if (!boxes || session_key === null) return undefined;
  if (isSubagentKey(session_key)) {
    const { label = null } = (yield* tx.one(labelOf, { runId: id })) ?? {};
    return label === null ? undefined : slugOf(label);
  }
  const own = boxes.agents[agent_id];
  const hasRole = own !== undefined && own !== agent_id;
  if (job_id !== null) {
    if (hasRole) return own;
    const job = yield* tx.one(jobName, { id: job_id });
    return job && boxNamed(boxes, job.name);
  }
  return session_key === `agent:${agent_id}:${boxes.mainKey}` ? own : undefined;
}

/** The box of the agent that a run belongs to: who it is among the others. */
export const boxOfRun = readOp(
  'inbox.boxOfRun',
  function* (tx, { runId }: { runId: string }): OpSteps<string | null> {
    const run = yield* tx.one(runRow, { id: runId });
    return (run && (yield* boxOf(tx, run))) ?? null;
  },
  { worker: true },
);

export function boxNamed({ aliases }: Pick<Boxes, 'aliases'>, name: string): string {
  const slug = slugOf(name);
  return aliases[slug] ?? slug;
}

/** What was told counts as read when the run succeeded; otherwise it is told again, and after three failures it is a dead letter. */
export function* settleMail(tx: Tx, run: RunTable, state: TerminalState): OpSteps<void> {
  for (const message of yield* tx.all(deliveredTo, { runId: run.id })) {
    const failures = message.failures + (state === 'succeeded' || state === 'cancelled' ? 0 : 1);
    const dead = failures >= FAILED_DELIVERIES;
    const next = state === 'succeeded' ? 'read' : dead ? 'dead_lettered' : 'queued';
    yield* tx.run(settle, { id: message.id, state: next, failures, readAt: state === 'succeeded' ? tx.now : null });
    yield* appendMessageEvent(tx, { ...message, state: next }, `run:${run.id}`);
  }
}

export function* appendMessageEvent(
  tx: Tx,
  { id, workspace_id: workspaceId, box, state, priority, sender }: Pick<MessageTable, 'id' | 'workspace_id' | 'box' | 'state' | 'priority' | 'sender'>,
  actor: string,
): OpSteps<void> {
  yield* appendEvent(tx, { workspaceId, stream: `message:${id}`, actor, body: { kind: 'message', id, box, state, priority, from: sender } });
}
