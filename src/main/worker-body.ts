// The inside of a worker, wherever it runs: turns, models, tools and sandboxes over a store.

import { existsSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { createFileBlobs } from '../adapters/blob/files.ts';
import { createModels } from '../adapters/models/catalog.ts';
import { createProviderGates } from '../adapters/models/gates.ts';
import { createClaudeCode, findClaude } from '../adapters/runtimes/claude-code.ts';
import { createSandboxPicker } from '../adapters/sandbox/catalog.ts';
import { createTools } from '../adapters/tools/catalog.ts';
import { commandPath } from '../adapters/tools/exec.ts';
import { readInside } from '../adapters/tools/inside.ts';
import { createJobs, type Jobs } from '../adapters/tools/jobs.ts';
import { createListedTools } from '../adapters/tools/listed.ts';
import { workspaceOf } from '../domain/config.ts';
import { modelChain } from '../domain/model.ts';
import { isRole } from '../domain/role.ts';
import { roleOfAgent, rolePolicy } from '../domain/team.ts';
import { isToolAllowed, sandboxChoice } from '../domain/tool.ts';
import type { WorkerSettings, WorkerToGateway } from '../domain/worker-frame.ts';
import { createAgentTools } from '../features/agent-tools/catalog.ts';
import { createRefusals } from '../features/models/refusals.ts';
import type { Assignment, TurnAssignment } from '../features/runs/claim.ts';
import { takeCommands } from '../features/turns/commands.ts';
import { permitCommand } from '../features/turns/exec-permission.ts';
import { createHistoryCache } from '../features/turns/history-cache.ts';
import { type Runner, startRunner } from '../features/turns/runner.ts';
import { takeRuntimeTurn } from '../features/turns/runtime-turn.ts';
import { takeToolCall } from '../features/turns/tool-call.ts';
import { type TurnWorld, takeTurn } from '../features/turns/turn.ts';
import { takeProof } from '../features/validation/proof-run.ts';
import { forgetProcess, noteProcess } from '../features/workers/ops.ts';
import { type Clock, systemClock } from '../kit/clock.ts';
import { isFault, messageOf } from '../kit/fault.ts';
import { type Log, openDailyLog } from '../kit/log.ts';
import type { Observation } from '../kit/metrics.ts';
import { own } from '../kit/own.ts';
import { createScrub } from '../kit/scrub.ts';
import type { Prover } from '../ports/repo.ts';
import type { Runtime } from '../ports/runtime.ts';
import type { Store } from '../ports/store.ts';
import { createDeltas } from './deltas.ts';
import { baseEnvironment, expandHome } from './environment.ts';
import { createProver } from './proofs.ts';
import { VERSION } from './version.ts';

const STATS_EVERY_MS = 1000;

/** What follows from the configuration: made anew when it changes, so that later runs use it. */
function setUp({ config, secrets, stateDir, providerKeys }: WorkerSettings, store: Store, jobs: Jobs, log: Log) {
  const execSettings = { ...config.tools.exec, binds: config.agents.defaults.sandbox?.binds ?? [], baseEnv: baseEnvironment() };
  return {
    config,
    scrub: createScrub(
      secrets,
      config.logging.redactPatterns.map((source) => new RegExp(source, 'g')),
    ),
    models: createModels({ config, stateDir, providerKeys, clock: systemClock, log }),
    exec: execSettings,
    tools: [
      ...createTools({ jobs, clock: systemClock, exec: execSettings }),
      ...createAgentTools({ store, config, clock: systemClock, version: VERSION, programPath: baseEnvironment()['PATH'] ?? '' }),
    ],
  };
}

interface WorkerOptions {
  readonly settings: WorkerSettings;
  readonly store: Store;
  readonly clock: Clock;
  /** Live text, tool calls and figures on their way to clients. */
  readonly send: (frame: WorkerToGateway) => void;
}

export interface RunningWorker {
  readonly workerId: string;
  /** How long runs may take to end when it is stopped. */
  readonly drainMs: number;
  readonly runner: Runner;
  readonly log: Log;
  readonly reconfigure: (settings: WorkerSettings) => void;
  /** Stops what it started and writes down what it logged: the process ends now. */
  readonly abandon: () => void;
}

export async function startWorker({ settings, store, clock, send }: WorkerOptions): Promise<RunningWorker> {
  const { workspaceId, workerId, stateDir, home } = settings;
  const { level, retentionDays } = settings.config.logging;
  const log = openDailyLog({ dir: settings.logDir, level, retentionDays, scrub: (text) => setup.scrub(text), clock });
  const ledger = processLedger(store, { workspaceId, workerId });
  const jobs = createJobs({ clock, ledger });
  let setup = setUp(settings, store, jobs, log);

  const pickSandbox = await createSandboxPicker(baseEnvironment()['PATH'] ?? '');
  const observations: Observation[] = [];
  const observe = (observation: Observation) => {
    if (observations.push(observation) === 1) setTimeout(() => send({ kind: 'stats', observations: observations.splice(0) }), STATS_EVERY_MS).unref();
  };
  const gates = createProviderGates({ clock, observe });
  const refusals = createRefusals({ store, clock });
  const histories = createHistoryCache();
  const blobs = createFileBlobs(join(stateDir, 'blobs'));

  const worldOf = (run: Assignment, signal: AbortSignal): TurnWorld => {
    const { config, models, scrub, exec } = setup;
    const { commands } = run.input;
    const tools = commands ? [...setup.tools, ...createListedTools(commands.list, jobs, exec, clock)] : setup.tools;
    const { runKey, attempt, agentId } = run;
    const role = run.role ?? roleOfAgent(config, agentId);
    const sessionKey = run.work === 'turn' ? run.sessionKey : (run.input.tool?.sessionKey ?? '');
    const quiet = run.work === 'turn' && run.settings.verboseLevel === 'off';
    const workspace = resolve(expandHome(workspaceOf(config, agentId), home));
    makeFolder(workspace, log);
    const sandbox = pickSandbox(sandboxChoice(config, agentId));
    const fileRoot = sandbox.ok && sandbox.sandbox.level === 'none' ? '/' : workspace;
    const forbidden = [stateDir, ...settings.forbidden];
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
      tools: tools.filter(({ spec }) => isToolAllowed(config, { agentId, sessionKey, depth: run.depth, role, narrowed: run.input.tools }, spec.name)),
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

  /** The runtime of a role that has one of its own, where it is installed and speaks with the role's provider. */
  const runtimeFor = ({ role, agentId, runKey, input, modelOverride }: TurnAssignment): Runtime | undefined => {
    const { config } = setup;
    const acting = role ?? roleOfAgent(config, agentId);
    if (acting === null || !isRole(acting) || rolePolicy(config, acting).runtime !== 'claude-code') return undefined;
    const env = baseEnvironment();
    const command = findClaude({ configured: config.agents.defaults.claudeCommand, stateDir, path: env['PATH'] ?? '' });
    const provider = modelChain(config, agentId, input.model ?? modelOverride)[0]?.provider ?? '';
    const api = own(config.models.providers, provider)?.api ?? (provider === 'anthropic' ? 'anthropic-messages' : undefined);
    if (command !== undefined && api === 'anthropic-messages') return createClaudeCode({ command, stateDir, env, ledger });
    log.warn(
      { run: runKey, role: acting },
      `the runtime claude-code cannot be used (${command === undefined ? 'no claude command: clawdbot runtime install' : `the provider ${provider} is none of its own`}); the gateway drives the turn itself`,
    );
    return undefined;
  };

  /** Proofs get the sandbox wherever there is one. Without it they run, and say that nothing was isolated, unless the owner insists on one. */
  const prover = () => {
    const { config } = setup;
    const insists = sandboxChoice(config, 'gateway') === 'bwrap';
    const picked = pickSandbox(insists ? 'bwrap' : 'auto');
    if (!picked.ok) return refusingProver(picked.refusal);
    return createProver({
      stateDir,
      sandbox: picked.sandbox,
      path: commandPath(config.tools.exec, baseEnvironment()),
      registry: config.proofs.registry,
      clock,
    });
  };

  const runner = startRunner({
    workspaceId,
    workerId,
    slots: settings.config.gateway.workerSlots,
    store,
    clock,
    log,
    drive: (run, signal) => {
      if (run.work === 'tool' && run.input.proof) return takeProof(run, { store, prover: prover(), signal });
      const world = worldOf(run, signal);
      if (run.work === 'tool') return takeToolCall(run, world);
      const { commands } = run.input;
      if (commands && !commands.withModel) return takeCommands(run, commands, world);
      const runtime = runtimeFor(run);
      return runtime ? takeRuntimeTurn(run, runtime, world) : takeTurn(run, world);
    },
  });
  log.info({ worker: workerId, pid: process.pid }, 'worker ready');
  return {
    workerId,
    drainMs: settings.config.gateway.drainSeconds * 1000,
    runner,
    log,
    reconfigure: (fresh) => {
      setup = setUp(fresh, store, jobs, log);
      log.setLevel(fresh.config.logging.level);
    },
    abandon: () => {
      jobs.killAll();
      log.flush();
    },
  };
}

function refusingProver(refusal: string): Prover {
  const refuse = async () => {
    throw new Error(refusal);
  };
  return { prove: refuse, heldOut: refuse, merge: refuse };
}

function processLedger(store: Store, whose: { readonly workspaceId: string; readonly workerId: string }) {
  return {
    note: (pid: number, pidStarted: string, runId: string) => store.call(noteProcess, { pid, pidStarted, runId, ...whose }),
    forget: async (pid: number, pidStarted: string) => {
      try {
        await store.call(forgetProcess, { pid, pidStarted, workerId: whose.workerId });
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
