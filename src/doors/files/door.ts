// Doors made of files: a folder is watched and swept, one round at a time, in one of three phases that can be switched while it runs.

import { existsSync } from 'node:fs';
import type { EventBody } from '../../domain/event.ts';
import type { Phase, WorkspacePart } from '../../domain/phase.ts';
import { noticeOf, takeMessages } from '../../features/inbox/ops.ts';
import { startLoop } from '../../kit/loop.ts';
import { watchFolder } from '../../kit/watch-folder.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import { LeadsElsewhere } from './shared-file.ts';

export interface FileDoorWorld extends Omit<LoopWorld, 'isMine'> {
  /** The scheduler folder of the workspace. */
  readonly root: string;
}

/** Tells somebody of the team what happened to a file, once for its key. */
export async function notify({ store, workspaceId }: Pick<FileDoorWorld, 'store' | 'workspaceId'>, notice: Parameters<typeof noticeOf>[0]): Promise<void> {
  await store.call(takeMessages, { workspaceId, messages: [noticeOf(notice)] });
}

export interface FileDoor {
  readonly name: WorkspacePart;
  readonly folder: string;
  /** Whether the folders in it belong to it. */
  readonly deep: boolean;
  /** Other places where files of it lie; a change there is a reason to look at all. */
  readonly also?: readonly { readonly path: string; readonly deep: boolean; readonly wants: RegExp }[];
  /** Brings files and store into step: names that changed, or all. Answers whether something is still being written. */
  readonly round: (names: readonly string[] | 'all') => Promise<boolean>;
  /** What a round would find, without touching anything. */
  readonly observe: () => Readonly<Record<string, number>>;
  /** Whether files may have to follow after this. */
  readonly concerns: (body: EventBody, stream: string) => boolean;
}

const SWEEP_MS = 30_000;
const AGAIN_MS = 50;

export interface OpenFileDoor {
  readonly name: WorkspacePart;
  readonly onEvent: (body: EventBody, stream: string) => void;
  readonly poke: () => void;
  readonly observed: () => Readonly<Record<string, number>> | null;
  readonly stop: () => Promise<void>;
}

/** Opens a door. It does what its phase says, and nothing where its folder does not exist and nobody has mail to show. */
export function openFileDoor(door: FileDoor, phase: () => Phase, isMine: () => boolean, { clock, log }: Pick<FileDoorWorld, 'clock' | 'log'>): OpenFileDoor {
  let changed = new Set<string>();
  let all = true;
  let sweptAt = Number.NEGATIVE_INFINITY;
  let observed: Readonly<Record<string, number>> | null = null;
  const watch = watchFolder({
    path: door.folder,
    deep: door.deep,
    onChange: (name) => {
      if (name === undefined) all = true;
      else changed.add(name);
      loop.poke();
    },
  });

  const others = (door.also ?? []).map(({ path, deep, wants }) =>
    watchFolder({
      path,
      deep,
      onChange: (name) => {
        if (name !== undefined && !wants.test(name)) return;
        all = true;
        loop.poke();
      },
    }),
  );

  const run = async (): Promise<number> => {
    const now = phase();
    if (now === 'off' || !isMine() || !existsSync(door.folder)) return SWEEP_MS;
    for (const one of [watch, ...others]) one.renew();
    const isSweep = all || clock.elapsed() - sweptAt >= SWEEP_MS;
    const names = [...changed];
    if (now === 'observe') {
      if (isSweep || names.length > 0) observed = door.observe();
      changed = new Set();
      all = false;
      sweptAt = clock.elapsed();
      return SWEEP_MS;
    }
    observed = null;
    changed = new Set();
    all = false;
    if (isSweep) sweptAt = clock.elapsed();
    try {
      const isUnfinished = await door.round(isSweep ? 'all' : names);
      if (!isUnfinished) return SWEEP_MS;
      if (isSweep) all = true;
      else for (const name of names) changed.add(name);
      return AGAIN_MS;
    } catch (error) {
      if (error instanceof LeadsElsewhere) {
        log.warn({ door: door.name, problem: error.message }, 'a folder of the team is a link; its files are left alone');
        return SWEEP_MS;
      }
      if (isSweep) all = true;
      else for (const name of names) changed.add(name);
      throw error;
    }
  };
  const loop = startLoop({ name: `files: ${door.name}`, everyMs: 1000, run, clock, log });
  return {
    name: door.name,
    onEvent: (body, stream) => {
      if (door.concerns(body, stream)) loop.poke();
    },
    poke: () => {
      all = true;
      loop.poke();
    },
    observed: () => observed,
    stop: async () => {
      for (const one of [watch, ...others]) one.close();
      await loop.stop();
    },
  };
}
