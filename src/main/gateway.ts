// The gateway process: composition root. Opens the state, settles what a predecessor left, then opens the doors.

import { writeFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createSandboxPicker, describeSandbox, type SandboxPicker } from '../adapters/sandbox/catalog.ts';
import { type Config, defaultAgentId, type LoadedConfig, withoutCredentials, workspaceOf } from '../domain/config.ts';
import type { SealedEvent } from '../domain/event.ts';
import { laneLimits } from '../domain/lane.ts';
import { sandboxChoice } from '../domain/tool.ts';
import type { WorkerToGateway } from '../domain/worker-frame.ts';
import { WORKSPACE_ID } from '../domain/workspace.ts';
import { deviceToken } from '../doors/auth.ts';
import { bodyLimit, createHttpDoor } from '../doors/http.ts';
import { listen } from '../doors/listen.ts';
import { createLoginGuard } from '../doors/login-guard.ts';
import { protocolMethods } from '../doors/protocol3/methods.ts';
import { createPresence } from '../doors/protocol3/presence.ts';
import { standIns } from '../doors/protocol3/stand-ins.ts';
import { createRpc } from '../doors/rpc.ts';
import { createWsDoor } from '../doors/ws.ts';
import { methods } from '../features/catalog.ts';
import { startTicker } from '../features/cron/ticker.ts';
import { healthBody } from '../features/health/methods.ts';
import { startPacemaker } from '../features/heartbeats/pacemaker.ts';
import { ALONE, type Keeper, startKeeper } from '../features/nodes/keeper.ts';
import { beginNode, endNode } from '../features/nodes/ops.ts';
import { laneLoads, setLanes } from '../features/runs/ops.ts';
import { startReaper } from '../features/runs/reaper.ts';
import { publishConfig } from '../features/settings/ops.ts';
import { startTidying } from '../features/spawns/tidy.ts';
import { beginWorker, endWorker } from '../features/workers/ops.ts';
import { createStoreClock, systemClock } from '../kit/clock.ts';
import { errorCode, messageOf } from '../kit/fault.ts';
import { newId } from '../kit/id.ts';
import { openDailyLog } from '../kit/log.ts';
import type { Loop } from '../kit/loop.ts';
import { createMetrics } from '../kit/metrics.ts';
import { killLeftover, startTimeOf } from '../kit/process-ref.ts';
import { watchFile } from '../kit/watch-file.ts';
import type { Gateway } from '../ports/method.ts';
import { scheduleExpiry } from './approval-expiry.ts';
import { type CronDoor, openCronDoor } from './cron-door.ts';
import { type Environment, expandHome } from './environment.ts';
import { createFanOut } from './fan-out.ts';
import { createHealthSnapshot } from './health-snapshot.ts';
import { openLiveConfig, reportConfig } from './live-config.ts';
import { chooseLogDir } from './log-dir.ts';
import { CannotRun, guarded, homeOf, openStore, prepareState } from './state.ts';
import { VERSION } from './version.ts';
import { startWorkerPool } from './worker-pool.ts';

const LOOP_DELAY_RESOLUTION_MS = 500;
const EXPEL_AFTER_MS = 20;

export interface GatewayOptions {
  readonly environment: Environment;
  readonly port?: number;
  readonly bind?: 'loopback' | 'lan';
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
export async function startGateway({ environment, port, bind }: GatewayOptions): Promise<RunningGateway> {
  const clock = createStoreClock(systemClock);
  const { stateDir, home } = environment;
  prepareState(stateDir);
  const startedAt = clock.now();
  const nodeId = newId('gw', startedAt);
  const live = openLiveConfig(environment, clock);
  const {
    logging,
    gateway: settings,
    store: { url: storeUrl },
  } = live.config();
  const isShared = storeUrl !== undefined;
  const logDir = guarded('open the log folder', () => chooseLogDir({ configured: logging.dir, stateDir, defaultState: environment.defaultState }));
  const log = openDailyLog({ dir: logDir, level: logging.level, retentionDays: logging.retentionDays, scrub: live.scrub, clock });
  const metrics = createMetrics();
  const presence = createPresence({ clock, version: environment.version ?? VERSION });
  const fanOut = createFanOut({
    clock,
    metrics,
    ws: () => ws,
    onAsked: ({ deadlineAt }) => expiry.at(deadlineAt),
    onAbort: (runId) => pool.abort(runId),
    onCron: () => {
      ticker?.poke();
      cronDoor?.poke();
    },
  });
  let cursor = 0;
  const onEvents = (events: readonly SealedEvent[]) => {
    health.dirty();
    events.forEach(fanOut.onEvent);
    cursor = events.at(-1)?.sealedSeq ?? cursor;
  };
  // Events and leases may come before these stand.
  let ticker: Loop | undefined;
  let cronDoor: CronDoor | undefined;
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
  // What a worker of another node streams reaches the clients of this one.
  const onHint = ({ frame }: Readonly<Record<string, unknown>>) => {
    if (frame !== undefined && hear === onEvents) fanOut.onFrame(frame as WorkerToGateway); // told by a node like this one; there is nobody to show it to before the doors stand
  };
  const onTimed = (op: string, ok: boolean, seconds: number) => metrics.storeOps.observe({ op, ok: String(ok) }, seconds);
  const hints = { onEvents: (events: readonly SealedEvent[]) => hear(events), onHint, onClock: clock.setAhead, onLost };
  const { store, socketPath } = await openStore({ stateDir, url: storeUrl }, hints, onTimed);
  const pickSandbox = createLazySandbox();

  const { leftovers, resumed } = await store.call(beginNode, {
    workspaceId: WORKSPACE_ID,
    nodeId,
    kind: 'gateway' as const,
    home: homeOf(stateDir),
    host: hostname(),
    url: null,
    version: environment.version ?? VERSION,
    pid: process.pid,
    pidStarted: startTimeOf(process.pid),
  });
  const killed = leftovers.filter(killLeftover).length;
  if (leftovers.length > 0)
    log.info({ leftovers: leftovers.length, killed, resumed }, 'settled what the last gateway left: its runs go on from their last durable step');
  await store.call(setLanes, lanesOf(live.config()));
  const expiry = scheduleExpiry({ store, workspaceId: WORKSPACE_ID, clock, log });

  const onFrame = (frame: WorkerToGateway) => {
    fanOut.onFrame(frame);
    if (isShared && (frame.kind === 'delta' || frame.kind === 'tool')) store.tell({ frame });
    if (frame.kind !== 'ready') return;
    ready.worker = true;
    health.dirty();
  };
  const ready = { worker: settings.workers === 0, stopping: false };
  const pool = startWorkerPool({
    count: settings.workers,
    clock,
    log,
    onFrame,
    settings: () => {
      const { all, providerKeys } = live.secrets();
      return { workspaceId: WORKSPACE_ID, storeSocket: socketPath, stateDir, config: live.config(), secrets: all, providerKeys, home, logDir };
    },
    onBorn: async ({ workerId, credential, pid, pidStarted }) => {
      store.admit(workerId, credential);
      await store.call(beginWorker, { workspaceId: WORKSPACE_ID, nodeId, workerId, pid, pidStarted });
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
    engine: isShared ? 'postgres' : 'sqlite',
    cursor: () => cursor,
    config: live.current,
    configFile: live.file,
    logFile: log.file,
    presence: presence.list,
    sandbox: (agentId) => pickSandbox.describe(agentId, live.config()),
    workers: pool.list,
    whenEnded: fanOut.whenEnded,
    whenDecided: fanOut.whenDecided,
    deviceToken: (deviceId, role, generation) => deviceToken(live.secrets().devices, deviceId, role, generation),
    notePresence: (text, facts) => {
      presence.note(text, facts);
      ws.announce();
    },
    healthBody: () => health.body(),
  };
  const world = { store, gateway, clock };
  const health = createHealthSnapshot(() => healthBody({ ...world, workspaceId: WORKSPACE_ID }), clock.now);
  const allMethods = [...protocolMethods(fanOut.runEvents), ...methods, ...standIns];
  const rpc = createRpc({ methods: allMethods, world, log, metrics });
  const guard = createLoginGuard(clock);
  const sharedSecrets = () => live.secrets().shared;
  const ws = createWsDoor({
    rpc,
    presence,
    clock,
    log,
    metrics,
    handshake: { store, clock, workspaceId: WORKSPACE_ID, secrets: sharedSecrets, deviceToken: gateway.deviceToken, guard, log },
    helloParts: async () => ({
      server: { version: gateway.version, host: presence.list()[0]?.['host'] },
      health: `{"ok":true,"ts":${clock.now()},"durationMs":0,${await health.body()}}`,
      snapshot: helloSnapshot(live.current(), stateDir, clock.now() - startedAt),
    }),
  });

  hear = onEvents;
  onEvents(early);

  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  loopDelay.enable();
  const allowedOrigins = () => live.config().gateway.allowedOrigins;
  const app = createHttpDoor({
    rpc,
    methods: allMethods,
    version: gateway.version,
    world: {
      workspaceId: WORKSPACE_ID,
      secrets: sharedSecrets,
      guard,
      feed: fanOut.feed,
      log,
      contextFor: (principal) => rpc.contextFor(principal, () => undefined),
    },
    hooks: () => live.config().hooks,
    allowedOrigins,
    metrics,
    readiness: () => ({ ready: ready.worker && !ready.stopping, waitingFor: ready.stopping ? ['stopping'] : ready.worker ? [] : ['worker'] }),
    beforeScrape: async () => {
      for (const { name, queued, active } of await store.call(laneLoads, { workspaceId: WORKSPACE_ID })) {
        metrics.runsQueued.set({ lane: name }, queued);
        metrics.runsActive.set({ lane: name }, active);
      }
      for (const quantile of [50, 99])
        metrics.loopDelay.set({ quantile: String(quantile / 100) }, Math.max(0, loopDelay.percentile(quantile) / 1e9 - LOOP_DELAY_RESOLUTION_MS / 1000));
      loopDelay.reset();
    },
  });
  const wantedPort = port ?? environment.port ?? settings.port;
  const listening = await listen({ app, bodyLimit, ws, hosts: hostsOf(bind ?? settings.bind), port: wantedPort, allowedOrigins }).catch(
    async (error: unknown) => {
      await pool.drain(0);
      await store.close();
      throw new CannotRun(portProblem(wantedPort, error));
    },
  );
  writeFileSync(
    join(stateDir, 'gateway.json'),
    JSON.stringify({ pid: process.pid, pidStarted: startTimeOf(process.pid), port: listening.port, startedAt, version: gateway.version }),
    { mode: 0o600 },
  );
  const orchestration = { workspaceId: WORKSPACE_ID, store, config: live.config, clock, log };
  cronDoor = openCronDoor({ ...orchestration, stateDir });
  const keeper: Keeper = isShared
    ? startKeeper({
        ...orchestration,
        nodeId,
        url: `ws://${hostname()}:${listening.port}`,
        leases: ['ticker', 'heartbeats', 'tidy'],
        onTaken: () => ticker?.poke(),
        onGivenUp: pool.replaceAll,
      })
    : ALONE;
  ticker = startTicker({ ...orchestration, isMine: () => keeper.holds('ticker') });
  const pacemaker = startPacemaker({
    ...orchestration,
    isMine: () => keeper.holds('heartbeats'),
    readFile: (agentId) => readHeartbeatFile(workspaceOf(live.config(), agentId), home),
  });
  const tidying = startTidying({ ...orchestration, isMine: () => keeper.holds('tidy') });
  const reaper = startReaper({ workspaceId: WORKSPACE_ID, store, clock, log, onHung: pool.kill });
  log.info({ port: listening.port, pid: process.pid, config: live.current().source }, 'gateway ready');
  reportConfig(log, live.current());

  const onConfig = (now: LoadedConfig, before: LoadedConfig, changed: readonly string[]) => {
    log.setLevel(now.config.logging.level);
    log.info({ changed, hash: now.hash }, 'another configuration takes effect');
    reportConfig(log, now);
    store
      .call(setLanes, lanesOf(now.config))
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'the limits of the lanes could not be changed; they change with the next start'));
    pool.reconfigure();
    publish(now);
    health.dirty();
    if (JSON.stringify(before.config.gateway.auth) !== JSON.stringify(now.config.gateway.auth))
      setTimeout(() => ws.expel(({ bySharedSecret }) => bySharedSecret === true, 'gateway credentials changed'), EXPEL_AFTER_MS); // the one who asked gets an answer first
  };
  /** Workers on other machines read it from the store. */
  const publish = ({ config }: LoadedConfig) => {
    if (!isShared) return;
    store.call(publishConfig, { workspaceId: WORKSPACE_ID, value: withoutCredentials(config) }).then(
      () => store.tell({ config: true }),
      (error: unknown) => log.warn({ error: messageOf(error) }, 'the configuration could not be published for distant workers'),
    );
  };
  publish(live.current());
  live.follow(onConfig, (rejected) => reportConfig(log, rejected));
  const watch = watchFile({ path: environment.configPath, look: () => void live.file.refresh() });

  const stop = async (reason: string) => {
    ready.stopping = true;
    log.info({ reason }, 'stopping');
    watch.close();
    expiry.stop();
    ws.close(reason);
    await Promise.all([keeper.stop(), reaper.stop(), ticker?.stop(), pacemaker.stop(), cronDoor?.stop(), tidying.stop()]);
    await pool.drain(live.config().gateway.drainSeconds * 1000);
    listening.close();
    ws.terminate();
    await store
      .call(endNode, { workspaceId: WORKSPACE_ID, nodeId, pid: process.pid })
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'the stop could not be recorded'));
    await store.close();
    loopDelay.disable();
    log.info({}, 'stopped');
    log.flush();
  };
  return { port: listening.port, url: `ws://127.0.0.1:${listening.port}`, config: live.current, logFile: log.file, workers: pool.list, stop };
}

function lanesOf(config: Config) {
  return { workspaceId: WORKSPACE_ID, slots: laneLimits(config), longestQueue: config.lanes.longestQueue };
}

const MAX_HEARTBEAT_BYTES = 262_144;

/** Missing, unreadable or huge is the same: there is nothing to do. */
async function readHeartbeatFile(workspace: string, home: string): Promise<string | undefined> {
  const path = join(expandHome(workspace, home), 'HEARTBEAT.md');
  try {
    return (await stat(path)).size > MAX_HEARTBEAT_BYTES ? undefined : await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
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
    describe: (agentId: string, config: Config) => (pick ? describeSandbox(pick(sandboxChoice(config, agentId))) : { level: 'probing' }),
  };
}

function helloSnapshot({ path, config }: LoadedConfig, stateDir: string, uptimeMs: number) {
  const agentId = defaultAgentId(config);
  const { mainKey, scope } = config.session;
  return { uptimeMs, configPath: path, stateDir, sessionDefaults: { defaultAgentId: agentId, mainKey, mainSessionKey: `agent:${agentId}:${mainKey}`, scope } };
}
