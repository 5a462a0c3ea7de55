// What the team wants from its owner: one list without repetitions, oldest first. Approvals and requests in the owner's box.

import { z } from 'zod';
import { method } from '../../ports/method.ts';
import { type OpSteps, readOp, statement } from '../../ports/store.ts';
import { OWNER_BOX } from './methods.ts';

const pendingApprovals = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('approval')
    .select(['id', 'kind', 'request', 'owner', 'created_at', 'deadline_at'])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', '=', 'pending')
    .orderBy('created_at')
    .limit(200),
);
const openRequests = statement<{ workspaceId: string; box: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select(['id', 'sender', 'type', 'subject', 'arrived_at', 'folded', 'ack_by', 'priority', 'thread'])
    .where('workspace_id', '=', p.workspaceId)
    .where('box', '=', p.box)
    .where('state', '=', 'queued')
    .orderBy('arrived_at')
    .orderBy('id')
    .limit(1000),
);
const parkedTasks = statement<{ workspaceId: string }>()((db, p) =>
  db
    .selectFrom('task')
    .select(['id', 'project', 'name', 'title', 'updated_at', 'attempts', 'state', 'blocked'])
    .where('workspace_id', '=', p.workspaceId)
    .where('state', 'in', ['parked', 'blocked'])
    .orderBy('updated_at')
    .limit(500),
);

const itemNamed = statement<{ workspaceId: string; name: string }>()((db, p) =>
  db.selectFrom('plan_item').select(['kind', 'name', 'state', 'updated_at']).where('workspace_id', '=', p.workspaceId).where('name', '=', p.name),
);

export interface Decision {
  readonly id: string;
  readonly what: string;
  readonly from: string;
  readonly since: number;
  /** How often it was asked. */
  readonly count: number;
  readonly dueAt: number | null;
  /** How it is answered. */
  readonly answer: string;
}

export const openDecisions = readOp('inbox.decisions', function* (tx, of: { workspaceId: string }): OpSteps<Decision[]> {
  const found = new Map<string, Decision>();
  const add = (key: string, decision: Decision) => {
    const before = found.get(key);
    found.set(key, before ? { ...before, count: before.count + decision.count } : decision);
  };
  for (const { id, kind, request, owner, created_at, deadline_at } of yield* tx.all(pendingApprovals, of)) {
    const asked = JSON.parse(request) as { command?: string; task?: string; scope?: string }; // written by those who ask
    const what =
      kind === 'exec'
        ? `run: ${asked.command ?? ''}`
        : kind === 'spawn'
          ? `start a sub-agent: ${asked.task ?? ''}`
          : kind === 'budget'
            ? `more money for ${asked.scope ?? ''}`
            : kind;
    add(`${kind} ${what}`, {
      id,
      what: what.slice(0, 300),
      from: owner,
      since: created_at,
      count: 1,
      dueAt: deadline_at,
      answer: `clawdbot approvals resolve ${id} allow-once`,
    });
  }
  for (const { id, sender, subject, arrived_at, folded, ack_by } of yield* tx.all(openRequests, { ...of, box: OWNER_BOX })) {
    const [, name] = sender === 'gateway' ? (/^(?:Review|Accept): (\S+)/.exec(subject) ?? []) : [];
    const item = name === undefined ? undefined : yield* tx.one(itemNamed, { ...of, name });
    if (item) {
      const answer = `clawdbot ${item.kind} show ${item.name}; ${item.kind} approve ${item.name}, or ${item.kind} reject ${item.name} "why"`;
      if (item.state === 'in_review' || item.state === 'accepting')
        found.set(`item ${item.name}`, { id: item.name, what: subject, from: 'plans', since: item.updated_at, count: 1, dueAt: null, answer });
      continue; // decided already
    }
    const key = `${sender} ${subject.toLowerCase().replace(/\d+/g, '#')}`;
    add(key, {
      id,
      what: subject,
      from: sender,
      since: arrived_at,
      count: folded + 1,
      dueAt: ack_by,
      answer: `clawdbot inbox read ${id}; inbox send ${sender} "…" --reply-to ${id}, or inbox ack ${id}`,
    });
  }
  for (const { id, project, name, title, updated_at, attempts, state, blocked } of yield* tx.all(parkedTasks, of)) {
    const { owner = '', action = '' } = (blocked === null ? {} : JSON.parse(blocked)) as { owner?: string; action?: string }; // written by tasks/ops
    if (state === 'blocked' && owner !== OWNER_BOX) continue;
    const what = state === 'parked' ? `${name} (${project}) is parked after ${attempts} attempts: ${title}` : `${name} (${project}) waits for you: ${action}`;
    add(`task ${id}`, {
      id,
      what,
      from: 'tasks',
      since: updated_at,
      count: 1,
      dueAt: null,
      answer: `clawdbot task show ${name}; task move ${name} ready --project ${project}`,
    });
  }
  return [...found.values()].sort((a, b) => a.since - b.since);
});

export const decisionsList = method({
  name: 'decisions.list',
  scope: 'operator.read',
  about: 'What waits for the owner: approvals, requests of the team, parked tasks. Each once, oldest first, with its age and how to answer it.',
  input: z.strictObject({}),
  output: z.object({ decisions: z.array(z.custom<Decision>()) }),
  run: async ({ store, workspaceId }) => ({ decisions: await store.call(openDecisions, { workspaceId }) }),
});
