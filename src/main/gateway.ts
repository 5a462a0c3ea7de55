// The gateway process: composition root. Opens the store, settles what a predecessor left, then opens the doors of every workspace.

import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createSandboxPicker, type SandboxPicker } from '../adapters/sandbox/catalog.ts';
import type { LoadedConfig } from '../domain/config.ts';
import type { SealedEvent } from '../domain/event.ts';
import type { WorkerToGateway } from '../domain/worker-frame.ts';
import { WORKSPACE_ID } from '../domain/workspace.ts';
import { bodyLimit } from '../doors/http.ts';
import { listen } from '../doors/listen.ts';
import { createWsFront } from '../doors/ws-front.ts';
import { ALONE, type Keeper, startKeeper } from '../features/nodes/keeper.ts';
import { beginNode, endNode } from '../features/nodes/ops.ts';
import { createStoreClock, systemClock } from '../kit/clock.ts';
import { errorCode, messageOf } from '../kit/fault.ts';
import { newId } from '../kit/id.ts';
import { killLeftover, startTimeOf } from '../kit/process-ref.ts';
import { baseEnvironment, type Environment } from './environment.ts';
import { reportConfig } from './live-config.ts';
import { createReception } from './reception.ts';
import { CannotRun, homeOf, openStore } from './state.ts';
import { VERSION } from './version.ts';
import { LEASES, openWorkspace, prepareWorkspace, type Workspace } from './workspace.ts';
import { environmentsOf, refuseSharedRoots } from './workspaces.ts';

const LOOP_DELAY_RESOLUTION_MS = 500;
/** What a stop may take beyond the time that runs have to end. */
const STOP_MARGIN_MS = 8000;

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
  const { stateDir } = environment;
  const startedAt = clock.now();
  const nodeId = newId('gw', startedAt);
  const version = environment.version ?? VERSION;
  const own = prepareWorkspace(WORKSPACE_ID, environment, clock);
  const { live, log } = own;
  const { gateway: settings, store: storeSettings } = live.config();
  const others = environmentsOf(environment, live.config()).map(([id, inside]) => prepareWorkspace(id, inside, clock));
  const isShared = storeSettings.url !== undefined;

  // The store may tell of events before the doors stand: those wait. What nodes tell each other may get lost.
  const early: SealedEvent[] = [];
  const workspaces = new Map<string, Workspace>();
  const onEvents = (events: readonly SealedEvent[]) => {
    if (workspaces.size === 0) return void early.push(...events);
    for (const [id, workspace] of workspaces) {
      const its = events.filter(({ workspaceId }) => workspaceId === id);
      if (its.length > 0) workspace.onEvents(its);
    }
  };
  const onHint = ({ workspaceId, frame }: Readonly<Record<string, unknown>>) => {
    if (frame !== undefined) workspaces.get(String(workspaceId))?.onFrame(frame as WorkerToGateway); // told by a node like this one
  };
  const onLost = () => {
    log.error({}, 'the store thread ended unexpectedly: the gateway stops, the next start goes on from what is durable');
    log.flush();
    process.exit(1);
  };
  const onTimed = (op: string, ok: boolean, seconds: number) => workspaces.get(WORKSPACE_ID)?.metrics.storeOps.observe({ op, ok: String(ok) }, seconds);
  const { store, socketPath } = await openStore({ stateDir, url: storeSettings.url }, { onEvents, onHint, onClock: clock.setAhead, onLost }, onTimed);

  const self = { pid: process.pid, pidStarted: startTimeOf(process.pid) };
  const birth = { ...self, workspaceId: WORKSPACE_ID, nodeId, kind: 'gateway' as const, home: homeOf(stateDir), host: hostname(), url: null, version };
  const { leftovers, resumed } = await store.call(beginNode, birth);
  const killed = leftovers.filter(killLeftover).length;
  if (leftovers.length > 0)
    log.info({ leftovers: leftovers.length, killed, resumed }, 'settled what the last gateway left: its runs go on from their last durable step');

  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  loopDelay.enable();
  const sandbox = probeSandbox();
  const opened = [own, ...others].map((prepared) =>
    openWorkspace(prepared, {
      store,
      socketPath,
      clock,
      nodeId,
      startedAt,
      isShared,
      sandbox,
      forbidden: [stateDir],
      loopDelayMs: () => Math.max(0, loopDelay.percentile(99) / 1e6 - LOOP_DELAY_RESOLUTION_MS),
      beforeScrape: (metrics) => {
        for (const quantile of [50, 99])
          metrics.loopDelay.set({ quantile: String(quantile / 100) }, Math.max(0, loopDelay.percentile(quantile) / 1e9 - LOOP_DELAY_RESOLUTION_MS / 1000));
        loopDelay.reset();
      },
    }),
  );
  for (const workspace of opened) workspaces.set(workspace.id, workspace);
  onEvents(early);
  for (const workspace of opened) await workspace.applyLanes();

  const reception = createReception(opened);
  const front = createWsFront({ clock, log, pick: reception.doorFor });
  const wantedPort = port ?? environment.port ?? settings.port;
  const end = async (reason: string) => {
    await Promise.all(opened.map((workspace) => workspace.end(reason)));
    front.terminate();
    await store
      .call(endNode, { workspaceId: WORKSPACE_ID, nodeId, pid: process.pid })
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'the stop could not be recorded'));
    await store.close();
    loopDelay.disable();
  };
  const listening = await Promise.resolve()
    .then(() => refuseSharedRoots(opened))
    .then(() =>
      listen({
        answer: reception.answer,
        bodyLimit,
        ws: front,
        hosts: hostsOf(bind ?? settings.bind),
        port: wantedPort,
        allowedOrigins: reception.allowedOrigins,
      }),
    )
    .catch(async (error: unknown) => {
      await end('the gateway cannot run');
      throw error instanceof CannotRun ? error : new CannotRun(portProblem(wantedPort, error));
    });
  for (const workspace of opened) {
    const running = { ...self, port: listening.port, startedAt, version };
    writeFileSync(join(workspace.environment.stateDir, 'gateway.json'), JSON.stringify(running), { mode: 0o600 });
  }
  const keeper: Keeper = isShared
    ? startKeeper({
        workspaceId: WORKSPACE_ID,
        nodeId,
        url: `ws://${hostname()}:${listening.port}`,
        leases: opened.flatMap(({ id }) => LEASES.map((name) => ({ workspaceId: id, name }))),
        store,
        clock,
        log,
        onTaken: () => {
          for (const { onTaken } of opened) onTaken();
        },
        onGivenUp: () => {
          for (const { replaceWorkers } of opened) replaceWorkers();
        },
      })
    : ALONE;
  for (const workspace of opened) workspace.begin(keeper);
  log.info({ port: listening.port, pid: process.pid, config: live.current().source, workspaces: opened.map(({ id }) => id) }, 'gateway ready');
  for (const workspace of opened) reportConfig(workspace.log, workspace.live.current());

  return {
    port: listening.port,
    url: `ws://127.0.0.1:${listening.port}`,
    config: live.current,
    logFile: log.file,
    workers: () => opened.flatMap(({ workers }) => workers()),
    stop: async (reason) => {
      for (const workspace of opened) workspace.log.info({ reason }, 'stopping');
      const late = setTimeout(
        () => {
          log.warn({}, 'the stop takes too long, the store may be away: the next start settles what is left');
          log.flush();
          process.exit(0);
        },
        live.config().gateway.drainSeconds * 1000 + STOP_MARGIN_MS,
      );
      await keeper.stop();
      await end(reason);
      clearTimeout(late);
      listening.close();
      for (const workspace of opened) {
        workspace.log.info({}, 'stopped');
        workspace.log.flush();
      }
    },
  };
}

function portProblem(port: number, error: unknown): string {
  if (errorCode(error) !== 'EADDRINUSE') return `cannot listen on port ${port}: ${messageOf(error)}`;
  return `port ${port} is in use: another program, or another gateway, listens there. Stop it or choose another port with --port or gateway.port`;
}

function hostsOf(bind: string): readonly string[] {
  return bind === 'lan' ? ['0.0.0.0', '::'] : ['127.0.0.1', '::1'];
}

/** In the background: a start does not wait for it. */
function probeSandbox(): () => SandboxPicker | undefined {
  let pick: SandboxPicker | undefined;
  void createSandboxPicker(baseEnvironment()['PATH'] ?? '').then((picker) => {
    pick = picker;
  });
  return () => pick;
}
