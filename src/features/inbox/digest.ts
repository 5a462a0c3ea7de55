// What one run has to say to the owner is one message, however often it says something.

import { type OpSteps, statement, type Tx } from '../../ports/store.ts';

/** The owner's box. */
const DIGEST_BOX = 'human';

const openOfRun = statement<{ workspaceId: string; box: string; actor: string }>()((db, p) =>
  db
    .selectFrom('message')
    .select(['id', 'subject', 'content', 'priority', 'needs_ack'])
    .where('workspace_id', '=', p.workspaceId)
    .where('box', '=', p.box)
    .where('state', '=', 'queued')
    .where('actor', '=', p.actor)
    .limit(1),
);
const rewrite = statement<{ id: string; subject: string; content: string; priority: number; needsAck: number }>()((db, p) =>
  db.updateTable('message').set({ subject: p.subject, content: p.content, priority: p.priority, needs_ack: p.needsAck }).where('id', '=', p.id),
);

interface Point {
  readonly box: string;
  readonly actor: string;
  readonly sender: string;
  readonly subject: string;
  readonly content?: unknown;
  readonly priority: number;
  readonly needsAnswer?: boolean | undefined;
  readonly replyTo: string | null;
  readonly key?: string | undefined;
}

interface Digest {
  readonly digest: readonly { readonly subject: string; readonly content: unknown; readonly key?: string | undefined }[];
}

/** Adds to the run's open message, and answers its id; undefined where there is none to add to. */
export function* joinDigest(
  tx: Tx,
  workspaceId: string,
  { box, actor, sender, subject, content, priority, needsAnswer, replyTo, key }: Point,
): OpSteps<string | undefined> {
  if (box !== DIGEST_BOX || !actor.startsWith('run:') || replyTo !== null) return undefined;
  const open = yield* tx.one(openOfRun, { workspaceId, box, actor });
  if (!open) return undefined;
  const before = JSON.parse(open.content) as Partial<Digest> | null; // what takeMessage wrote
  const points = before?.digest ?? [{ subject: open.subject, content: before }];
  if (key !== undefined && points.some((point) => point.key === key)) return open.id;
  const digest = [...points, { subject, content, key }];
  const least = Math.min(open.priority, priority);
  yield* tx.run(rewrite, {
    id: open.id,
    subject: `${sender}: ${digest.length} points`,
    content: JSON.stringify({ digest }),
    priority: least,
    needsAck: needsAnswer ? 1 : open.needs_ack,
  });
  return open.id;
}
