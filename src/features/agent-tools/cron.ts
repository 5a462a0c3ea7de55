// cron: an agent plans its own work, reminders among it. It sees and changes the jobs of its own agent only.

import { z } from 'zod';
import { defaultAgentId } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { isFault } from '../../kit/fault.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { addJob, cronHome, shownJob, slotEntry, updateJob } from '../cron/methods.ts';
import { cronSlots, getCronJob, listCronJobs, nextCronSlot, removeCronJob, runCronJob } from '../cron/ops.ts';
import { wakeSession } from '../heartbeats/ops.ts';
import { type AgentToolWorld, answer, refuse } from './world.ts';

const Input = z.looseObject({
  action: z.enum(['status', 'list', 'add', 'update', 'remove', 'run', 'runs', 'wake']),
  job: z.record(z.string(), z.unknown()).optional(),
  jobId: z.string().min(1).optional(),
  id: z.string().min(1).optional(),
  patch: z.record(z.string(), z.unknown()).optional(),
  text: z.string().optional(),
  mode: z.enum(['now', 'next-heartbeat', 'due', 'force']).optional(),
  includeDisabled: z.boolean().optional(),
});
type Asked = z.infer<typeof Input>;

/** An agent that plans its own work must not fill the calendar. */
const MOST_JOBS = 100;

export function createCronTool(world: AgentToolWorld): Tool {
  return {
    spec: {
      name: 'cron',
      about:
        'Plan work for later: reminders and repeated jobs. add takes job { name, schedule { kind: at|every|cron, atMs|everyMs|expr, tz }, sessionTarget: main|isolated, payload { kind: systemEvent, text } for main or { kind: agentTurn, message } for isolated }.',
      schema: {
        type: 'object',
        required: ['action'],
        properties: {
          action: { type: 'string', enum: ['status', 'list', 'add', 'update', 'remove', 'run', 'runs', 'wake'] },
          job: { type: 'object', additionalProperties: true },
          jobId: { type: 'string', description: 'Id or name of a job' },
          id: { type: 'string' },
          patch: { type: 'object', additionalProperties: true },
          text: { type: 'string', description: 'For wake: what the main session is told' },
          mode: { type: 'string', description: 'wake: now or next-heartbeat; run: due or force' },
          includeDisabled: { type: 'boolean' },
        },
      },
      idempotent: false,
      parallel: false,
    },
    run: async (input, context) => {
      const parsed = Input.safeParse(input);
      if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
      try {
        return answer(await act(world, parsed.data, context));
      } catch (error) {
        return refuse(error, isFault(error));
      }
    },
  };
}

async function act(world: AgentToolWorld, asked: Asked, context: ToolContext): Promise<Record<string, unknown>> {
  const { store, config, clock } = world;
  const { workspaceId, agentId, runId, callId } = context;
  const actor = `run:${runId}`;
  const asker = { store, workspaceId, actor, config, now: clock.now() };
  const isOwn = (job: { readonly spec: { readonly agentId?: string | undefined } }) => (job.spec.agentId ?? defaultAgentId(config)) === agentId;
  const own = async () => {
    const job = await store.call(getCronJob, { workspaceId, name: nameOf(asked) });
    if (!isOwn(job)) throw fault('cron.unknown', { id: nameOf(asked) });
    return job;
  };
  switch (asked.action) {
    case 'status':
      return { enabled: config.cron.enabled, ...(await store.call(nextCronSlot, { workspaceId })) };
    case 'list': {
      const jobs = await store.call(listCronJobs, { workspaceId });
      return { jobs: jobs.filter((job) => isOwn(job) && (job.enabled || asked.includeDisabled === true)).map(shownJob) };
    }
    case 'add': {
      const jobs = await store.call(listCronJobs, { workspaceId });
      if (jobs.filter(isOwn).length >= MOST_JOBS)
        throw fault('request.refused', { reason: `there are ${MOST_JOBS} jobs of this agent already: remove some first` });
      return addJob(asker, { ...(asked.job ?? {}), agentId });
    }
    case 'update':
      return updateJob(asker, (await own()).id, { ...(asked.patch ?? {}), agentId });
    case 'remove':
      return { ok: true, removed: await store.call(removeCronJob, { workspaceId, name: (await own()).id, actor }) };
    case 'run': {
      const forced = await store.call(runCronJob, { home: cronHome(config, workspaceId), name: (await own()).id, force: asked.mode === 'force', actor });
      return { ok: true, ...forced, ...(!forced.ran && { reason: 'not-due' }) };
    }
    case 'runs': {
      const { job, slots } = await store.call(cronSlots, { workspaceId, name: (await own()).id, limit: 20 });
      return { entries: slots.filter(({ endedAt }) => endedAt !== null).map((slot) => slotEntry(job, slot)) };
    }
    case 'wake': {
      const text = asked.text?.trim() ?? '';
      if (text === '') throw fault('request.refused', { reason: 'text required' });
      const now =
        asked.mode === 'now' ? { runKey: sha256Hex(`wake ${runId} ${callId}`).slice(0, 32), timeoutMs: config.agents.defaults.timeoutSeconds * 1000 } : null;
      await store.call(wakeSession, { workspaceId, actor, sessionKey: `agent:${agentId}:${config.session.mainKey}`, agentId, text, now });
      return { ok: true };
    }
  }
}

function nameOf({ jobId, id }: Asked): string {
  const name = jobId ?? id;
  if (name === undefined) throw fault('request.refused', { reason: 'jobId required' });
  return name;
}
