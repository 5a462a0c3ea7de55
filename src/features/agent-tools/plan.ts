// plan: agents write plans, epics and stories, have them reviewed, and split stories into tasks, each with the rights of its role.

import { z } from 'zod';
import { asEars, asGherkin, type Story } from '../../domain/story.ts';
import { roleOfAgent, rolePolicies } from '../../domain/team.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { commentItem, createItem, editItem } from '../planning/items.ts';
import { CreateInput, EditInput, SplitInput, splitParts, submitFacts } from '../planning/methods.ts';
import { approveItem, rejectItem, submitItem } from '../planning/review.ts';
import { splitStory } from '../planning/split.ts';
import { planTrees, type Shown, showItem } from '../planning/tree.ts';
import { durably } from '../turns/durably.ts';
import { type AgentToolWorld, actingOn } from './world.ts';

const name = z.string().min(1);
const reason = z.string().trim().min(1).max(4000);
const Input = z.discriminatedUnion('action', [
  z.object({ action: z.literal('tree') }),
  z.object({ action: z.literal('show'), name }),
  z.object({ action: z.literal('create'), ...CreateInput.shape }),
  z.object({ action: z.literal('edit'), ...EditInput.shape }),
  z.object({ action: z.literal('submit'), name }),
  z.object({ action: z.literal('approve'), name, reason: reason.optional() }),
  z.object({ action: z.literal('reject'), name, reason }),
  z.object({ action: z.literal('comment'), name, text: reason }),
  z.object({ action: z.literal('split'), ...SplitInput.shape }),
]);

export function createPlanTool({ store, config, programPath }: AgentToolWorld): Tool {
  const policies = rolePolicies(config);
  const act = async ({ ...asked }: z.infer<typeof Input>, { workspaceId, signal, runId, agentId }: ToolContext): Promise<Record<string, unknown>> => {
    const of = { workspaceId, policies, by: { actor: `run:${runId}`, runId, agentRole: roleOfAgent(config, agentId) } };
    const brief = ({ kind, name: known, state, findings }: Shown['item']) => ({ status: 'ok', [kind]: known, state, ...(findings.length > 0 && { findings }) });
    switch (asked.action) {
      case 'tree':
        return { plans: await store.call(planTrees, { workspaceId }) };
      case 'show':
        return told(await store.call(showItem, { workspaceId, name: asked.name }));
      case 'create': {
        const { action: _, ...input } = asked;
        return brief(await durably(store, createItem, { ...of, ...input }, signal));
      }
      case 'edit': {
        const { item, voids } = await durably(
          store,
          editItem,
          { ...of, name: asked.name, title: asked.title, body: asked.body, preview: asked.preview },
          signal,
        );
        return { ...brief(item), ...(voids.length > 0 && { voids }) };
      }
      case 'submit':
        return brief(
          await durably(store, submitItem, { ...of, name: asked.name, ...(await submitFacts(store, programPath, { workspaceId, name: asked.name })) }, signal),
        );
      case 'approve':
        return brief(await durably(store, approveItem, { ...of, name: asked.name, reason: asked.reason ?? '' }, signal));
      case 'reject':
        return brief(await durably(store, rejectItem, { ...of, name: asked.name, reason: asked.reason }, signal));
      case 'comment':
        return brief(await durably(store, commentItem, { ...of, name: asked.name, reason: asked.text }, signal));
      case 'split': {
        const tasks = await durably(store, splitStory, { ...of, name: asked.name, tasks: splitParts(asked.tasks) }, signal);
        return { status: 'ok', tasks: tasks.map((task) => ({ name: task.name, state: task.state })) };
      }
    }
  };
  return {
    spec: {
      name: 'plan',
      about:
        "Plans, epics and stories. tree; show one; create (kind plan, epic or story; parent; title; body); edit (body: the fields that change); submit for review (a story is linted: the findings say what to write instead); approve or reject what is in review; comment; split an approved story into tasks (name, title, criteria, paths, dependsOn). An order counts as the owner's only where the gateway knows that it is his.",
      schema: {
        type: 'object',
        required: ['action'],
        properties: {
          action: { type: 'string', enum: ['tree', 'show', 'create', 'edit', 'submit', 'approve', 'reject', 'comment', 'split'] },
          kind: { type: 'string', enum: ['plan', 'epic', 'story'] },
          name: { type: 'string', description: 'PLAN-1, EPIC-1, US-1' },
          parent: { type: 'string' },
          title: { type: 'string' },
          body: {
            type: 'object',
            additionalProperties: true,
            description:
              'plan: { order, aim, outOfScope, risks, budget { usd } }. epic: { aim }. story: { value, repo, target, command { runner, argv }, paths, criteria [{ id, given?, while?, when?, where?, if?, then, observable, limit? { op, value, unit }, risk, checks [{ kind: test|command|file|link|human, … }] }], contingencies [{ if, then }], dependencies [names or "none"] }',
          },
          reason: { type: 'string' },
          text: { type: 'string' },
          preview: { type: 'boolean' },
          tasks: { type: 'array', items: { type: 'object', additionalProperties: true } },
        },
      },
      idempotent: true,
      parallel: false,
    },
    run: actingOn(Input, act),
  };
}

/** Criteria as sentences beside their parts. */
function told({ item, comments, node }: Shown): Record<string, unknown> {
  const { kind, name: known, title, state, risk, body, findings } = item;
  const criteria = kind === 'story' ? (body as Story).criteria : []; // the body of a story
  return {
    [kind]: known,
    title,
    state,
    ...(kind === 'story' && { risk }),
    body,
    ...(criteria.length > 0 && { ears: criteria.map(asEars), gherkin: criteria.map(asGherkin) }),
    ...(findings.length > 0 && { findings }),
    ...(comments.length > 0 && { comments: comments.map(({ who, text }) => ({ who, text })) }),
    below: node.below,
    tasks: node.tasks,
  };
}
