// Plans as folders of Markdown: written out, and taken in.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import { readPlanFiles, writePlanFiles } from '../../domain/plan-file.ts';
import { rolePolicies } from '../../domain/team.ts';
import { isFault } from '../../kit/fault.ts';
import { method } from '../../ports/method.ts';
import { createItem } from './items.ts';
import { planItems } from './tree.ts';

const Files = z.array(z.strictObject({ path: z.string().min(1).max(500), text: z.string().max(500_000) })).max(2000);

export const plansExport = method({
  name: 'plans.export',
  scope: 'operator.read',
  about: 'A plan as a folder of Markdown: MASTER-PLAN.md, phases, stories.',
  input: z.strictObject({ name: z.string().min(1).max(200) }),
  output: z.object({ files: Files }),
  run: async ({ store, workspaceId }, { name }) => {
    const items = await store.call(planItems, { workspaceId, name });
    const names = new Map(items.map((item) => [item.id, item.name]));
    return { files: writePlanFiles(items.map((item) => ({ ...item, parent: item.parentId === null ? null : (names.get(item.parentId) ?? null) }))) };
  },
});

export const plansImport = method({
  name: 'plans.import',
  scope: 'operator.write',
  about:
    'Takes in a folder of Markdown with a MASTER-PLAN.md: a plan, its phases as epics, its stories, all as drafts. What is there by name already stays as it is.',
  input: z.strictObject({ files: Files }),
  output: z.object({ plan: z.string(), added: z.array(z.string()), kept: z.array(z.string()) }),
  run: async ({ store, workspaceId, principal, gateway }, { files }) => {
    const read = readPlanFiles(files);
    if (!read) throw fault('request.refused', { reason: 'there is no MASTER-PLAN.md in it' });
    const of = { workspaceId, by: { actor: principal.actor, runId: null }, policies: rolePolicies(gateway.config().config) };
    const [added, kept]: [string[], string[]] = [[], []];
    const put = async (item: {
      kind: 'plan' | 'epic' | 'story';
      name: string | null;
      title: string;
      parent?: string;
      body: Readonly<Record<string, unknown>>;
    }) => {
      const { name, title, ...rest } = item;
      try {
        const made = await store.call(createItem, { ...of, ...rest, title: title.slice(0, 300) || 'Untitled', ...(name !== null && { name }) });
        added.push(made.name);
        return made.name;
      } catch (error) {
        if (name === null || !isFault(error, 'plan.exists')) throw error;
        kept.push(name);
        return name;
      }
    };
    const plan = await put({ kind: 'plan', ...read.plan });
    const epics: string[] = [];
    for (const { aim, ...epic } of read.epics) epics.push(await put({ kind: 'epic', parent: plan, ...epic, body: { aim } }));
    if (read.stories.length > 0 && epics.length === 0) epics.push(await put({ kind: 'epic', name: null, title: 'Stories', parent: plan, body: {} }));
    for (const { epic, ...story } of read.stories) await put({ kind: 'story', parent: epics[epic] ?? plan, ...story });
    return { plan, added, kept };
  },
});
