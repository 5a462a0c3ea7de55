// scheduler/heartbeats: what agents write there is a hint, and what the gateway knows is shown there to those who look.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readHeartbeat } from '../../domain/heartbeat-file.ts';
import { fileNameOf } from '../../domain/spawn-file.ts';
import { beatsToShow, noteBeats, type SeenBeat } from '../../features/tasks/tend.ts';
import { parseJson } from '../../kit/json.ts';
import type { FileDoor, FileDoorWorld } from './door.ts';
import { filesIn, isNoise, moveAside, readShared, writeView } from './shared-file.ts';

/** Those who look for stale files do so every few minutes. */
const REFRESH_MS = 55_000;

/** `onSeen` is told when files say something new. */
export function createHeartbeatDoor({ root, workspaceId, store, clock, log }: FileDoorWorld, onSeen: () => void): FileDoor {
  const folder = join(root, 'heartbeats');
  const seen = new Map<string, string>();
  /** Tasks by file, and whether the file is the gateway's own. */
  const files = new Map<string, { readonly task: string; readonly isOwn: boolean; readonly mtimeMs: number }>();

  const look = (name: string): SeenBeat | undefined => {
    const read = readShared(join(folder, name), seen.get(name));
    if (read.kind === 'same') return undefined;
    if (read.kind !== 'text') {
      files.delete(name);
      seen.delete(name);
      return undefined;
    }
    try {
      const value: unknown = parseJson(read.text);
      const beat = readHeartbeat(value, name);
      seen.set(name, read.stamp);
      if (!beat) return undefined;
      const isOwn = (value as { writtenBy?: unknown }).writtenBy === 'gateway'; // an object, or there were no beat
      files.set(name, { task: beat.task, isOwn, mtimeMs: read.mtimeMs });
      return isOwn ? undefined : { ...beat, seenAt: Math.round(read.mtimeMs) };
    } catch {
      if (clock.now() - read.mtimeMs > REFRESH_MS) seen.set(name, read.stamp); // it will not get better; it says nothing
      return undefined;
    }
  };

  const show = async () => {
    const { live, settled } = await store.call(beatsToShow, { workspaceId });
    const atWork = new Set(live.map(({ label }) => label));
    for (const { label, sessionKey, status, seenAt } of live) {
      const name = `${fileNameOf(label)}.json`;
      const file = files.get(name);
      if (file && !file.isOwn && clock.now() - file.mtimeMs < REFRESH_MS) continue; // the worker writes it itself
      if (file?.isOwn && clock.now() - mtimeOf(join(folder, name)) < REFRESH_MS) continue;
      const view = { taskId: label, lastHeartbeat: new Date(seenAt).toISOString(), sessionKey, status, progress: null, writtenBy: 'gateway' };
      writeView(join(folder, name), `${JSON.stringify(view, null, 2)}\n`);
      files.set(name, { task: label, isOwn: true, mtimeMs: clock.now() });
    }
    for (const [name, { task, isOwn }] of files) {
      if (atWork.has(task) || (!isOwn && !settled.includes(task)) || !existsSync(join(folder, name))) continue;
      moveAside(join(folder, name), join(folder, 'archive', `${clock.now()}--${name}`));
      files.delete(name);
      seen.delete(name);
      log.debug({ file: name }, 'a heartbeat whose work is over is retired');
    }
  };

  const names = () => filesIn(folder).filter((name) => name.endsWith('.json'));
  return {
    name: 'heartbeats',
    folder,
    deep: false,
    round: async (changed) => {
      const looked = (changed === 'all' ? names() : changed.filter((name) => name.endsWith('.json') && !isNoise(name))).flatMap((name) => look(name) ?? []);
      if (looked.length > 0) {
        await store.call(noteBeats, { workspaceId, seen: looked });
        onSeen();
      }
      await show();
      return false;
    },
    observe: () => ({ heartbeats: names().length }),
    concerns: (body) => (body.kind === 'run.ended' && body.run === 'spawn') || body.kind === 'run.started' || body.kind === 'task',
  };
}

function mtimeOf(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}
