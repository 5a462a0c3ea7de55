// The gateway process: composition root. Opens the state, settles what a predecessor left, then opens the doors.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { loadConfig } from '../adapters/config/load.ts';
import { createSandboxPicker, describeSandbox, type SandboxPicker } from '../adapters/sandbox/catalog.ts';
import type { LoadedConfig } from '../domain/config.ts';
import type { RunEnded, SealedEvent } from '../domain/event.ts';
import { laneLimits } from '../domain/lane.ts';
import { sandboxChoice } from '../domain/tool.ts';
import type { WorkerToGateway } from '../domain/worker-frame.ts';
import { WORKSPACE_ID } from '../domain/workspace.ts';
import { createHttpDoor } from '../doors/http.ts';
import { listen } from '../doors/listen.ts';
import { protocolMethods } from '../doors/protocol3/methods.ts';
import { createPresence } from '../doors/protocol3/presence.ts';
import { createRunEvents } from '../doors/protocol3/run-events.ts';
import { createRpc } from '../doors/rpc.ts';
import { createWsDoor } from '../doors/ws.ts';
import { methods } from '../features/catalog.ts';
import { healthBody } from '../features/health/methods.ts';
import { laneLoads, setLanes } from '../features/runs/ops.ts';
import { startReaper } from '../features/runs/reaper.ts';
import { beginGateway, beginWorker, endGateway, endWorker } from '../features/workers/ops.ts';
import { systemClock } from '../kit/clock.ts';
import { errorCode, messageOf } from '../kit/fault.ts';
import { newId } from '../kit/id.ts';
import { type DailyLog, openDailyLog } from '../kit/log.ts';
import { createMetrics, observe } from '../kit/metrics.ts';
import { killLeftover, startTimeOf } from '../kit/process-ref.ts';
import { createScrub } from '../kit/scrub.ts';
import type { Gateway } from '../ports/method.ts';
import { createEndWaiters } from './end-waiters.ts';
import type { Environment } from './environment.ts';
import { createHealthSnapshot } from './health-snapshot.ts';
import { chooseLogDir } from './log-dir.ts';
import { gatherSecrets } from './secrets.ts';
import { CannotRun, guarded, openStore, prepareState } from './state.ts';
import { VERSION } from './version.ts';
import { startWorkerPool } from './worker-pool.ts';

const LOOP_DELAY_RESOLUTION_MS = 100;

export interface GatewayOptions {
  readonly environment: Environment;
  readonly port?: number;
  readonly bind?: 'loopback' | 'lan';
  /** Worker processes to keep warm. */
  readonly workers?: number;
}

export interface RunningGateway {
  readonly port: number;
  readonly url: string;
  readonly config: () => LoadedConfig;
  readonly logFile: () => string;
  readonly workers: () => readonly { readonly id: string; readonly pid: number }[];
  readonly stop: (reason: string) => Promise<void>;
}

/** Starts everything. @throws CannotRun with a sentence for the user */
export async function startGateway({ environment, port, bind, workers = 1 }: GatewayOptions): Promise<RunningGateway> {
  const clock = systemClock;
  const { stateDir, home } = environment;
  prepareState(stateDir);
  const startedAt = clock.now();
  const gatewayId = newId('gw', startedAt);
  const loaded = guarded('read the configuration', () => loadConfig({ path: environment.configPath, stateDir, variables: environment.variables }));
  const { config } = loaded;
  const secrets = gatherSecrets(config, environment);
  const scrub = createScrub(
    secrets.all,
    config.logging.redactPatterns.map((source) => new RegExp(source, 'g')),
  );
  const logDir = guarded('open the log folder', () => chooseLogDir({ configured: config.logging.dir, stateDir, defaultState: environment.defaultState }));
  const log = openDailyLog({ dir: logDir, level: config.logging.level, retentionDays: config.logging.retentionDays, scrub, clock });
  const metrics = createMetrics();
  const endWaiters = createEndWaiters();
  const presence = createPresence({ clock, version: environment.version ?? VERSION });

  const runEvents = createRunEvents({ clock, broadcast: (event, payload, options) => ws.broadcast(event, payload, options) });
  const onEvents = (events: readonly SealedEvent[]) => {
    health.dirty();
    for (const event of events) {
      runEvents.onEvent(event);
      if (event.body.kind === 'run.ended') {
        metrics.runsEnded.inc({ state: event.body.state });
        if (event.runKey !== null) endWaiters.ended(event.runKey, event.body satisfies RunEnded);
      }
    }
  };
  // The store may tell of events before the doors stand: those wait.
  const early: SealedEvent[] = [];
  let hear = (events: readonly SealedEvent[]): void => {
    early.push(...events);
  };
  const onLost = () => {
    log.error({}, 'the store thread ended unexpectedly: the gateway stops, the next start goes on from what is durable');
    log.flush();
    process.exit(1);
  };
  const onTimed = (op: string, ok: boolean, seconds: number) => metrics.storeOps.observe({ op, ok: String(ok) }, seconds);
  const { store, socketPath } = await openStore(stateDir, { onEvents: (events) => hear(events), onLost }, onTimed);
  const pickSandbox = createLazySandbox();

  const { leftovers, resumed } = await store.call(beginGateway, {
    workspaceId: WORKSPACE_ID,
    gatewayId,
    pid: process.pid,
    pidStarted: startTimeOf(process.pid),
  });
  const killed = leftovers.filter(killLeftover).length;
  if (leftovers.length > 0)
    log.info({ leftovers: leftovers.length, killed, resumed }, 'settled what the last gateway left: its runs go on from their last durable step');
  await store.call(setLanes, { workspaceId: WORKSPACE_ID, slots: laneLimits(config) });

  const onFrame = (frame: WorkerToGateway) => {
    if (frame.kind === 'delta') runEvents.onDelta(frame);
    else if (frame.kind === 'tool') runEvents.onTool(frame);
    else if (frame.kind === 'stats') for (const observation of frame.observations) observe(metrics, observation);
    else {
      ready.worker = true;
      health.dirty();
    }
  };
  const ready = { worker: false, stopping: false };
  const pool = startWorkerPool({
    count: workers,
    clock,
    log,
    onFrame,
    settings: { storeSocket: socketPath, stateDir, config, secrets: secrets.all, providerKeys: secrets.providerKeys, home, logDir },
    onBorn: async ({ workerId, credential, pid, pidStarted }) => {
      store.admit(workerId, credential);
      await store.call(beginWorker, { workspaceId: WORKSPACE_ID, gatewayId, workerId, pid, pidStarted });
    },
    onGone: async (workerId, end) => {
      if (end === 'died') metrics.workerDeaths.inc();
      store.dismiss(workerId);
      const { leftovers: processes, requeued } = await store.call(endWorker, { workerId, end });
      processes.forEach(killLeftover);
      if (requeued > 0) log.info({ worker: workerId, requeued }, 'runs of a gone worker are queued again');
    },
  });

  const gateway: Gateway = {
    version: environment.version ?? VERSION,
    pid: process.pid,
    startedAt,
    stateDir,
    config: () => loaded,
    logFile: log.file,
    presence: presence.list,
    sandbox: (agentId) => pickSandbox.describe(agentId, loaded),
    workers: pool.list,
    abortLive: pool.abort,
    whenEnded: endWaiters.whenEnded,
    healthBody: () => health.body(),
  };
  const world = { store, gateway, clock };
  const health = createHealthSnapshot(() => healthBody({ ...world, workspaceId: WORKSPACE_ID }), clock.now);
  const rpc = createRpc({ methods: [...protocolMethods(runEvents), ...methods], world, log, metrics });
  const sharedSecrets = () => secrets.shared;
  const ws = createWsDoor({
    rpc,
    presence,
    clock,
    log,
    metrics,
    handshake: { store, clock, workspaceId: WORKSPACE_ID, secrets: sharedSecrets, gatewaySecret: secrets.devices },
    helloParts: async () => ({
      server: { version: gateway.version, host: presence.list()[0]?.['host'] },
      health: `{"ok":true,"ts":${clock.now()},"durationMs":0,${await health.body()}}`,
      snapshot: helloSnapshot(loaded, stateDir, clock.now() - startedAt),
    }),
  });

  hear = onEvents;
  onEvents(early);

  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  loopDelay.enable();
  const allowedOrigins = () => config.gateway.allowedOrigins;
  const app = createHttpDoor({
    rpc,
    workspaceId: WORKSPACE_ID,
    secrets: sharedSecrets,
    allowedOrigins,
    metrics,
    readiness: () => ({ ready: ready.worker && !ready.stopping, waitingFor: ready.stopping ? ['stopping'] : ready.worker ? [] : ['worker'] }),
    beforeScrape: async () => {
      for (const { name, queued, active } of await store.call(laneLoads, { workspaceId: WORKSPACE_ID })) {
        metrics.runsQueued.set({ lane: name }, queued);
        metrics.runsActive.set({ lane: name }, active);
      }
      for (const quantile of [50, 99]) metrics.loopDelay.set({ quantile: String(quantile / 100) }, loopDelay.percentile(quantile) / 1e9);
      loopDelay.reset();
    },
  });
  const wantedPort = port ?? environment.port ?? config.gateway.port;
  const listening = await listen({ app, ws, hosts: hostsOf(bind ?? config.gateway.bind), port: wantedPort, allowedOrigins }).catch(async (error: unknown) => {
    await pool.drain(0);
    await store.close();
    throw new CannotRun(portProblem(wantedPort, error));
  });
  writeFileSync(
    join(stateDir, 'gateway.json'),
    JSON.stringify({ pid: process.pid, pidStarted: startTimeOf(process.pid), port: listening.port, startedAt, version: gateway.version }),
    { mode: 0o600 },
  );
  const reaper = startReaper({ workspaceId: WORKSPACE_ID, store, clock, log, onHung: pool.kill });
  report(log, loaded, listening.port);

  const stop = async (reason: string) => {
    ready.stopping = true;
    log.info({ reason }, 'stopping');
    ws.close(reason);
    await reaper.stop();
    await pool.drain(config.gateway.drainSeconds * 1000);
    listening.close();
    ws.terminate();
    await store
      .call(endGateway, { workspaceId: WORKSPACE_ID, gatewayId, pid: process.pid })
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'the stop could not be recorded'));
    await store.close();
    loopDelay.disable();
    log.info({}, 'stopped');
    log.flush();
  };
  return { port: listening.port, url: `ws://127.0.0.1:${listening.port}`, config: () => loaded, logFile: log.file, workers: pool.list, stop };
}

function portProblem(port: number, error: unknown): string {
  if (errorCode(error) !== 'EADDRINUSE') return `cannot listen on port ${port}: ${messageOf(error)}`;
  return `port ${port} is in use: another program, or another gateway, listens there. Stop it or choose another port with --port or gateway.port`;
}

function hostsOf(bind: string): readonly string[] {
  return bind === 'lan' ? ['0.0.0.0', '::'] : ['127.0.0.1', '::1'];
}

/** Probed in the background: a start does not wait for it. */
function createLazySandbox() {
  let pick: SandboxPicker | undefined;
  void createSandboxPicker().then((picker) => {
    pick = picker;
  });
  return {
    describe: (agentId: string, { config }: LoadedConfig) => (pick ? describeSandbox(pick(sandboxChoice(config, agentId))) : { level: 'probing' }),
  };
}

function helloSnapshot({ path, config }: LoadedConfig, stateDir: string, uptimeMs: number) {
  const defaultAgentId = config.agents.list.find((agent) => agent.default)?.id ?? config.agents.list[0]?.id ?? 'main';
  const { mainKey, scope } = config.session;
  return { uptimeMs, configPath: path, stateDir, sessionDefaults: { defaultAgentId, mainKey, mainSessionKey: `agent:${defaultAgentId}:${mainKey}`, scope } };
}

function report(log: DailyLog, { source, issues, warnings }: LoadedConfig, port: number): void {
  log.info({ port, pid: process.pid, config: source }, 'gateway ready');
  for (const { path, message } of issues)
    log.warn(
      { path, problem: message },
      `the configuration file is not valid; the gateway runs ${source === 'defaults' ? 'the defaults' : 'its last good revision'}`,
    );
  for (const { path, message } of warnings) log.info({ path, problem: message }, 'configuration');
}
