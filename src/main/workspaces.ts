// The further workspaces of a gateway: where they are, and what they may not share.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Config } from '../domain/config.ts';
import { type Environment, insideOf } from './environment.ts';
import { CannotRun, guarded } from './state.ts';

/** A folder like the state folder for each: its own configuration, credentials, jobs and logs. A new one begins with a root of its own. */
export function environmentsOf(environment: Environment, { workspaces }: Config): [id: string, environment: Environment][] {
  return Object.entries(workspaces).map(([id, { stateDir: written }]) => {
    const inside = insideOf(environment, id, written);
    const { stateDir, configPath } = inside;
    guarded(`make the folder of the workspace "${id}"`, () => {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      if (!existsSync(configPath)) writeFileSync(configPath, `{\n  agents: { defaults: { workspace: "~/clawd-${id}" } },\n}\n`, { mode: 0o600 });
    });
    return [id, inside];
  });
}

/** @throws CannotRun when agents of one workspace would work in the files of another */
export function refuseSharedRoots(workspaces: readonly { readonly id: string; readonly roots: () => readonly string[] }[]): void {
  const places = workspaces.flatMap(({ id, roots }) => roots().map((root) => ({ id, root: resolve(root) })));
  for (const one of places) {
    const inside = places.find(({ id, root }) => id !== one.id && !relative(one.root, root).startsWith('..'));
    if (inside)
      throw new CannotRun(
        `the workspaces "${one.id}" and "${inside.id}" share files (${inside.root} is inside ${one.root}): give each an agents.defaults.workspace of its own`,
      );
  }
}
