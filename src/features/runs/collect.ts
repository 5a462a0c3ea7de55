// Messages that come while a session is busy: answered together, one by one, or instead of what is under way.

import { fault } from '../../domain/fault-codes.ts';
import type { QueueSettings } from '../../domain/queue-mode.ts';
import type { RunInput } from '../../domain/run.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import { type OpSteps, statement, type Tx } from '../../ports/store.ts';
import type { RunTable } from '../../ports/tables.ts';
import { endRun, stopRuns } from './end.ts';
import { openRunsOfSession } from './rows.ts';

const joinTo = statement<{ id: string; collector: string }>()((db, p) => db.updateTable('run').set({ collected_by: p.collector }).where('id', '=', p.id));
const putOff = statement<{ id: string; until: number }>()((db, p) =>
  db.updateTable('run').set({ not_before: p.until }).where('id', '=', p.id).where('state', '=', 'queued'),
);

const LINE_CHARS = 160;

function isMessage({ kind, state, user_seq, collected_by }: RunTable): boolean {
  return kind === 'turn' && state === 'queued' && user_seq === null && collected_by === null;
}

function inputOf({ input }: RunTable): RunInput {
  return JSON.parse(input) as RunInput; // written by enqueueRun
}

/**
 * Makes room for a message that comes to a session. Answers until when it waits for others, epoch ms.
 * @throws Fault `session.queue_full` when as many wait as may and the newest gives way
 */
export function* admitMessage(
  tx: Tx,
  { workspaceId, sessionKey, actor, queue }: { workspaceId: string; sessionKey: string; actor: string; queue: QueueSettings },
): OpSteps<number> {
  const open = yield* tx.all(openRunsOfSession, { workspaceId, sessionKey });
  if (open.length === 0) return tx.now;
  if (queue.mode === 'interrupt') {
    yield* stopRuns(tx, open, actor, 'interrupted');
    return tx.now;
  }
  const messages = open.filter(isMessage);
  const [oldest] = messages;
  if (messages.length >= queue.cap && oldest) {
    if (queue.drop === 'new') throw fault('session.queue_full', { cap: queue.cap });
    if (queue.drop === 'old' || queue.mode !== 'collect') {
      const outcome = { text: '', stopReason: 'dropped', usage: NO_USAGE, steps: 0 };
      yield* endRun(tx, oldest, { state: 'cancelled', attempt: 'operator', outcome, actor });
    }
  }
  if (queue.mode !== 'collect') return tx.now;
  const until = tx.now + queue.debounceMs;
  for (const message of messages) if (inputOf(message).collect) yield* tx.run(putOff, { id: message.id, until });
  return until;
}

/** Joins the messages that wait behind this one to it. Answers the text of them all. */
export function* collectMessages(tx: Tx, run: RunTable, { message, collect }: RunInput): OpSteps<string> {
  if (!collect || run.session_key === null) return message;
  const open = yield* tx.all(openRunsOfSession, { workspaceId: run.workspace_id, sessionKey: run.session_key });
  const others = open.filter((other) => other.id !== run.id && isMessage(other) && joins(run, other));
  if (others.length === 0) return message;
  for (const { id } of others) yield* tx.run(joinTo, { id, collector: run.id });
  const texts = [message, ...others.map((other) => inputOf(other).message)];
  const whole = Math.max(0, texts.length - collect.cap);
  return [
    '[Messages that came while the agent was busy]',
    ...texts.map((text, i) => `---\nMessage ${i + 1}${i < whole ? ' (shortened)' : ''}\n${i < whole ? shorten(text) : text}`),
  ].join('\n');
}

/** Only messages that ask for the same thing in the same way can be answered together. */
function joins(run: RunTable, other: RunTable): boolean {
  const [one, two] = [inputOf(run), inputOf(other)];
  return (
    two.collect !== undefined &&
    two.attachments === undefined &&
    JSON.stringify([one.deliver?.to, one.tools]) === JSON.stringify([two.deliver?.to, two.tools]) &&
    one.model === two.model &&
    one.thinking === two.thinking &&
    one.extraSystemPrompt === two.extraSystemPrompt
  );
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line;
}
