// A worker on a machine of its own: reaches the store itself, takes runs of the workspaces it was given, streams through the store to gateways.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { storeOver } from '../adapters/store/engine.ts';
import { letGoOfLocks, takeLock } from '../adapters/store/lock.ts';
import { openPostgres } from '../adapters/store/postgres/engine.ts';
import type { Config } from '../domain/config.ts';
import type { SealedEvent } from '../domain/event.ts';
import { MAKES_WORK } from '../domain/run.ts';
import type { WorkerSettings, WorkerToGateway } from '../domain/worker-frame.ts';
import { followEvents, sealEvents } from '../features/events/ops.ts';
import { startKeeper } from '../features/nodes/keeper.ts';
import { beginNode, endNode } from '../features/nodes/ops.ts';
import { ops } from '../features/ops-catalog.ts';
import { getSetting, type Published } from '../features/settings/ops.ts';
import { beginWorker, endWorker } from '../features/workers/ops.ts';
import { createStoreClock, systemClock } from '../kit/clock.ts';
import { errorCode } from '../kit/fault.ts';
import { newId } from '../kit/id.ts';
import { openDailyLog } from '../kit/log.ts';
import { type Loop, startLoop } from '../kit/loop.ts';
import { killLeftover, startTimeOf } from '../kit/process-ref.ts';
import { createScrub } from '../kit/scrub.ts';
import { writeWhole } from '../kit/write-whole.ts';
import type { Store } from '../ports/store.ts';
import { type Environment, providerKeysIn } from './environment.ts';
import { CannotRun, databaseProblem, guarded, homeOf, hostOf, prepareState } from './state.ts';
import { VERSION } from './version.ts';
import { type RunningWorker, startWorker } from './worker-body.ts';

/** Hints may get lost. */
const READ_EVERY_MS = 10_000;

export interface DistantWorkerOptions {
  readonly environment: Environment;
  readonly url: string;
  /** Tells workers on one state folder apart. */
  readonly name: string;
  /** Where the files of each workspace are on this machine. */
  readonly workspaces: Readonly<Record<string, string>>;
}

export interface DistantWorker {
  readonly id: string;
  readonly logFile: () => string;
  readonly stop: () => Promise<void>;
}

/** @throws CannotRun with a sentence for the user */
export async function startDistantWorker({ environment, url, name, workspaces }: DistantWorkerOptions): Promise<DistantWorker> {
  const { stateDir, home, variables } = environment;
  prepareState(stateDir);
  takeName(join(stateDir, 'run', `worker-${name}.lock`), name);
  const clock = createStoreClock(systemClock);
  const providerKeys = providerKeysIn(variables);
  const password = new URL(url).password;
  const secrets = [...Object.values(providerKeys), ...(password === '' ? [] : [password, decodeURIComponent(password)])];
  const running = new Map<string, RunningWorker>();
  let reading: Loop | undefined;
  /** What the worker keeps of a workspace: permissions, attachments. */
  const homes = (workspaceId: string) => join(stateDir, 'workspaces', workspaceId);

  const onCommitted = (events: readonly SealedEvent[]) => {
    for (const { workspaceId, stream, body } of events) {
      const worker = running.get(workspaceId);
      if (MAKES_WORK.has(body.kind)) worker?.runner.wake();
      else if (body.kind === 'run.abort_requested') worker?.runner.abort(stream.slice('run:'.length));
    }
  };
  const onHint = (hint: Readonly<Record<string, unknown>>) => {
    if (hint['published'] !== undefined) reading?.poke();
  };
  const engine = await openPostgres({
    url,
    ops,
    seal: sealEvents,
    follow: followEvents,
    clock: systemClock,
    onCommitted,
    onHint,
    onClock: clock.setAhead,
  }).catch((error: unknown) => {
    throw databaseProblem(url, error);
  });
  const store = storeOver(engine);
  const configs = new Map<string, Config>();
  for (const id of Object.keys(workspaces)) configs.set(id, await readPublished(store, id, homes(id)));

  const [first = ''] = Object.keys(workspaces);
  const nodeId = newId('node', clock.now());
  const self = { pid: process.pid, pidStarted: startTimeOf(process.pid) };
  const birth = {
    ...self,
    workspaceId: first,
    nodeId,
    kind: 'worker' as const,
    home: `${homeOf(stateDir)}:${name}`,
    host: hostname(),
    url: null,
    version: VERSION,
  };
  const { leftovers } = await store.call(beginNode, birth);
  leftovers.forEach(killLeftover);

  const sendFrom = (workspaceId: string) => (frame: WorkerToGateway) => {
    if (frame.kind === 'delta' || frame.kind === 'tool') engine.tell({ workspaceId, frame });
  };
  const settingsOf = (workspaceId: string, workerId: string, config: Config): WorkerSettings => ({
    workspaceId,
    workerId,
    stateDir: homes(workspaceId),
    forbidden: [stateDir],
    config: placedAt(config, workspaces[workspaceId] ?? ''),
    secrets,
    providerKeys,
    home,
    logDir: join(stateDir, 'logs'),
  });
  for (const [workspaceId, config] of configs) {
    const workerId = newId('worker', clock.now());
    await store.call(beginWorker, { ...self, workspaceId, nodeId, workerId });
    running.set(workspaceId, await startWorker({ settings: settingsOf(workspaceId, workerId, config), store, clock, send: sendFrom(workspaceId) }));
  }
  const log = openDailyLog({ dir: join(stateDir, 'logs'), level: 'info', retentionDays: 14, scrub: createScrub(secrets, []), clock });
  const reread = async (): Promise<undefined> => {
    for (const [id, worker] of running) {
      const config = await readPublished(store, id, homes(id));
      if (JSON.stringify(config) === JSON.stringify(configs.get(id))) continue;
      configs.set(id, config);
      worker.reconfigure(settingsOf(id, worker.workerId, config));
    }
  };
  reading = startLoop({ name: 'published', everyMs: READ_EVERY_MS, run: reread, clock, log });
  const keeper = startKeeper({ workspaceId: first, nodeId, leases: [], store, clock, log, onGivenUp: () => undefined });
  log.info({ node: nodeId, database: hostOf(url), workspaces: Object.keys(workspaces) }, 'worker ready');

  return {
    id: nodeId,
    logFile: log.file,
    stop: async () => {
      const all = [...running.values()];
      await Promise.all(all.map(({ runner, drainMs }) => runner.drain(drainMs)));
      await Promise.all([keeper.stop(), reading?.stop()]);
      for (const { workerId } of all) await store.call(endWorker, { workerId, end: 'drained' });
      await store.call(endNode, { workspaceId: first, nodeId, pid: process.pid });
      await store.close();
      for (const worker of all) worker.abandon();
      log.flush();
      letGoOfLocks();
    },
  };
}

function takeName(path: string, name: string): void {
  try {
    takeLock(path);
  } catch (error) {
    if (errorCode(error) === 'LOCKED') throw new CannotRun(`a worker named "${name}" runs on this state folder already: give this one another --name`);
    guarded('take the name of this worker', () => {
      throw error;
    });
  }
}

/** The configuration, and the owner's standing permissions put where commands look for them. */
async function readPublished(store: Store, workspaceId: string, folder: string): Promise<Config> {
  const published = (await store.call(getSetting, { workspaceId, name: 'published' })) as Published | null; // by a gateway
  if (published === null) throw new CannotRun(`no gateway has served the workspace "${workspaceId}" on this database yet: start one first, and check the id`);
  guarded('keep the standing permissions', () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'exec-approvals.json');
    if (!existsSync(path) || readFileSync(path, 'utf8') !== published.execApprovals) writeWhole(path, published.execApprovals);
  });
  return published.config;
}

/** The configuration with the default agents' files where they are on this machine. */
function placedAt(config: Config, path: string): Config {
  return { ...config, agents: { ...config.agents, defaults: { ...config.agents.defaults, workspace: path } } };
}
