// The team's side of a workspace: mail and its rounds. Files come in and go out through doors/files.

import type { Config } from '../domain/config.ts';
import type { SealedEvent } from '../domain/event.ts';
import { cronHome } from '../features/cron/methods.ts';
import { listCronJobs, runCronJob } from '../features/cron/ops.ts';
import { boxNamed } from '../features/inbox/mail.ts';
import { boxesOf } from '../features/inbox/methods.ts';
import { startPostmaster } from '../features/inbox/postmaster.ts';
import type { Unheard } from '../features/inbox/rounds.ts';
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import type { Store } from '../ports/store.ts';

interface TeamOptions {
  readonly workspaceId: string;
  readonly store: Store;
  readonly config: () => Config;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this node is the one that does it now. */
  readonly isMine: () => boolean;
}

export type Team = ReturnType<typeof startTeam>;

export function startTeam(options: TeamOptions) {
  const { workspaceId, store, config } = options;

  /** Where one agent plays all roles, each has a job of its name: that job reads the mail. */
  const startJobFor = async ({ box }: Unheard) => {
    const boxes = boxesOf(config());
    const job = (await store.call(listCronJobs, { workspaceId })).find(({ spec }) => spec.enabled && boxNamed(boxes, spec.name) === box);
    if (job) await store.call(runCronJob, { home: cronHome(config(), workspaceId), name: job.id, force: true, actor: 'postmaster' });
  };
  const postmaster = startPostmaster({ ...options, startJobFor });

  return {
    onEvent: ({ body }: SealedEvent) => {
      if (body.kind === 'message' && (body.state === 'queued' || body.state === 'dead_lettered')) postmaster.poke();
    },
    reconfigure: postmaster.poke,
    stop: () => postmaster.stop(),
  };
}
