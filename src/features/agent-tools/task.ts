// task: agents see what is to be done, submit work for proof, and judge the work of others, each with the rights of its role.

import { z } from 'zod';
import { roleOfAgent, rolePolicies } from '../../domain/team.ts';
import { verdictWord } from '../../domain/trust.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { dependTask } from '../planning/split.ts';
import { workerRequest } from '../tasks/hand-out.ts';
import { leaseTask, workOrder } from '../tasks/lease.ts';
import { listTasks, moveTask } from '../tasks/ops.ts';
import { durably } from '../turns/durably.ts';
import { isOneFamily } from '../validation/families.ts';
import { holdOut } from '../validation/held-out.ts';
import { VerdictInput } from '../validation/methods.ts';
import { type ProofPage, proofPage } from '../validation/page.ts';
import { specTask, submitTask } from '../validation/proving.ts';
import type { Asker } from '../validation/rows.ts';
import { HeldOutInput, SubmissionInput, specFrom, submissionFrom, TaskSpecInput } from '../validation/spec.ts';
import { giveVerdict } from '../validation/verdicts.ts';
import { progressOf } from '../workspace/versions.ts';
import { type AgentToolWorld, actingOn } from './world.ts';

const named = { name: z.string().min(1), project: z.string().optional() };
const Input = z.discriminatedUnion('action', [
  z.object({ action: z.literal('list') }),
  z.object({ action: z.literal('show'), ...named }),
  z.object({ action: z.literal('spec'), ...named, spec: TaskSpecInput }),
  z.object({ action: z.literal('hold_out'), ...named, checks: HeldOutInput }),
  z.object({ action: z.literal('submit'), ...named, ...SubmissionInput.shape }),
  z.object({ action: z.literal('lease'), ...named }),
  z.object({ action: z.literal('depend'), ...named, on: z.array(z.string().min(1)) }),
  z.object({
    action: z.literal('block'),
    ...named,
    owner: z.string().min(1),
    todo: z.string().min(1).max(300),
    recheckMinutes: z.number().positive().max(525_600).default(60),
  }),
  z.object({ action: z.literal('verdict'), ...VerdictInput.shape, layer: z.coerce.number().pipe(VerdictInput.shape.layer) }),
]);
const LISTED = 100;

export function createTaskTool({ store, config, clock }: AgentToolWorld): Tool {
  const policies = rolePolicies(config);
  const asker = ({ runId, agentId }: ToolContext): Asker => ({ actor: `run:${runId}`, runId, agentRole: roleOfAgent(config, agentId) });
  const act = async (asked: z.infer<typeof Input>, context: ToolContext): Promise<Record<string, unknown>> => {
    const { workspaceId, signal } = context;
    switch (asked.action) {
      case 'list': {
        const tasks = await store.call(listTasks, { workspaceId, limit: LISTED, open: true });
        return { tasks: tasks.map(({ name, project, title, state, owner, attempts }) => ({ name, project, title, state, owner, attempts })) };
      }
      case 'show':
        return brief(await store.call(proofPage, { workspaceId, ...ofTask(asked), by: asker(context) }));
      case 'spec': {
        const change = { workspaceId, ...ofTask(asked), spec: specFrom(asked.spec), by: asker(context), policies };
        return { status: 'ok', state: (await durably(store, specTask, change, signal)).state };
      }
      case 'lease': {
        const order = await store.call(workOrder, { workspaceId, ...ofTask(asked) });
        const notes = await store.call(progressOf, { workspaceId, task: order.task.name });
        const { actor } = asker(context);
        const request = workerRequest(order, config, { workspaceId, actor, notes });
        const lease = { workspaceId, name: order.task.id, by: asker(context), policies, attempts: order.task.attempts, request };
        const { task, childSessionKey, rule } = await durably(store, leaseTask, lease, signal);
        return {
          status: rule === null ? 'ok' : 'refused',
          state: task.state,
          ...(childSessionKey !== null && { childSessionKey }),
          ...(rule !== null && { rule }),
        };
      }
      case 'depend': {
        const { state } = await durably(store, dependTask, { workspaceId, ...ofTask(asked), on: asked.on, by: asker(context), policies }, signal);
        return { status: 'ok', state };
      }
      case 'block': {
        const blocked = { owner: asked.owner, action: asked.todo, recheckAt: clock.now() + asked.recheckMinutes * 60_000 };
        const move = {
          workspaceId,
          ...ofTask(asked),
          to: 'blocked',
          who: roleOfAgent(config, context.agentId) ?? 'an agent without a role',
          actor: asker(context).actor,
          policies,
          blocked,
        } as const;
        return { status: 'ok', state: (await durably(store, moveTask, move, signal)).state };
      }
      case 'hold_out': {
        const kept = { workspaceId, ...ofTask(asked), checks: asked.checks, by: asker(context), policies };
        return {
          status: 'ok',
          state: (await durably(store, holdOut, kept, signal)).state,
          note: 'The gateway runs them when the work is proved, and tells you what came of it.',
        };
      }
      case 'submit': {
        const submitted = { workspaceId, ...ofTask(asked), submission: submissionFrom(asked), claim: asked.claim, by: asker(context), policies };
        const { task } = await durably(store, submitTask, submitted, signal);
        return { status: 'ok', state: task.state, note: 'The gateway proves it now. You are told when a gate refutes it; done comes after all layers.' };
      }
      case 'verdict': {
        const { verdict, layer, commit, reason } = asked;
        const word = verdictWord(verdict);
        const judged = { workspaceId, ...ofTask(asked), layer, commit, reason, word, by: asker(context), isOneFamily: isOneFamily(config) };
        return { status: 'ok', word, state: (await durably(store, giveVerdict, judged, signal)).state };
      }
    }
  };
  return {
    spec: {
      name: 'task',
      about:
        'The tasks of the team. list; show one with its criteria, gates and verdicts; lease hands a ready one to a worker, whose order the gateway writes; depend says which tasks must be done before one (on: names); block names the owner and the action (owner, todo, recheckMinutes); submit your work for proof (base, red: the commit that adds the failing tests alone, green: the finished work, acToTests: the tests of each criterion by name); verdict on the work of others (layer 2 or 3, verdict PASS or FAIL, commit, reason); hold_out keeps checks (files, tests) that a validator writes from the criteria before it looks at the work; spec says what a task must prove.',
      schema: {
        type: 'object',
        required: ['action'],
        properties: {
          action: { type: 'string', enum: ['list', 'show', 'lease', 'depend', 'block', 'spec', 'submit', 'hold_out', 'verdict'] },
          name: { type: 'string', description: 'The task' },
          project: { type: 'string' },
          on: { type: 'array', items: { type: 'string' } },
          owner: { type: 'string' },
          todo: { type: 'string' },
          recheckMinutes: { type: 'number' },
          base: { type: 'string' },
          red: { type: 'string' },
          green: { type: 'string' },
          acToTests: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
          claim: { type: 'string', description: 'What you say about it. It proves nothing' },
          checks: { type: 'object', additionalProperties: true, description: 'hold_out: { files [{ path, text }], tests [names] }' },
          layer: { type: 'number' },
          verdict: { type: 'string' },
          commit: { type: 'string' },
          reason: { type: 'string' },
          spec: {
            type: 'object',
            additionalProperties: true,
            description: '{ repo, target, risk, paths, command { runner: node|vitest|jest|pytest|go|junit|tap, argv }, criteria [{ id, text }] }',
          },
        },
      },
      idempotent: true,
      parallel: false,
    },
    run: actingOn(Input, act),
  };
}

const ofTask = ({ name, project }: { readonly name: string; readonly project?: string | undefined }) => ({ name, ...(project !== undefined && { project }) });

/** What a worker or a judge must know; of older submissions only what became of them. */
function brief({ task, spec, requests, heldOut, isHidden }: ProofPage) {
  const latest = requests.at(-1);
  const { name, project, title, state, attempts, original, blocked } = task;
  return {
    task: { name, project, title, state, attempts, text: original, ...(blocked && { blocked }) },
    ...(spec && {
      repo: spec.repo,
      target: spec.policy.target,
      risk: spec.policy.risk,
      paths: spec.policy.paths,
      command: spec.policy.command,
      criteria: spec.criteria,
    }),
    ...(heldOut && { heldOutChecks: heldOut.checks }),
    ...(isHidden && { first: 'Write held-out checks from these criteria (hold_out). The work is shown to you afterwards.' }),
    earlier: requests
      .slice(0, -1)
      .map(({ submission, verdicts }) => ({ commit: submission.green, verdicts: verdicts.map(({ layer, word, reason }) => ({ layer, word, reason })) })),
    ...(latest && {
      submission: latest.submission,
      claimOfTheWorker: latest.claim,
      gates: latest.gates.map(({ gate, result, why }) => ({ gate, result, why })),
      verdicts: latest.verdicts.map(({ layer, word, reason }) => ({ layer, word, reason })),
    }),
  };
}
