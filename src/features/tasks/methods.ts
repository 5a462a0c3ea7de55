// What people can ask about tasks. Plans, stories and proofs come above them.

import { z } from 'zod';
import { ROLES } from '../../domain/role.ts';
import { TASK_STATES } from '../../domain/task.ts';
import { rolePolicies } from '../../domain/team.ts';
import { method } from '../../ports/method.ts';
import { progressOf } from '../workspace/versions.ts';
import { workerRequest } from './hand-out.ts';
import { budgetTask, leaseTask, workOrder } from './lease.ts';
import { addTask, getTask, listTasks, moveTask } from './ops.ts';
import type { TaskView } from './rows.ts';

const Task = z.custom<TaskView>();
const Named = { name: z.string().min(1).max(200).describe('The task by its name or id.'), project: z.string().max(80).optional() };

export const tasksList = method({
  name: 'tasks.list',
  scope: 'operator.read',
  about: 'The tasks of the team by project: those that are open, or all.',
  input: z.strictObject({ all: z.boolean().optional(), limit: z.int().min(1).max(5000).optional() }),
  output: z.object({ tasks: z.array(Task) }),
  run: async ({ store, workspaceId }, { all = false, limit = 1000 }) => ({ tasks: await store.call(listTasks, { workspaceId, limit, open: !all }) }),
});

export const tasksGet = method({
  name: 'tasks.get',
  scope: 'operator.read',
  about: 'One task with its text as it was written, and its latest progress note.',
  input: z.strictObject(Named),
  output: z.object({ task: Task, progress: z.object({ path: z.string(), text: z.string() }).nullable() }),
  run: async ({ store, workspaceId }, named) => {
    const task = await store.call(getTask, { workspaceId, ...named });
    return { task, progress: await store.call(progressOf, { workspaceId, task: task.name }) };
  },
});

export const tasksAdd = method({
  name: 'tasks.add',
  scope: 'operator.write',
  about: 'Adds a task that is ready to be done.',
  input: z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9][\w.-]{0,99}$/),
    project: z
      .string()
      .regex(/^[\p{L}\p{N}][\p{L}\p{N}_-]{0,79}$/u)
      .optional(),
    title: z.string().trim().min(1).max(300),
    text: z.string().max(20_000).optional(),
    owner: z.string().max(200).optional(),
  }),
  output: z.object({ task: Task }),
  run: async ({ store, workspaceId, principal }, { name, project = 'main', title, text, owner }) => ({
    task: await store.call(addTask, {
      workspaceId,
      actor: principal.actor,
      task: { name, project, title, owner: owner ?? null, said: null, state: 'ready', original: text ?? title },
    }),
  }),
});

export const tasksMove = method({
  name: 'tasks.move',
  scope: 'operator.write',
  about: 'Moves a task into another state, as the owner or with the rights of a role. Done is set by the gateway alone.',
  input: z.strictObject({
    ...Named,
    to: z.enum(TASK_STATES),
    as: z.enum(['human', ...ROLES]).optional(),
    blockedBy: z.strictObject({ owner: z.string().min(1), action: z.string().min(1), recheckMinutes: z.number().positive().max(525_600) }).optional(),
  }),
  output: z.object({ task: Task }),
  run: async ({ store, workspaceId, principal, gateway, clock }, { to, as = 'human', blockedBy, ...named }) => ({
    task: await store.call(moveTask, {
      workspaceId,
      ...named,
      to,
      who: as,
      actor: principal.actor,
      policies: rolePolicies(gateway.config().config),
      ...(blockedBy && { blocked: { owner: blockedBy.owner, action: blockedBy.action, recheckAt: clock.now() + blockedBy.recheckMinutes * 60_000 } }),
    }),
  }),
});

export const tasksLease = method({
  name: 'tasks.lease',
  scope: 'operator.write',
  about: 'Hands a ready task to a worker. The gateway writes its order from the specification and from what became of earlier attempts.',
  input: z.strictObject(Named),
  output: z.object({ task: Task, childSessionKey: z.string().nullable(), rule: z.string().nullable() }),
  run: async ({ store, workspaceId, principal, gateway }, named) => {
    const { config } = gateway.config();
    const order = await store.call(workOrder, { workspaceId, ...named });
    const notes = await store.call(progressOf, { workspaceId, task: order.task.name });
    const request = workerRequest(order, config, { workspaceId, actor: principal.actor, notes });
    const by = { actor: principal.actor, runId: null };
    return store.call(leaseTask, { workspaceId, name: order.task.id, by, policies: rolePolicies(config), attempts: order.task.attempts, request });
  },
});

export const tasksBudget = method({
  name: 'tasks.budget',
  scope: 'operator.write',
  about: 'Another budget for a task: most that all its attempts may spend. One that stood still for it goes on.',
  input: z.strictObject({ ...Named, usd: z.number().positive().optional(), tokens: z.int().positive().optional() }),
  output: z.object({ task: Task }),
  run: async ({ store, workspaceId, principal, gateway }, { usd, tokens, ...named }) => {
    const budget = { ...(usd !== undefined && { usd }), ...(tokens !== undefined && { tokens }) };
    const by = { actor: principal.actor, runId: null };
    return { task: await store.call(budgetTask, { workspaceId, ...named, by, policies: rolePolicies(gateway.config().config), budget }) };
  },
});
