// What can be asked about the workspace's shared files, and how far the gateway takes them over.

import { z } from 'zod';
import { PHASES, WORKSPACE_PARTS } from '../../domain/phase.ts';
import { method } from '../../ports/method.ts';
import { choosePhases } from './phases.ts';

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
