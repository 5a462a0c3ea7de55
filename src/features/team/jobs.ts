// The jobs of a team: made once, and moved when the owner gives a role another schedule.

import { agentIds, type Config } from '../../domain/config.ts';
import { roleOfAgent, rolePolicy, usesBuiltInModels } from '../../domain/team.ts';
import { isFault } from '../../kit/fault.ts';
import { uuidOf } from '../../kit/id.ts';
import type { Store } from '../../ports/store.ts';
import { readJob } from '../cron/methods.ts';
import { listCronJobs, putCronJob } from '../cron/ops.ts';
import { TEAM_JOBS } from './identities.ts';

interface TeamJobs {
  readonly store: Store;
  readonly workspaceId: string;
  readonly config: Config;
  readonly now: number;
}

const ACTOR = 'team';
const idOf = (workspaceId: string, name: string) => uuidOf(`${workspaceId} team job ${name}`);

/** Adds the jobs that are not there; one that somebody removed stays removed. Answers the names of those added. */
export async function addTeamJobs({ store, workspaceId, config, now }: TeamJobs): Promise<string[]> {
  const known = new Set((await store.call(listCronJobs, { workspaceId })).map(({ spec }) => spec.name));
  const added: string[] = [];
  for (const { name, role, expr, onlyIf, message, model } of TEAM_JOBS) {
    const schedule = expr ?? (role && rolePolicy(config, role).schedule);
    if (known.has(name) || !schedule) continue;
    const agentId = role === null ? undefined : agentIds(config).find((id) => roleOfAgent(config, id) === role);
    const payload = { kind: 'agentTurn', message, ...(model !== undefined && usesBuiltInModels(config) && { model }) };
    const job = {
      name,
      schedule: { kind: 'cron', expr: schedule },
      bySchedule: schedule,
      sessionTarget: 'isolated',
      payload,
      onlyIf,
      ...(agentId !== undefined && { agentId }),
    };
    try {
      await store.call(putCronJob, { workspaceId, actor: ACTOR, id: idOf(workspaceId, name), spec: readJob(job, config, now), restart: true });
      added.push(name);
    } catch (error) {
      if (!isFault(error, 'cron.removed')) throw error;
    }
  }
  return added;
}

/** Jobs follow a schedule that the policy has changed; one that was changed by hand since stays until the policy changes again. */
export async function followSchedules({ store, workspaceId, config, now }: TeamJobs): Promise<void> {
  const jobs = new Map((await store.call(listCronJobs, { workspaceId })).map((job) => [job.id, job]));
  for (const { name, role, expr } of TEAM_JOBS) {
    const schedule = expr === undefined && role !== null ? rolePolicy(config, role).schedule : undefined;
    const job = jobs.get(idOf(workspaceId, name));
    if (!job || schedule === undefined || job.spec['bySchedule'] === schedule) continue;
    const spec = readJob({ ...job.spec, enabled: job.enabled, schedule: { kind: 'cron', expr: schedule }, bySchedule: schedule }, config, now);
    await store.call(putCronJob, { workspaceId, actor: ACTOR, id: job.id, spec, restart: true });
  }
}
