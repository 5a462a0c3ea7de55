// The team's side of a workspace: mail and its rounds, and the files that agents share, as far as each part is taken over.

import { existsSync, realpathSync } from 'node:fs';
import type { SealedEvent } from '../domain/event.ts';
import { type Phases, phasesFrom } from '../domain/phase.ts';
import { createDocumentsDoor } from '../doors/files/documents-door.ts';
import { type OpenFileDoor, openFileDoor } from '../doors/files/door.ts';
import { createHeartbeatDoor } from '../doors/files/heartbeat-door.ts';
import { createInboxDoor } from '../doors/files/inbox-door.ts';
import { createProgressDoor } from '../doors/files/progress-door.ts';
import { hasTraffic, schedulerRoot } from '../doors/files/scheduler-root.ts';
import { createSpawnDoor } from '../doors/files/spawn-door.ts';
import { cronHome } from '../features/cron/methods.ts';
import { listCronJobs, runCronJob } from '../features/cron/ops.ts';
import { boxNamed } from '../features/inbox/mail.ts';
import { boxesOf } from '../features/inbox/methods.ts';
import { startPostmaster } from '../features/inbox/postmaster.ts';
import type { Unheard } from '../features/inbox/rounds.ts';
import { startTender } from '../features/tasks/tender.ts';
import { followSchedules } from '../features/team/jobs.ts';
import { choosePhases } from '../features/workspace/phases.ts';
import { messageOf } from '../kit/fault.ts';
import { startLoop } from '../kit/loop.ts';
import type { LoopWorld } from '../ports/loop-world.ts';
import type { TeamStatus } from '../ports/method.ts';

interface TeamOptions extends LoopWorld {
  /** Absolute path of the folder that the team works in. */
  readonly workspace: string;
  /** Told when a part is switched. */
  readonly onPhases: () => void;
}

export type Team = ReturnType<typeof startTeam>;

const LOOK_EVERY_MS = 60_000;

/** The owner's workspace may be a link; nothing in it may. */
function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it is made later
  }
}

export function startTeam({ onPhases, ...options }: TeamOptions) {
  const { workspaceId, workspace, store, config, clock, log, isMine } = options;
  const root = schedulerRoot(realFolder(workspace));
  /** Until they are known nothing is touched. */
  let phases: Phases = { ...phasesFrom({}, true), inbox: 'off', 'spawn-queue': 'off', heartbeats: 'off', progress: 'off' };

  /** Where one agent plays all roles, each has a job of its name: that job reads the mail. */
  const startJobFor = async ({ box }: Unheard) => {
    if (phases.cron !== 'on') return;
    const boxes = boxesOf(config());
    const job = (await store.call(listCronJobs, { workspaceId })).find(({ spec }) => spec.enabled && boxNamed(boxes, spec.name) === box);
    if (job) await store.call(runCronJob, { home: cronHome(config(), workspaceId), name: job.id, force: true, actor: 'postmaster' });
  };
  const postmaster = startPostmaster({ ...options, startJobFor });

  const tender = startTender({ ...options, isOn: () => phases.heartbeats === 'on' });
  const world = { root, workspaceId, store, config, clock, log };
  const doors: readonly OpenFileDoor[] = [
    createInboxDoor(world),
    createSpawnDoor(world),
    createHeartbeatDoor(world, tender.poke),
    createProgressDoor(world),
    createDocumentsDoor(world),
  ].map((door) => openFileDoor(door, () => phases[door.name], isMine, world));
  const adopt = (now: Phases) => {
    phases = now;
    for (const door of doors) door.poke();
    tender.poke();
    onPhases();
  };

  /** What nobody has decided is settled when the folder is first seen: one in use is only looked at. */
  let known = false;
  const settle = async () => {
    if (known || !isMine()) return LOOK_EVERY_MS;
    if (!existsSync(root)) {
      adopt(phasesFrom({}, false));
      return LOOK_EVERY_MS;
    }
    const traffic = hasTraffic(root);
    adopt(await store.call(choosePhases, { workspaceId, actor: 'gateway', chosen: {}, hasTraffic: traffic }));
    known = true;
    if (Object.values(phases).includes('observe'))
      log.warn({ root, phases }, 'a team is at work in this workspace: its files are only observed. clawdbot workspace phase all on takes them over');
    return LOOK_EVERY_MS;
  };
  const settling = startLoop({ name: 'phases', everyMs: LOOK_EVERY_MS, run: settle, clock, log });

  return {
    phases: () => phases,
    status: (): TeamStatus => ({
      root,
      exists: existsSync(root),
      phases,
      observed: Object.fromEntries(
        doors.map((door) => [door.name, door.observed()] as const).filter(([, found]) => found === null || Object.keys(found).length > 0),
      ),
    }),
    onEvent: ({ body, stream }: SealedEvent) => {
      if (body.kind === 'message' && (body.state === 'queued' || body.state === 'dead_lettered')) postmaster.poke();
      if (body.kind === 'setting.changed' && body.name === 'phases') {
        known = true;
        adopt(phasesFrom(body.value, true));
      }
      if ((body.kind === 'run.ended' && body.run === 'spawn') || body.kind === 'task') tender.poke();
      for (const door of doors) door.onEvent(body, stream);
    },
    reconfigure: () => {
      followSchedules({ store, workspaceId, config: config(), now: clock.now() }).catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'the schedule of a role could not be taken over'),
      );
      postmaster.poke();
      for (const door of doors) door.poke();
    },
    stop: async () => {
      await Promise.all([settling.stop(), postmaster.stop(), tender.stop(), ...doors.map((door) => door.stop())]);
    },
  };
}
