// The live text and the end of single runs, for doors that answer one request with one stream.

import type { RunEnded, SealedEvent } from '../domain/event.ts';
import type { WorkerToGateway } from '../domain/worker-frame.ts';

export interface RunListener {
  /** Text that adds to the answer. */
  readonly onText: (piece: string) => void;
  readonly onEnded: (ended: RunEnded) => void;
}

interface Followed {
  readonly listeners: Set<RunListener>;
  attempt: number;
  /** What was passed on of the message that is being written. */
  message: string;
  /** Something was passed on before this message. */
  begun: boolean;
}

export type RunFeed = ReturnType<typeof createRunFeed>;

export function createRunFeed() {
  const followed = new Map<string, Followed>();
  const pass = (run: Followed, text: string) => {
    if (text === '') return;
    const piece = run.message === '' && run.begun ? `\n\n${text}` : text;
    run.message += text;
    run.begun = true;
    for (const { onText } of run.listeners) onText(piece);
  };
  return {
    /** Begin before the run is queued: nothing is kept for late listeners. Answers how to stop. */
    follow: (runKey: string, listener: RunListener): (() => void) => {
      const run = followed.get(runKey) ?? { listeners: new Set(), attempt: 0, message: '', begun: false };
      run.listeners.add(listener);
      followed.set(runKey, run);
      return () => {
        run.listeners.delete(listener);
        if (run.listeners.size === 0) followed.delete(runKey);
      };
    },
    onFrame: (frame: WorkerToGateway) => {
      if (frame.kind !== 'delta' && frame.kind !== 'tool') return;
      const run = followed.get(frame.runKey);
      if (!run) return;
      if (frame.kind === 'tool') {
        if (frame.phase === 'start') run.message = '';
      } else if (frame.attempt >= run.attempt) {
        if (frame.attempt > run.attempt && run.attempt > 0) run.message = ''; // a new attempt writes the message again
        run.attempt = frame.attempt;
        pass(run, frame.text);
      }
    },
    onEvent: ({ runKey, body }: SealedEvent) => {
      if (body.kind !== 'run.ended' || runKey === null) return;
      const run = followed.get(runKey);
      if (!run) return;
      followed.delete(runKey);
      if (body.text.startsWith(run.message)) pass(run, body.text.slice(run.message.length));
      else {
        run.message = '';
        pass(run, body.text);
      }
      for (const { onEnded } of run.listeners) onEnded(body);
    },
  };
}
