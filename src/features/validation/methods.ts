// What people can do about the proof of a task. Agents do the same with their task tool, with the rights of their role.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import { GATES, type Gate } from '../../domain/proof.ts';
import { rolePolicies } from '../../domain/team.ts';
import { VERDICT_WORDS, type VerdictWord, verdictWord } from '../../domain/trust.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { NEVER_MS, waitForEnd } from '../runs/wait.ts';
import type { TaskView } from '../tasks/rows.ts';
import { isOneFamily } from './families.ts';
import { holdOut } from './held-out.ts';
import { type ProofPage, proofPage } from './page.ts';
import { specTask, submitTask } from './proving.ts';
import { type Replay, replayProof } from './replay.ts';
import type { Asker } from './rows.ts';
import { Commit, HeldOutInput, SubmissionInput, specFrom, submissionFrom, TaskSpecInput } from './spec.ts';
import { giveVerdict } from './verdicts.ts';
import { waiveGate } from './waivers.ts';

const Task = z.custom<TaskView>();
const Named = { name: z.string().min(1).max(200).describe('The task by its name or id.'), project: z.string().max(80).optional() };

export const VerdictInput = z.strictObject({
  ...Named,
  layer: z.union([z.literal(2), z.literal(3)]),
  verdict: z
    .string()
    .min(1)
    .max(60)
    .describe(`${VERDICT_WORDS.filter((word) => word !== 'WAIVED').join(', ')}. Whatever is no plain PASS completes nothing.`),
  commit: Commit.describe('The commit that was looked at.'),
  reason: z.string().trim().min(1).max(4000),
});

const person = ({ principal }: MethodContext): Asker => ({ actor: principal.actor, runId: null });

export const tasksSpec = method({
  name: 'tasks.spec',
  scope: 'operator.write',
  about: 'Says what a task must prove, and in which repository. Another specification voids what was judged before.',
  input: z.strictObject({ ...Named, spec: TaskSpecInput }),
  output: z.object({ task: Task }),
  run: async (context, { spec, ...named }) => {
    const { store, workspaceId, gateway } = context;
    return {
      task: await store.call(specTask, { workspaceId, ...named, spec: specFrom(spec), by: person(context), policies: rolePolicies(gateway.config().config) }),
    };
  },
});

export const tasksSubmit = method({
  name: 'tasks.submit',
  scope: 'operator.write',
  about: 'Submits work for proof: commits and the tests of each criterion. What comes of it is decided by the gates.',
  input: z.strictObject({ ...Named, ...SubmissionInput.shape }),
  output: z.object({ task: Task, requestId: z.string() }),
  run: async (context, { name, project, ...input }) => {
    const { store, workspaceId, gateway } = context;
    const named = { name, ...(project !== undefined && { project }) };
    return store.call(submitTask, {
      workspaceId,
      ...named,
      submission: submissionFrom(input),
      claim: input.claim,
      by: person(context),
      policies: rolePolicies(gateway.config().config),
    });
  },
});

export const tasksVerdict = method({
  name: 'tasks.verdict',
  scope: 'operator.approvals',
  about: 'Gives the verdict of layer 2 or 3 on a commit that layer 0 has proved.',
  input: VerdictInput,
  output: z.object({ task: Task, word: z.custom<VerdictWord>() }),
  run: async (context, { verdict, ...asked }) => {
    const { store, workspaceId, gateway } = context;
    const word = verdictWord(verdict);
    const task = await store.call(giveVerdict, { workspaceId, ...asked, word, by: person(context), isOneFamily: isOneFamily(gateway.config().config) });
    return { task, word };
  },
});

export const tasksHoldOut = method({
  name: 'tasks.holdOut',
  scope: 'operator.approvals',
  about: 'Keeps checks that the worker never sees. The gateway runs them at the finished work and without it.',
  input: z.strictObject({ ...Named, checks: HeldOutInput }),
  output: z.object({ task: Task }),
  run: async (context, named) => {
    const { store, workspaceId, gateway } = context;
    return { task: await store.call(holdOut, { workspaceId, ...named, by: person(context), policies: rolePolicies(gateway.config().config) }) };
  },
});

export const tasksWaive = method({
  name: 'tasks.waive',
  scope: 'operator.approvals',
  about: 'Lets a gate fail for a task, for a reason and a time. Only a human can, and the page of the proof says so.',
  input: z.strictObject({
    ...Named,
    gate: z.enum(Object.keys(GATES) as [Gate, ...Gate[]]), // the keys of a record of gates
    reason: z.string().trim().min(1).max(1000),
    hours: z.number().positive().max(8760).default(24).describe('How long it holds.'),
  }),
  output: z.object({ task: Task }),
  run: async ({ store, workspaceId, principal, clock }, { gate, reason, hours, ...named }) => {
    const waiver = { gate, reason, until: clock.now() + hours * 3_600_000, actor: principal.actor };
    return { task: await store.call(waiveGate, { workspaceId, ...named, waiver }) };
  },
});

export const proofReplay = method({
  name: 'proof.replay',
  scope: 'operator.write',
  about: 'Runs the proof of a task again from nothing and compares each gate with what was recorded. It changes nothing.',
  input: z.strictObject(Named),
  output: z.object({ same: z.boolean(), gates: z.array(z.object({ gate: z.string(), before: z.string(), again: z.string(), why: z.string() })) }),
  run: async (context, named) => {
    const { store, workspaceId } = context;
    const { runKey } = await store.call(replayProof, { workspaceId, ...named });
    const run = await waitForEnd(context, runKey, NEVER_MS);
    if (run?.state !== 'succeeded') throw fault('proof.stalled', { why: run?.outcome?.text ?? 'it did not end' });
    return JSON.parse(run.outcome?.text ?? '') as Replay; // written by settleReplay
  },
});

export const proofShow = method({
  name: 'proof.show',
  scope: 'operator.read',
  about: 'All that was submitted, proved and judged of a task, oldest first.',
  input: z.strictObject(Named),
  output: z.custom<ProofPage>(),
  run: ({ store, workspaceId }, named) => store.call(proofPage, { workspaceId, ...named }),
});
