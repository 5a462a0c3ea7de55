// Live text on its way from a worker to its gateway: the first piece at once, then at most one frame per 15 ms.

import type { WorkerToGateway } from '../domain/worker-frame.ts';
import type { TurnAssignment } from '../features/runs/claim.ts';

const COALESCE_MS = 15;

export function createDeltas(
  { runKey, sessionKey, attempt }: Pick<TurnAssignment, 'runKey' | 'sessionKey' | 'attempt'>,
  send: (frame: WorkerToGateway) => void,
) {
  let held = '';
  let n = 0;
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (held === '') return;
    n += 1;
    send({ kind: 'delta', runKey, sessionKey, attempt, n, text: held });
    held = '';
  };
  return {
    flush,
    push: (piece: string) => {
      held += piece;
      if (timer) return;
      if (n === 0) flush();
      timer = setTimeout(flush, COALESCE_MS);
    },
  };
}
