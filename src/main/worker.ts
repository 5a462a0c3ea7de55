// A worker process: composition root of turns, models, tools and sandboxes. Its gateway configures it by its first frame.

import { existsSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { createFileBlobs } from '../adapters/blob/files.ts';
import { createModels } from '../adapters/models/catalog.ts';
import { createProviderGates } from '../adapters/models/gates.ts';
import { createSandboxPicker } from '../adapters/sandbox/catalog.ts';
import { connectToSocket } from '../adapters/store/clients.ts';
import { createTools } from '../adapters/tools/catalog.ts';
import { commandPath } from '../adapters/tools/exec.ts';
import { readInside } from '../adapters/tools/inside.ts';
import { createJobs, type Jobs } from '../adapters/tools/jobs.ts';
import { workspaceOf } from '../domain/config.ts';
import { isToolAllowed, sandboxChoice } from '../domain/tool.ts';
import type { GatewayToWorker, WorkerSettings, WorkerToGateway } from '../domain/worker-frame.ts';
import { WORKSPACE_ID } from '../domain/workspace.ts';
import { createAgentTools } from '../features/agent-tools/catalog.ts';
import { createRefusals } from '../features/models/refusals.ts';
import type { Assignment } from '../features/runs/claim.ts';
import { permitCommand } from '../features/turns/exec-permission.ts';
import { createHistoryCache } from '../features/turns/history-cache.ts';
import { type Runner, startRunner } from '../features/turns/runner.ts';
import { takeToolCall } from '../features/turns/tool-call.ts';
import { type TurnWorld, takeTurn } from '../features/turns/turn.ts';
import { forgetProcess, noteProcess } from '../features/workers/ops.ts';
import { createStoreClock, systemClock } from '../kit/clock.ts';
import { isFault, messageOf } from '../kit/fault.ts';
import { type Log, openDailyLog } from '../kit/log.ts';
import type { Observation } from '../kit/metrics.ts';
import { createScrub } from '../kit/scrub.ts';
import type { Store } from '../ports/store.ts';
import { createDeltas } from './deltas.ts';
import { baseEnvironment, expandHome } from './environment.ts';
import { VERSION } from './version.ts';

const STATS_EVERY_MS = 1000;

const send = (frame: WorkerToGateway) => {
  if (process.connected) process.send?.(frame);
};

/** What follows from the configuration: made anew when it changes, so that later runs use it. */
function setUp({ config, secrets, stateDir, providerKeys }: WorkerSettings, store: Store, jobs: Jobs, log: Log) {
  const { exec } = config.tools;
  return {
    config,
    scrub: createScrub(
      secrets,
      config.logging.redactPatterns.map((source) => new RegExp(source, 'g')),
    ),
    models: createModels({ config, stateDir, providerKeys, clock: systemClock, log }),
    tools: [
      ...createTools({ jobs, clock: systemClock, exec: { ...exec, binds: config.agents.defaults.sandbox?.binds ?? [], baseEnv: baseEnvironment() } }),
      ...createAgentTools({ store, config, clock: systemClock, version: VERSION }),
    ],
  };
}

interface RunningWorker {
  readonly runner: Runner;
  readonly reconfigure: (settings: WorkerSettings) => void;
}

async function configure(settings: WorkerSettings): Promise<RunningWorker> {
  const { workerId, stateDir, home } = settings;
  const { level, retentionDays } = settings.config.logging;
  const clock = createStoreClock(systemClock);
  const log = openDailyLog({ dir: settings.logDir, level, retentionDays, scrub: (text) => setup.scrub(text), clock });
  let runner: Runner | undefined;
  const store = await connectToSocket({
    socketPath: settings.storeSocket,
    hello: { workerId, credential: settings.storeCredential },
    onWake: () => runner?.wake(),
    onClock: clock.setAhead,
    onLost: () => leave(0),
  });
  const jobs = createJobs({ clock, ledger: processLedger(store, workerId) });
  let setup = setUp(settings, store, jobs, log);
  const leave = (code: number) => {
    jobs.killAll();
    log.flush();
    process.exit(code);
  };
  process.on('disconnect', () => leave(0));
  process.on('uncaughtException', (error) => {
    log.error({ worker: workerId, error: error.stack }, 'the worker stops on an unexpected error; its runs go on with the next one');
    leave(1);
  });

  const pickSandbox = await createSandboxPicker();
  const observations: Observation[] = [];
  const observe = (observation: Observation) => {
    if (observations.push(observation) === 1) setTimeout(() => send({ kind: 'stats', observations: observations.splice(0) }), STATS_EVERY_MS).unref();
  };
  const gates = createProviderGates({ clock, observe });
  const refusals = createRefusals({ store, clock });
  const histories = createHistoryCache();
  const blobs = createFileBlobs(join(stateDir, 'blobs'));

  const worldOf = (run: Assignment, signal: AbortSignal): TurnWorld => {
    const { config, models, scrub, tools } = setup;
    const { runKey, attempt, agentId } = run;
    const sessionKey = run.work === 'turn' ? run.sessionKey : (run.input.tool?.sessionKey ?? '');
    const quiet = run.work === 'turn' && run.settings.verboseLevel === 'off';
    const workspace = resolve(expandHome(workspaceOf(config, agentId), home));
    makeFolder(workspace, log);
    const sandbox = pickSandbox(sandboxChoice(config, agentId));
    const fileRoot = sandbox.ok && sandbox.sandbox.level === 'none' ? '/' : workspace;
    const forbidden = [stateDir];
    const whose = { workspaceId: run.workspaceId, agentId, runId: run.runId, sessionKey };
    const deltas = createDeltas({ runKey, sessionKey, attempt }, send);
    return {
      store,
      models,
      config,
      clock,
      log: log.child({ run: runKey, session: sessionKey }),
      observe,
      gates,
      refusals,
      tools: tools.filter(({ spec }) => isToolAllowed(config, { agentId, sessionKey, depth: run.depth }, spec.name)),
      context: {
        ...whose,
        workspace,
        fileRoot,
        forbidden,
        sandbox,
        mayRun: (wanted, callId) =>
          permitCommand(
            {
              ...whose,
              callId,
              store,
              log,
              config,
              stateDir,
              path: commandPath(config.tools.exec, baseEnvironment()),
              byOperator: run.work === 'tool',
              signal,
            },
            wanted,
          ),
        stoodStill: run.stoodStill,
        signal,
        blobs,
        log,
      },
      scrub,
      host: hostname(),
      readFile: (name) => readWorkspaceFile(workspace, forbidden, name),
      onText: deltas.push,
      onPhase: (phase, call, detail, isError) => {
        deltas.flush();
        send({ kind: 'tool', runKey, sessionKey, phase, name: call.name, callId: call.id, detail, isError, quiet });
      },
      recall: histories.recall,
      remember: histories.remember,
    };
  };

  runner = startRunner({
    workspaceId: WORKSPACE_ID,
    workerId,
    slots: settings.config.gateway.workerSlots,
    store,
    clock,
    log,
    drive: (run, signal) => (run.work === 'turn' ? takeTurn(run, worldOf(run, signal)) : takeToolCall(run, worldOf(run, signal))),
  });
  log.info({ worker: workerId, pid: process.pid }, 'worker ready');
  return {
    runner,
    reconfigure: (fresh) => {
      setup = setUp(fresh, store, jobs, log);
      log.setLevel(fresh.config.logging.level);
    },
  };
}

function processLedger(store: Store, workerId: string) {
  return {
    note: (pid: number, pidStarted: string, runId: string) => store.call(noteProcess, { pid, pidStarted, runId, workerId, workspaceId: WORKSPACE_ID }),
    forget: async (pid: number, pidStarted: string) => {
      try {
        await store.call(forgetProcess, { pid, pidStarted, workerId });
      } catch (error) {
        if (!isFault(error)) throw error; // the row stays: a successor finds the process gone
      }
    },
  };
}

/** A new agent's workspace begins as an empty folder. One that cannot be made shows in the results of its tools. */
function makeFolder(path: string, log: Log): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    log.warn({ workspace: path, error: messageOf(error) }, 'the workspace cannot be made');
  }
}

async function readWorkspaceFile(workspace: string, forbidden: readonly string[], name: string): Promise<string | undefined> {
  if (!existsSync(join(workspace, name))) return undefined; // most do not exist: an error for each would cost more than the look
  try {
    return (await readInside({ base: workspace, root: workspace, forbidden }, name)).toString('utf8');
  } catch {
    return undefined; // missing, unreadable or leading elsewhere: the prompt does without it
  }
}

let worker: Promise<RunningWorker> | undefined;

async function onFrame(frame: GatewayToWorker): Promise<void> {
  if (frame.kind === 'ping') return send({ kind: 'pong' });
  if (frame.kind === 'configure') {
    if (worker) return (await worker).reconfigure(frame.settings);
    worker = configure(frame.settings);
    await worker;
    send({ kind: 'ready' });
  } else if (frame.kind === 'abort') (await worker)?.runner.abort(frame.runId);
  else {
    await (await worker)?.runner.drain(frame.graceMs);
    process.disconnect();
  }
}

if (process.send) {
  // Node delivers frames in order; a failing one ends the worker, and its gateway starts another.
  process.on('message', (frame: GatewayToWorker) => void onFrame(frame));
  process.on('SIGINT', () => undefined); // the terminal's Ctrl-C reaches the whole group: the gateway decides
  process.on('SIGTERM', () => undefined);
}
