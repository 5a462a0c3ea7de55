// The postmaster's rounds: wakes those who have mail, says which boxes nobody reads, follows requests that nobody answers.

import { sql } from 'kysely';
import { URGENT, wakeAfterMs } from '../../domain/inbox.ts';
import { PRIORITY } from '../../domain/lane.ts';
import { type OpSteps, statement, type Tx, txOp } from '../../ports/store.ts';
import type { MessageTable } from '../../ports/tables-team.ts';
import { enqueueRun, hasRoom } from '../runs/enqueue.ts';
import { openRunsOfSession } from '../runs/rows.ts';
import { readSetting } from '../settings/ops.ts';
import { appendMessageEvent, type Boxes } from './mail.ts';
import { noticeOf, takeMessage } from './ops.ts';

const waiting = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select(({ fn, ref }) => [
      ref('box').as('box'),
      ref('priority').as('priority'),
      fn.min('arrived_at').as('oldest'),
      fn.max('id').as('newest'),
      fn.max('failures').as('failures'),
      sql<number>`sum(case when reported_at is null then 1 else 0 end)`.as('unreported'),
      fn.countAll<number>().as('n'),
    ])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .groupBy(['box', 'priority']),
);
const markReported = statement<{ workspaceId: string; box: string; now: number }>()((db, p) =>
  db.updateTable('message').set({ reported_at: p.now }).where('workspace_id', '=', p.workspaceId).where('box', '=', p.box).where('state', '=', 'queued'),
);
const overdue = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .selectFrom('message')
    .selectAll()
    .where('workspace_id', '=', p.workspaceId)
    .where('ack_by', '<', p.now)
    .where('ack_by', 'is not', null)
    .where('acked_at', 'is', null)
    .orderBy('id')
    .limit(100),
);
const putOff = statement<{ id: string; ackBy: number | null }>()((db, p) =>
  db
    .updateTable('message')
    .set((row) => ({ ack_by: p.ackBy, escalations: row('escalations', '+', 1) }))
    .where('id', '=', p.id),
);
const lapsed = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .updateTable('message')
    .set({ state: 'expired' })
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'queued')
    .where('expires_at', '<', p.now)
    .returningAll(),
);
const unreportedDead = statement<{ workspaceId: string; now: number }>()((db, p) =>
  db
    .updateTable('message')
    .set({ reported_at: p.now })
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'dead_lettered')
    .where('reported_at', 'is', null)
    .returningAll(),
);

const HALF_HOUR_MS = 1_800_000;
const FOUR_HOURS_MS = 14_400_000;
/** When nobody answers: who hears of it, and how long until the next level does. */
const LEVELS = [
  { to: 'manager', nextMs: HALF_HOUR_MS },
  { to: 'person-manager', nextMs: FOUR_HOURS_MS },
  { to: 'human', nextMs: null },
] as const;
/** A box that nobody reads is reported after this long. */
const UNREAD_MS = 20_000;

export interface Rounds {
  readonly workspaceId: string;
  readonly timeoutMs: number;
}

export interface Unheard {
  readonly box: string;
  readonly urgent: boolean;
}

/** Answers the boxes with mail that no agent reads, for whose jobs the caller may look, and when to come again. */
export const goRounds = txOp('inbox.rounds', function* (tx, { workspaceId, timeoutMs }: Rounds): OpSteps<{ unheard: Unheard[]; nextMs: number | null }> {
  const boxes = (yield* readSetting(tx, { workspaceId, name: 'boxes' })) as Boxes | undefined; // written by the gateway
  if (!boxes) return { unheard: [], nextMs: null };
  for (const row of yield* tx.all(lapsed, { workspaceId, now: tx.now })) yield* appendMessageEvent(tx, row, 'postmaster');
  for (const dead of yield* tx.all(unreportedDead, { workspaceId, now: tx.now }))
    yield* notice(tx, boxes, dead, boxes.managers[dead.sender] ?? boxes.owner, `Dead letter: "${dead.subject}" to ${dead.box} could not be delivered`);
  for (const late of yield* tx.all(overdue, { workspaceId, now: tx.now })) yield* escalate(tx, boxes, late);

  const readers = new Map(Object.entries(boxes.agents).map(([agentId, box]) => [box, agentId]));
  const byBox = Map.groupBy(yield* tx.all(waiting, { workspaceId }), ({ box }) => box);
  const unheard: Unheard[] = [];
  let next: number | null = null;
  const remember = (at: number) => {
    next = Math.min(next ?? at, at);
  };
  for (const [box, classes] of byBox) {
    if (box === boxes.owner) continue;
    const dueAt = Math.min(...classes.map(({ priority, oldest }) => Number(oldest) + wakeAfterMs(priority)));
    const urgent = classes.some(({ priority }) => priority <= URGENT);
    const agentId = readers.get(box);
    if (agentId !== undefined) {
      if (dueAt > tx.now) remember(dueAt);
      else yield* wake(tx, { workspaceId, timeoutMs, agentId, box, urgent, sessionKey: `agent:${agentId}:${boxes.mainKey}`, key: keyOf(classes) });
      continue;
    }
    if (dueAt <= tx.now) unheard.push({ box, urgent });
    const oldest = Math.min(...classes.map((one) => Number(one.oldest)));
    if (classes.every(({ unreported }) => Number(unreported) === 0)) continue;
    if (oldest + UNREAD_MS > tx.now) remember(oldest + UNREAD_MS);
    else
      yield* reportUnread(
        tx,
        boxes,
        workspaceId,
        box,
        classes.reduce((sum, { n }) => sum + Number(n), 0),
      );
  }
  return { unheard, nextMs: next === null ? null : Math.max(0, next - tx.now) };
});

/** Names a wake by the mail it is for: one that was stopped by hand is not repeated for the same mail. */
function keyOf(classes: readonly { readonly newest: string | null; readonly failures: number | null }[]): string {
  const newest = classes.map((one) => one.newest ?? '').reduce((a, b) => (a > b ? a : b));
  return `mail:${newest}:${Math.max(...classes.map(({ failures }) => failures ?? 0))}`;
}

interface Wake {
  readonly workspaceId: string;
  readonly timeoutMs: number;
  readonly agentId: string;
  readonly box: string;
  readonly urgent: boolean;
  readonly sessionKey: string;
  readonly key: string;
}

/** A turn in which an agent reads its mail, unless one is on its way that will. */
function* wake(tx: Tx, { urgent, key, box, ...place }: Wake): OpSteps<void> {
  const open = yield* tx.all(openRunsOfSession, place);
  if (open.some(({ state, user_seq }) => state === 'queued' && user_seq === null)) return;
  const lane = { lane: 'main', priority: urgent ? PRIORITY.urgent : PRIORITY.background } as const;
  if (!(yield* hasRoom(tx, { workspaceId: place.workspaceId, ...lane }))) return;
  yield* enqueueRun(tx, {
    ...place,
    ...lane,
    actor: 'postmaster',
    runKey: key,
    kind: 'mail',
    input: { message: `Your inbox (${box}) has mail: it stands above. Deal with it.` },
  });
}

function* reportUnread(tx: Tx, boxes: Boxes, workspaceId: string, box: string, n: number): OpSteps<void> {
  yield* tx.run(markReported, { workspaceId, box, now: tx.now });
  const known = Object.values(boxes.agents).filter((name) => name !== boxes.owner);
  const about = noticeOf({
    ...BY_POSTMASTER,
    subject: `Nobody reads the inbox "${box}": ${n} ${n === 1 ? 'message waits' : 'messages wait'}`,
    content: `No agent and no job is called "${box}". Boxes that are read: ${known.join(', ') || 'none'}. Give it an agent, an alias in roles.json5, or send the mail elsewhere.`,
    box: boxes.owner,
    key: `unread:${box}:${new Date(tx.now).toISOString().slice(0, 13)}`,
  });
  yield* takeMessage(tx, workspaceId, about);
}

function* escalate(tx: Tx, boxes: Boxes, late: MessageTable): OpSteps<void> {
  const level = LEVELS[Math.min(late.escalations, LEVELS.length - 1)];
  if (!level) return;
  yield* tx.run(putOff, { id: late.id, ackBy: level.nextMs === null ? null : tx.now + level.nextMs });
  const to =
    level.to === 'manager'
      ? (boxes.managers[late.sender === 'gateway' ? late.box : late.sender] ?? boxes.owner)
      : level.to === 'human'
        ? boxes.owner
        : (boxes.aliases[level.to] ?? level.to);
  yield* notice(tx, boxes, late, to, `No answer from ${late.box}: "${late.subject}"`);
}

function* notice(tx: Tx, { owner }: Boxes, about: MessageTable, to: string, subject: string): OpSteps<void> {
  const box = to === about.box ? owner : to; // who does not answer is not asked why
  const said = noticeOf({
    ...BY_POSTMASTER,
    subject: subject.slice(0, 300),
    content: { message: about.id, from: about.sender, to: about.box, subject: about.subject, arrivedAt: new Date(about.arrived_at).toISOString() },
    box,
    thread: about.thread,
    key: `notice:${about.id}:${about.escalations}:${subject.slice(0, 12)}`,
  });
  yield* takeMessage(tx, about.workspace_id, said);
}

const BY_POSTMASTER = { type: 'escalation', priority: URGENT, actor: 'postmaster' } as const;
