// One workspace of a gateway: its configuration, secrets, log and figures, its workers and loops, and its side of the doors.
// Workspaces share the store, the port and the node; nothing else.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { channels as channelCatalog } from '../adapters/channels/catalog.ts';
import { rolesPath } from '../adapters/config/roles-file.ts';
import { describeSandbox, type SandboxPicker } from '../adapters/sandbox/catalog.ts';
import type { ThreadStore } from '../adapters/store/clients.ts';
import { type Config, defaultAgentId, type LoadedConfig, variablesIn, withoutCredentials, workspaceOf } from '../domain/config.ts';
import type { SealedEvent } from '../domain/event.ts';
import { laneLimits } from '../domain/lane.ts';
import { phasesFrom } from '../domain/phase.ts';
import { sandboxChoice } from '../domain/tool.ts';
import type { WorkerToGateway } from '../domain/worker-frame.ts';
import { WORKSPACE_ID } from '../domain/workspace.ts';
import { checkSharedSecret, deviceToken } from '../doors/auth.ts';
import { type ChannelDoor, openChannelDoor } from '../doors/channels/door.ts';
import { createHttpDoor } from '../doors/http.ts';
import { importRun } from '../doors/import/methods.ts';
import { createLoginGuard } from '../doors/login-guard.ts';
import { protocolMethods } from '../doors/protocol3/methods.ts';
import { createPresence } from '../doors/protocol3/presence.ts';
import { standIns } from '../doors/protocol3/stand-ins.ts';
import { createRpc } from '../doors/rpc.ts';
import { createWsDoor } from '../doors/ws.ts';
import { readExecApprovals } from '../features/approvals/exec-file.ts';
import { methods } from '../features/catalog.ts';
import { startTicker } from '../features/cron/ticker.ts';
import { getDeviceGrant } from '../features/devices/ops.ts';
import { healthBody } from '../features/health/methods.ts';
import { startWatch, type Watch } from '../features/health/watch.ts';
import { startPacemaker } from '../features/heartbeats/pacemaker.ts';
import type { Keeper } from '../features/nodes/keeper.ts';
import { laneLoads, setLanes } from '../features/runs/ops.ts';
import { startReaper } from '../features/runs/reaper.ts';
import { publishFiles } from '../features/settings/ops.ts';
import { startTidying } from '../features/spawns/tidy.ts';
import { beginWorker, endWorker } from '../features/workers/ops.ts';
import { type Clock, systemClock } from '../kit/clock.ts';
import { messageOf } from '../kit/fault.ts';
import { secretsEqual } from '../kit/id.ts';
import { type DailyLog, openDailyLog } from '../kit/log.ts';
import { type Loop, startLoop } from '../kit/loop.ts';
import { createMetrics } from '../kit/metrics.ts';
import { killLeftover } from '../kit/process-ref.ts';
import { watchFile } from '../kit/watch-file.ts';
import type { Gateway } from '../ports/method.ts';
import { scheduleExpiry } from './approval-expiry.ts';
import { type Backups, startBackups } from './backups.ts';
import { type CronDoor, openCronDoor } from './cron-door.ts';
import { baseEnvironment, type Environment, expandHome } from './environment.ts';
import { createFanOut } from './fan-out.ts';
import { createHealthSnapshot } from './health-snapshot.ts';
import { createHost } from './host.ts';
import { type LiveConfig, openLiveConfig, reportConfig } from './live-config.ts';
import { chooseLogDir } from './log-dir.ts';
import { guarded, prepareState } from './state.ts';
import { startTeam, type Team } from './team.ts';
import { VERSION } from './version.ts';
import { startWorkerPool } from './worker-pool.ts';

const EXPEL_AFTER_MS = 20;
/** The owner may edit files by hand. */
const PUBLISH_EVERY_MS = 5000;
/** What only one node does at a time, for each workspace. */
export const LEASES = ['ticker', 'heartbeats', 'tidy', 'team', 'channels', 'backups', 'watch'] as const;

/** A workspace as far as its folder tells: before there is a store. */
export interface Prepared {
  readonly id: string;
  readonly environment: Environment;
  readonly live: LiveConfig;
  readonly logDir: string;
  readonly log: DailyLog;
}

/** @throws CannotRun */
export function prepareWorkspace(id: string, environment: Environment, clock: Clock): Prepared {
  const { stateDir, defaultState } = environment;
  prepareState(stateDir);
  const live = openLiveConfig(environment, clock);
  const { logging } = live.config();
  const logDir = guarded('open the log folder', () => chooseLogDir({ configured: logging.dir, stateDir, defaultState }));
  const log = openDailyLog({ dir: logDir, level: logging.level, retentionDays: logging.retentionDays, scrub: live.scrub, clock });
  return { id, environment, live, logDir, log };
}

/** What all workspaces of a gateway have in common. */
interface Common {
  readonly store: ThreadStore;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly startedAt: number;
  /** Other nodes may use the same store. */
  readonly isShared: boolean;
  readonly sandbox: () => SandboxPicker | undefined;
  /** Folders of the gateway that no agent may look into. */
  readonly forbidden: readonly string[];
  readonly beforeScrape: (metrics: ReturnType<typeof createMetrics>) => void;
  /** Delay of the event loop, p99 of the last while, in milliseconds. */
  readonly loopDelayMs: () => number;
}

export type Workspace = ReturnType<typeof openWorkspace>;

export function openWorkspace({ id: workspaceId, environment, live, logDir, log }: Prepared, common: Common) {
  const { store, socketPath, clock, nodeId, startedAt, isShared, sandbox, forbidden, loopDelayMs } = common;
  const { stateDir, home } = environment;
  const version = environment.version ?? VERSION;
  const metrics = createMetrics();
  const presence = createPresence({ clock, version });
  // Events may come before these stand.
  let ticker: Loop | undefined;
  let cronDoor: CronDoor | undefined;
  let publishing: Loop | undefined;
  let team: Team | undefined;
  let channels: ChannelDoor | undefined;
  let backups: Backups | undefined;
  let watch: Watch | undefined;
  let cursor = 0;
  const ready = { worker: live.config().gateway.workers === 0, stopping: false };

  const expiry = scheduleExpiry({ store, workspaceId, clock, log });
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
  const pool = startWorkerPool({
    count: live.config().gateway.workers,
    clock,
    log,
    onFrame: (frame) => {
      fanOut.onFrame(frame);
      channels?.onFrame(frame);
      if (isShared && (frame.kind === 'delta' || frame.kind === 'tool')) store.tell({ workspaceId, frame });
      if (frame.kind !== 'ready') return;
      ready.worker = true;
      health.dirty();
    },
    settings: () => {
      const { all, providerKeys } = live.secrets();
      return { workspaceId, storeSocket: socketPath, stateDir, forbidden, config: live.config(), secrets: all, providerKeys, home, logDir };
    },
    onBorn: async ({ workerId, credential, pid, pidStarted }) => {
      store.admit(workerId, credential, workspaceId);
      await store.call(beginWorker, { workspaceId, nodeId, workerId, pid, pidStarted });
    },
    onGone: async (workerId, end) => {
      if (end === 'died') metrics.workerDeaths.inc();
      store.dismiss(workerId);
      const { leftovers, requeued } = await store.call(endWorker, { workerId, end });
      leftovers.forEach(killLeftover);
      if (requeued > 0) log.info({ worker: workerId, requeued }, 'runs of a gone worker are queued again');
    },
  });

  const gateway: Gateway = {
    version,
    pid: process.pid,
    startedAt,
    stateDir,
    engine: isShared ? 'postgres' : 'sqlite',
    cursor: () => cursor,
    config: live.current,
    configFile: live.file,
    logFile: log.file,
    presence: presence.list,
    team: () => team?.status() ?? { root: '', exists: false, phases: phasesFrom({}, true), observed: {} },
    sandbox: (agentId) => {
      const pick = sandbox();
      return pick ? describeSandbox(pick(sandboxChoice(live.config(), agentId))) : { level: 'probing' };
    },
    channels: () => channels?.list() ?? [],
    channelCatalog,
    watch: () => watch?.last(),
    workers: pool.list,
    whenEnded: fanOut.whenEnded,
    whenDecided: fanOut.whenDecided,
    deviceToken: (deviceId, role, generation) => deviceToken(live.secrets().devices, deviceId, role, generation),
    notePresence: (text, facts) => {
      presence.note(text, facts);
      ws.announce();
    },
    programPath: baseEnvironment()['PATH'] ?? '',
    healthBody: () => health.body(),
  };
  const world = { store, gateway, clock };
  const health = createHealthSnapshot(() => healthBody({ ...world, workspaceId }), clock.now);
  const allMethods = [...protocolMethods(fanOut.runEvents), ...methods, importRun, ...standIns];
  const rpc = createRpc({ methods: allMethods, world, log, metrics });
  const guard = createLoginGuard(clock);
  const sharedSecrets = () => live.secrets().shared;
  const allowedOrigins = () => live.config().gateway.allowedOrigins;
  const ws = createWsDoor({
    rpc,
    presence,
    clock,
    log,
    metrics,
    handshake: { store, clock, workspaceId, secrets: sharedSecrets, deviceToken: gateway.deviceToken, guard, log },
    helloParts: async () => ({
      server: { version, host: presence.list()[0]?.['host'] },
      health: `{"ok":true,"ts":${clock.now()},"durationMs":0,${await health.body()}}`,
      snapshot: helloSnapshot(live.current(), stateDir, clock.now() - startedAt),
    }),
  });
  const app = createHttpDoor({
    rpc,
    methods: allMethods,
    version,
    world: {
      workspaceId,
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
      for (const { name, queued, active } of await store.call(laneLoads, { workspaceId })) {
        metrics.runsQueued.set({ lane: name }, queued);
        metrics.runsActive.set({ lane: name }, active);
      }
      common.beforeScrape(metrics);
    },
  });

  const applyLanes = (config: Config) => store.call(setLanes, { workspaceId, slots: laneLimits(config), longestQueue: config.lanes.longestQueue });
  let published = '';
  /** Workers on other machines read from the store what stands in the files here. */
  const publish = async (): Promise<undefined> => {
    const { socket: _secret, ...approvals } = readExecApprovals(stateDir).file;
    const value = { config: withoutCredentials(live.config()), execApprovals: JSON.stringify(approvals) };
    const text = JSON.stringify(value);
    if (text === published) return;
    await store.call(publishFiles, { workspaceId, value });
    published = text;
    store.tell({ workspaceId, published: true });
  };
  const onConfig = (now: LoadedConfig, before: LoadedConfig, changed: readonly string[]) => {
    log.setLevel(now.config.logging.level);
    log.info({ changed, hash: now.hash }, 'another configuration takes effect');
    reportConfig(log, now);
    applyLanes(now.config).catch((error: unknown) =>
      log.error({ error: messageOf(error) }, 'the limits of the lanes could not be changed; they change with the next start'),
    );
    pool.reconfigure();
    publishing?.poke();
    team?.reconfigure();
    channels?.reconfigure();
    health.dirty();
    if (JSON.stringify(before.config.gateway.auth) !== JSON.stringify(now.config.gateway.auth))
      setTimeout(() => ws.expel(({ bySharedSecret }) => bySharedSecret === true, 'gateway credentials changed'), EXPEL_AFTER_MS); // the one who asked gets an answer first
  };

  let endLoops = async (): Promise<void> => undefined;
  return {
    id: workspaceId,
    environment,
    live,
    log,
    metrics,
    ws,
    app,
    allowedOrigins,
    workers: pool.list,
    replaceWorkers: pool.replaceAll,
    applyLanes: () => applyLanes(live.config()),
    onEvents: (events: readonly SealedEvent[]) => {
      health.dirty();
      for (const event of events) {
        fanOut.onEvent(event);
        team?.onEvent(event);
        channels?.onEvent(event.body, event.runKey);
      }
      cursor = events.at(-1)?.sealedSeq ?? cursor;
    },
    /** What a worker of another node streams reaches the clients of this one. */
    onFrame: (frame: WorkerToGateway) => {
      fanOut.onFrame(frame);
      channels?.onFrame(frame);
    },
    onTaken: () => ticker?.poke(),
    /** Whether this is the shared secret of the workspace, or the token of its hooks. */
    knows: (credential: string): boolean => {
      const hook = live.config().hooks.token;
      return checkSharedSecret(sharedSecrets(), { token: credential, password: credential }).ok || (hook !== undefined && secretsEqual(credential, hook));
    },
    /** Whether the workspace gave a device this token. */
    knowsDevice: async (deviceId: string, role: string, token: string): Promise<boolean> => {
      const grant = await store.call(getDeviceGrant, { workspaceId, deviceId, role });
      return grant !== null && secretsEqual(token, gateway.deviceToken(deviceId, role, grant.generation));
    },
    /** Clients may come: what works by itself begins. */
    begin: (keeper: Keeper) => {
      const loops = { workspaceId, store, config: live.config, clock, log };
      const isMine = (name: (typeof LEASES)[number]) => () => keeper.holds(workspaceId, name);
      cronDoor = openCronDoor({ ...loops, stateDir });
      team = startTeam({
        ...loops,
        workspace: expandHome(live.config().agents.defaults.workspace, home),
        isMine: isMine('team'),
        onPhases: () => ticker?.poke(),
      });
      channels = openChannelDoor({
        ...loops,
        isMine: isMine('channels'),
        catalog: channelCatalog,
        variables: { ...variablesIn(live.config()), ...environment.variables },
        contextFor: (principal) => rpc.contextFor(principal, () => undefined),
        onState: () => {
          health.dirty();
          watch?.poke();
        },
      });
      if (workspaceId === WORKSPACE_ID) {
        const dir = () => expandHome(live.config().backups.dir ?? join(stateDir, 'backups'), home);
        const hasRoom = () => watch?.last()?.degraded.modes.every(({ mode }) => mode !== 'disk nearly full') ?? true;
        backups = startBackups({ ...loops, isMine: isMine('backups') }, environment, { dir, hasRoom });
      }
      const host = createHost({
        gateway,
        config: live.config,
        clock,
        backups: () => backups,
        loopDelayMs,
        clockAheadMs: () => clock.now() - systemClock.now(),
      });
      watch = startWatch({ ...loops, isMine: isMine('watch'), host });
      const { phases } = team;
      ticker = startTicker({ ...loops, phases, isMine: isMine('ticker') });
      const readHeartbeat = (agentId: string) => readHeartbeatFile(workspaceOf(live.config(), agentId), home);
      const pacemaker = startPacemaker({ ...loops, isMine: isMine('heartbeats'), readFile: readHeartbeat });
      const tidying = startTidying({ ...loops, isMine: isMine('tidy') });
      const reaper = startReaper({ workspaceId, store, clock, log, onHung: pool.kill });
      if (isShared) publishing = startLoop({ name: 'publish', everyMs: PUBLISH_EVERY_MS, run: publish, clock, log });
      live.follow(onConfig, (rejected) => reportConfig(log, rejected));
      const watches = [environment.configPath, rolesPath(environment.configPath)].map((path) => watchFile({ path, look: () => void live.file.refresh() }));
      endLoops = async () => {
        for (const watch of watches) watch.close();
        await Promise.all([
          ticker?.stop(),
          cronDoor?.stop(),
          publishing?.stop(),
          team?.stop(),
          channels?.stop(),
          pacemaker.stop(),
          tidying.stop(),
          reaper.stop(),
        ]);
      };
    },
    /** Lets clients go and takes nothing new, gives runs their time to end. */
    end: async (reason: string) => {
      ready.stopping = true;
      expiry.stop();
      ws.close(reason);
      await endLoops();
      await pool.drain(live.config().gateway.drainSeconds * 1000);
    },
    /** Where the files of its agents are. */
    roots: () =>
      [...new Set([live.config().agents.defaults.workspace, ...live.config().agents.list.flatMap(({ workspace }) => workspace ?? [])])].map((path) =>
        expandHome(path, home),
      ),
  };
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

function helloSnapshot({ path, config }: LoadedConfig, stateDir: string, uptimeMs: number) {
  const agentId = defaultAgentId(config);
  const { mainKey, scope } = config.session;
  return { uptimeMs, configPath: path, stateDir, sessionDefaults: { defaultAgentId: agentId, mainKey, mainSessionKey: `agent:${agentId}:${mainKey}`, scope } };
}
