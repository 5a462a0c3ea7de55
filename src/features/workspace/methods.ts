// What can be asked about the workspace's shared files, and how far the gateway takes them over.

import { z } from 'zod';
import { PHASES, WORKSPACE_PARTS } from '../../domain/phase.ts';
import { method } from '../../ports/method.ts';
import { choosePhases } from './phases.ts';
import { fileVersion, fileVersions, keptFiles } from './versions.ts';

const PhasesShape = z.record(z.enum(WORKSPACE_PARTS), z.enum(PHASES));

export const workspaceStatus = method({
  name: 'workspace.status',
  scope: 'operator.read',
  about: 'The folder that the team shares, how far the gateway has taken over each part of it, and for parts it only observes what it would do.',
  input: z.strictObject({}),
  output: z.object({ root: z.string(), exists: z.boolean(), phases: PhasesShape, observed: z.record(z.string(), z.record(z.string(), z.number()).nullable()) }),
  run: async ({ gateway }) => gateway.team(),
});

export const workspacePhase = method({
  name: 'workspace.phase',
  scope: 'operator.admin',
  about: 'Switches parts of the workspace: off leaves them alone, observe reports what would be done, on does it. It holds at once.',
  input: z.strictObject({ parts: z.array(z.enum(WORKSPACE_PARTS)).min(1), phase: z.enum(PHASES) }),
  output: z.object({ phases: PhasesShape }),
  run: async ({ store, workspaceId, principal, gateway }, { parts, phase }) => {
    const chosen = Object.fromEntries(parts.map((part) => [part, phase]));
    return { phases: await store.call(choosePhases, { workspaceId, actor: principal.actor, chosen, hasTraffic: gateway.team().exists }) };
  },
});

const Path = z.string().min(1).max(1000).describe("From the workspace's folder, as scheduler/coordinator/JOBS.md.");
const Version = { seq: z.number(), at: z.number(), actor: z.string(), note: z.string().nullable(), bytes: z.number() };

export const workspaceHistory = method({
  name: 'workspace.history',
  scope: 'operator.read',
  about: 'The versions of a shared file that are kept, newest first; without a path the files of which versions are kept.',
  input: z.strictObject({ path: Path.optional() }),
  output: z.object({
    versions: z.array(z.object(Version)).optional(),
    files: z.array(z.object({ path: z.string(), versions: z.number(), at: z.number() })).optional(),
  }),
  run: async ({ store, workspaceId }, { path }) =>
    path === undefined ? { files: await store.call(keptFiles, { workspaceId }) } : { versions: await store.call(fileVersions, { workspaceId, path }) },
});

export const workspaceShow = method({
  name: 'workspace.show',
  scope: 'operator.read',
  about: 'The text of a version of a shared file; without a number the latest.',
  input: z.strictObject({ path: Path, version: z.int().min(1).optional() }),
  output: z.object({ ...Version, text: z.string() }),
  run: ({ store, workspaceId }, { path, version }) => store.call(fileVersion, { workspaceId, path, ...(version !== undefined && { seq: version }) }),
});
