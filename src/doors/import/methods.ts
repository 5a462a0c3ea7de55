// import.run: what another installation holds is counted, then taken. The originals stay as they are, byte by byte.

import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { Config } from '../../domain/config.ts';
import { normaliseJob } from '../../domain/cron.ts';
import { fault } from '../../domain/fault-codes.ts';
import { rolePolicies } from '../../domain/team.ts';
import { readJob } from '../../features/cron/methods.ts';
import { listCronJobs, putCronJob } from '../../features/cron/ops.ts';
import { listDevices, pairDevice } from '../../features/devices/ops.ts';
import { takeMessages } from '../../features/inbox/ops.ts';
import { importSession } from '../../features/sessions/import.ts';
import { takeWorkFile } from '../../features/tasks/ops.ts';
import { noteBeats } from '../../features/tasks/tend.ts';
import { choosePhases } from '../../features/workspace/phases.ts';
import { keepVersion } from '../../features/workspace/versions.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { type MethodContext, method } from '../../ports/method.ts';
import { type Original, type Problem, readOriginal } from './original.ts';
import { readSharedFolder, type SharedFolder } from './shared-folder.ts';

const Problems = z.array(z.object({ path: z.string(), problem: z.string() }));
const BATCH = 100;
const LISTED = 200;
/** Sections that belong to an installation, not to its owner. */
const NOT_TAKEN = new Set(['gateway', 'meta', 'wizard', 'logging', 'workspaces', 'store']);

interface Count {
  readonly found: number;
  /** Left out in a dry run. */
  taken?: number;
}

export const importRun = method({
  name: 'import.run',
  scope: 'operator.admin',
  about:
    'Takes over what the original gateway and its team left in two folders: configuration, jobs, sessions, devices, approvals, mail, tasks, notes, heartbeats. dryRun only counts. Nothing there is changed; doing it again adds what is new.',
  input: z.strictObject({ stateDir: z.string().min(1).optional(), workspace: z.string().min(1).optional(), dryRun: z.boolean().optional() }),
  output: z.object({
    dryRun: z.boolean(),
    counts: z.record(z.string(), z.object({ found: z.number(), taken: z.number().optional() })),
    repaired: Problems,
    unreadable: Problems,
    lostRequests: z.array(z.string()),
    orphanResponses: z.array(z.string()),
    kept: z.string().optional(),
    notes: z.array(z.string()),
  }),
  run: async (context, { stateDir, workspace, dryRun = false }) => {
    if (stateDir === undefined && workspace === undefined) throw fault('request.refused', { reason: 'name a state folder, a workspace, or both' });
    for (const path of [stateDir, workspace])
      if (path !== undefined && !isFolder(path)) throw fault('request.refused', { reason: `there is no folder ${path}` });
    const { config } = context.gateway.config();
    const original = stateDir === undefined ? undefined : readOriginal(resolve(stateDir));
    const shared = workspace === undefined ? undefined : readSharedFolder(resolve(workspace), config);
    const counts: Record<string, Count> = {
      ...(original && {
        'configuration keys': { found: missingKeys(original, context).length },
        jobs: { found: original.jobs.length },
        sessions: { found: original.sessionCount },
        devices: { found: original.devices.length },
        'credential and approval files': { found: original.files.length },
      }),
      ...(shared && {
        messages: { found: shared.messages.length },
        tasks: { found: shared.lists.reduce((sum, { tasks }) => sum + tasks.length, 0) },
        'progress notes': { found: shared.notes.length },
        heartbeats: { found: shared.heartbeats.length },
      }),
    };
    const notes: string[] = [];
    const unreadable: Problem[] = [...(original?.unreadable ?? []), ...(shared?.unreadable ?? [])];
    let kept: string | undefined;
    if (!dryRun) {
      if (original && stateDir !== undefined) {
        kept = keepOriginals(context, resolve(stateDir), original);
        await takeOriginal(context, resolve(stateDir), original, counts, unreadable, notes);
      }
      if (shared) await takeShared(context, shared, counts);
    } else if (original) for (const _session of original.sessions()); // their transcripts may have something to repair
    return {
      dryRun,
      counts,
      repaired: (original?.repaired ?? []).slice(0, LISTED),
      unreadable: unreadable.slice(0, LISTED),
      lostRequests: [...(shared?.openRequests ?? [])].slice(0, LISTED),
      orphanResponses: [...(shared?.orphanResponses ?? [])].slice(0, LISTED),
      ...(kept !== undefined && { kept }),
      notes,
    };
  },
});

/** Sections of the original's configuration that ours does not have. */
function missingKeys({ config }: Original, { gateway }: MethodContext): string[] {
  const own = (gateway.config().parsed ?? {}) as Readonly<Record<string, unknown>>; // an object, or it would not run
  return Object.keys(config ?? {}).filter((key) => !NOT_TAKEN.has(key) && !(key in own));
}

/** Where our own state folder is the original's, its files are doors from now on: the first ones are kept. */
function keepOriginals({ gateway, clock }: MethodContext, stateDir: string, { files }: Original): string | undefined {
  if (stateDir !== resolve(gateway.stateDir)) return undefined;
  const to = join(stateDir, 'imported', new Date(clock.now()).toISOString().replace(/[:.]/g, '-'));
  const paths = ['clawdbot.json', 'cron/jobs.json', 'devices/paired.json', ...files].filter((path) => existsSync(join(stateDir, path)));
  for (const path of paths) {
    mkdirSync(dirname(join(to, path)), { recursive: true, mode: 0o700 });
    copyFileSync(join(stateDir, path), join(to, path));
  }
  return to;
}

async function takeOriginal(
  context: MethodContext,
  stateDir: string,
  original: Original,
  counts: Record<string, Count>,
  unreadable: Problem[],
  notes: string[],
): Promise<void> {
  const { gateway, store, workspaceId, principal } = context;
  const took = (what: string, taken: number) => {
    counts[what] = { found: counts[what]?.found ?? 0, taken };
  };
  const isOwn = stateDir === resolve(gateway.stateDir);

  const keys = isOwn ? [] : missingKeys(original, context);
  const patch = Object.fromEntries(keys.map((key) => [key, original.config?.[key]]));
  let takenKeys = 0;
  for (const [key, value] of Object.entries(patch)) {
    try {
      gateway.configFile.write({ kind: 'merge', patch: { [key]: value } }, { actor: principal.actor, note: `imported from ${stateDir}` });
      takenKeys += 1;
    } catch (error) {
      unreadable.push({ path: `clawdbot.json: ${key}`, problem: messageOf(error) });
    }
  }
  took('configuration keys', takenKeys);

  let copied = 0;
  for (const path of isOwn ? [] : original.files) {
    const to = join(gateway.stateDir, path);
    if (existsSync(to)) {
      notes.push(`${path} is there already: ours stays`);
      continue;
    }
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    copyFileSync(join(stateDir, path), to);
    copied += 1;
  }
  took('credential and approval files', copied);

  const { config } = gateway.config();
  const hadJobs = (await store.call(listCronJobs, { workspaceId })).length > 0;
  const jobs = await takeJobs(context, config, original, unreadable);
  took('jobs', jobs);
  if (jobs > 0 && !hadJobs && !isOwn) {
    await store.call(choosePhases, { workspaceId, actor: principal.actor, chosen: { cron: 'observe' }, hasTraffic: gateway.team().exists });
    notes.push('the jobs do not run here yet, so that nothing runs twice while the original is on: clawdbot workspace phase cron on');
  }

  const known = new Set((await store.call(listDevices, { workspaceId })).paired.map(({ device }) => device.id));
  const fresh = original.devices.filter(({ deviceId }) => !known.has(deviceId));
  for (const device of fresh) await store.call(pairDevice, { workspaceId, actor: principal.actor, ...device });
  took('devices', fresh.length);
  if (fresh.length > 0) notes.push('devices keep what they were granted; each gets a new token when it next connects with the shared one');

  let sessions = 0;
  for (const session of original.sessions()) {
    const { fate } = await store.call(importSession, { workspaceId, session });
    if (fate === 'new' || fate === 'grown') sessions += 1;
    if (fate === 'used') notes.push(`session ${session.key} went on here: later lines of the original are not taken`);
  }
  took('sessions', sessions);
}

async function takeJobs({ store, workspaceId, principal, clock }: MethodContext, config: Config, { jobs }: Original, unreadable: Problem[]): Promise<number> {
  const known = new Set((await store.call(listCronJobs, { workspaceId })).map(({ id }) => id));
  let taken = 0;
  for (const job of jobs) {
    const id = typeof job['id'] === 'string' ? job['id'] : undefined;
    if (id === undefined || known.has(id)) continue;
    const { state, createdAtMs, updatedAtMs: _updated, ...written } = job;
    const lastRun = (state as { lastRunAtMs?: unknown } | undefined)?.lastRunAtMs; // only a number is taken
    try {
      const spec = readJob(normaliseJob(written), config, clock.now());
      await store.call(putCronJob, {
        workspaceId,
        actor: principal.actor,
        id,
        spec,
        restart: false,
        onlyNew: true,
        ...(typeof lastRun === 'number' && { cursor: lastRun }),
        ...(typeof createdAtMs === 'number' && { createdAt: createdAtMs }),
      });
      taken += 1;
    } catch (error) {
      if (!isFault(error)) throw error;
      unreadable.push({ path: `cron/jobs.json: ${String(job['name'] ?? id)}`, problem: error.message });
    }
  }
  return taken;
}

async function takeShared({ gateway, store, workspaceId }: MethodContext, shared: SharedFolder, counts: Record<string, Count>): Promise<void> {
  const took = (what: string, taken: number) => {
    counts[what] = { found: counts[what]?.found ?? 0, taken };
  };
  let messages = 0;
  for (let from = 0; from < shared.messages.length; from += BATCH) {
    const taken = await store.call(takeMessages, { workspaceId, messages: shared.messages.slice(from, from + BATCH) });
    messages += taken.filter(({ fate }) => fate !== 'duplicate').length;
  }
  took('messages', messages);

  let tasks = 0;
  for (const { path, text, tasks: written } of shared.lists) {
    const policies = rolePolicies(gateway.config().config);
    const { added, moved } = await store.call(takeWorkFile, { workspaceId, path, text, actor: 'import', tasks: written, writer: null, policies });
    tasks += added + moved;
  }
  took('tasks', tasks);

  let notes = 0;
  for (const note of shared.notes) if ((await store.call(keepVersion, { workspaceId, ...note, actor: 'import' })).isNew) notes += 1;
  took('progress notes', notes);
  await store.call(noteBeats, { workspaceId, seen: shared.heartbeats });
  took('heartbeats', shared.heartbeats.length);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
