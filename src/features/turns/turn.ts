// The model loop: one run from its claim to its end. A function of the run and its world; used by main/worker.ts only.

import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { contextWindowOf, type ModelRef, modelChain } from '../../domain/model.ts';
import type { RunOutcome, TerminalState } from '../../domain/run.ts';
import { askedModel, roleOfAgent } from '../../domain/team.ts';
import { type AssistantEntry, addUsage, type EntryBody, type EntryUsage, NO_USAGE, openCalls, type ToolCall } from '../../domain/transcript.ts';
import type { Wait } from '../../domain/wait.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import type { Scrub } from '../../kit/scrub.ts';
import type { Tool } from '../../ports/tool.ts';
import type { TurnAssignment } from '../runs/claim.ts';
import { finishRun, recordStep, recordSummary, releaseRun, suspendRun, takeUrgentMail } from '../runs/lease-ops.ts';
import { readEntries } from '../sessions/ops.ts';
import { callModel, type ModelAnswer, type ModelAsk, type ModelWorld } from './call-model.ts';
import { compactionOf, isDue, SUMMARY_PROMPT, summaryTokens, transcriptOf } from './compact.ts';
import { durably } from './durably.ts';
import { createHistory, estimateTokens, type History, type OlderPart } from './history.ts';
import type { HistoryView } from './history-cache.ts';
import { buildSystemPrompt, type PromptFacts } from './prompt.ts';
import { BudgetSpent, createSpending } from './spending.ts';
import { runCalls, type StepContext, type StepWait, settleOpenCalls, type ToolsWorld } from './tools-step.ts';

/** Why a turn is stopped from outside. */
export type StopReason = 'abort' | 'timeout' | 'drain' | 'stale';

export interface TurnWorld extends ModelWorld {
  readonly tools: readonly Tool[];
  readonly context: StepContext;
  readonly scrub: Scrub;
  readonly host: string;
  readonly readFile: PromptFacts['readFile'];
  readonly onText: (piece: string) => void;
  readonly onPhase: ToolsWorld['onPhase'];
  /** The session's log as this worker knows it from earlier turns, if it does. */
  readonly recall: (view: HistoryView) => History | undefined;
  readonly remember: (view: HistoryView, history: History) => void;
}

const MAX_STEPS = 500;
const REQUEST_MARGIN_TOKENS = 2000;

/** A pause before something that was settled already is looked at again. */
const SETTLED_MS = 5;

/** The run stands still now: it has given back its slot and its worker. */
class StandsStill extends Error {}

/** Drives the run until it ends, stands still, is handed back, or is owned by another attempt. Never throws for what a model or tool did. */
export async function takeTurn(run: TurnAssignment, world: TurnWorld): Promise<void> {
  const turn = createTurn(run, world);
  try {
    const final = await turn.drive();
    await turn.finish('succeeded', { text: final.text, stopReason: final.stopReason }, [final]);
  } catch (error) {
    if (!(error instanceof StandsStill)) await settle(error, turn, world);
  }
}

async function settle(error: unknown, turn: Turn, { context, store, log }: TurnWorld): Promise<void> {
  const stopped = context.signal.aborted ? (context.signal.reason as StopReason) : undefined; // only the worker's runner aborts it
  if (stopped === 'stale' || isFault(error, 'lease.stale') || isFault(error, 'store.closed')) return;
  try {
    if (stopped === 'drain') {
      await durably(store, releaseRun, turn.held, context.signal);
      return;
    }
    if (stopped === 'abort' || stopped === 'timeout') {
      const partial = turn.partial(stopped === 'abort' ? 'aborted' : 'error');
      const text = partial?.text ?? '';
      const why = stopped === 'timeout' ? { error: { code: 'run.timed_out', message: fault('run.timed_out', { seconds: turn.limitSeconds }).message } } : {};
      await turn.finish(stopped === 'abort' ? 'cancelled' : 'timed_out', { text, stopReason: stopped, ...why }, partial ? [partial] : []);
      return;
    }
    const code = isFault(error) ? error.code : 'gateway.unexpected';
    if (code === 'gateway.unexpected') log.error({ error: error instanceof Error ? error.stack : String(error) }, 'a turn failed unexpectedly');
    const partial = turn.partial('error');
    await turn.finish('failed', { text: partial?.text ?? '', stopReason: 'error', error: { code, message: messageOf(error) } }, partial ? [partial] : []);
  } catch (again) {
    if (!isFault(again, 'lease.stale') && !isFault(again, 'store.closed')) throw again;
  }
}

type Turn = ReturnType<typeof createTurn>;
function createTurn(run: TurnAssignment, world: TurnWorld) {
  const { store, config, scrub, context } = world;
  const { signal } = context;
  const held = { runId: run.runId, fence: run.fence };
  const role = run.role ?? roleOfAgent(config, run.agentId);
  const chain = modelChain(config, run.agentId, askedModel(config, role, run.input.model ?? run.modelOverride));
  let usage: EntryUsage = NO_USAGE;
  let steps = 0;
  let streaming = '';
  /** Somebody has something to say that cannot wait for the end of the turn. */
  let mailWaits = false;
  let lastAnswer: ModelAnswer | undefined;
  const { onCharge, spent, reserve } = createSpending(run, held, { store, config, clock: world.clock, signal });

  const record = async (history: History, entries: readonly EntryBody[], tells: readonly string[] = []) => {
    const { first, hasMail } = await durably(store, recordStep, { ...held, entries, tells, ...spent() }, signal);
    mailWaits ||= hasMail;
    const known = first === history.lastSeq() + 1;
    history.add(
      known
        ? entries.map((body, i) => ({ seq: first + i, runId: run.runId, at: 0, body }))
        : await store.call(readEntries, { sessionId: run.sessionId, after: history.lastSeq() }),
    );
  };

  /** Takes urgent mail into the conversation, between two steps. */
  const hearMail = async (history: History) => {
    mailWaits = false;
    const heard = await durably(store, takeUrgentMail, held, signal);
    if (heard) history.add([{ seq: heard.first, runId: run.runId, at: 0, body: heard.entry }]);
  };

  /** Lets go of the run until something is settled; comes back when it is settled already. */
  const letGo = async (wait: Wait, keep: () => void): Promise<void> => {
    keep();
    if (await durably(store, suspendRun, { ...held, wait }, signal)) throw new StandsStill();
    await world.clock.sleep(SETTLED_MS, signal); // or the run is to be stopped: that is heard in a moment
    signal.throwIfAborted();
  };

  /** Stands still for what a step waits for, or begins its calls again when that is settled already. */
  const standStill = async (toolsWorld: ToolsWorld, calls: readonly ToolCall[], first: StepWait | undefined, keep: () => void): Promise<void> => {
    for (let step = first; step; ) {
      const { waits, calls: open } = step;
      const [only] = waits;
      const since = run.stoodStill?.calls.some((id) => open.includes(id)) ? run.stoodStill.since : world.clock.now();
      const until = Math.min(...waits.map((wait) => wait.until));
      const all = waits.length === 1 && only?.all === true;
      await letGo({ for: only?.for ?? 'children', on: waits.flatMap(({ on }) => on), all, calls: open, since, until }, keep);
      step = await runCalls(
        toolsWorld,
        calls.filter(({ id }) => open.includes(id)),
      );
    }
  };

  /** The model's answer; undefined when a budget was used up and there is money again already. */
  const askModel = async (ask: ModelAsk, keep: () => void): Promise<ModelAnswer | undefined> => {
    try {
      return await callModel(world, ask);
    } catch (error) {
      if (!(error instanceof BudgetSpent)) throw error;
      await letGo(error.wait, keep);
      steps -= 1;
      return undefined;
    }
  };

  /** Puts a summary in the place of the older part when that is due. Answers from where the log is shown then. */
  const compactIfDue = async (history: History, budget: number): Promise<number | undefined> => {
    const { at, everyTokens, model } = config.agents.defaults.compaction;
    const older = isDue(history, { budget, at, everyTokens });
    if (!older) return undefined;
    const entry = compactionOf(older, await summaryBy(older, budget, model), { budget, tokensBefore: history.tokens() });
    const seq = await durably(store, recordSummary, { ...held, entry, ...spent() }, signal);
    history.add([{ seq, runId: run.runId, at: 0, body: entry }]);
    world.log.info({ tokens: entry.tokensBefore, by: entry.by }, 'the older part of a conversation is summarised');
    return entry.keptFrom;
  };

  /** A model's summary, or null when none can be had. */
  const summaryBy = async (older: OlderPart, budget: number, model: string | undefined): Promise<string | null> => {
    const maxOutputTokens = summaryTokens(budget);
    const request = {
      system: SUMMARY_PROMPT,
      tools: [],
      messages: [{ role: 'user' as const, parts: [{ type: 'text' as const, text: transcriptOf(older, budget - maxOutputTokens) }] }],
      maxOutputTokens,
    };
    const models = model === undefined ? chain : modelChain(config, run.agentId, model);
    const quiet = { onText: () => undefined, onRestart: () => undefined, onCharge, reserve };
    try {
      const { text } = await callModel(world, {
        workspaceId: run.workspaceId,
        agentId: run.agentId,
        chain: models,
        request,
        deadlineAt: run.deadlineAt,
        signal,
        ...quiet,
      });
      return text.trim() === '' ? null : scrub(text);
    } catch (error) {
      signal.throwIfAborted();
      world.log.warn({ error: messageOf(error) }, 'no model could summarise; rules do it');
      return null;
    }
  };

  const drive = async (): Promise<AssistantEntry> => {
    signal.throwIfAborted();
    const specs = world.tools.map(({ spec }) => spec);
    const system = await buildSystemPrompt({
      config,
      agentId: run.agentId,
      sessionKey: run.sessionKey,
      workspace: context.workspace,
      model: chain[0] ? `${chain[0].provider}/${chain[0].model}` : '',
      sandbox: context.sandbox.ok ? context.sandbox.sandbox.level : 'refused',
      host: world.host,
      tools: specs,
      role,
      extra: run.input.extraSystemPrompt,
      readFile: world.readFile,
    });
    const tools = specs.map(({ name, about, schema }) => ({ name, about, schema }));
    const budget = historyBudget(config, chain, estimateTokens(system + JSON.stringify(tools)));
    const history = await loadHistory(run, world, budget);
    const toolsWorld: ToolsWorld = { ...world, record: (result, tells) => record(history, [result], tells) };
    let contextFrom = run.contextFrom;
    const keep = () => world.remember({ ...run, contextFrom, budget }, history);
    if (run.attempt > 1) {
      const recent = await store.call(readEntries, { sessionId: run.sessionId, after: Math.max(0, run.lastSeq - RECENT) });
      const earlier = recent.flatMap(({ runId, body }) => (runId === run.runId && body.kind === 'assistant' ? [body.usage] : []));
      usage = earlier.reduce(addUsage, usage);
      steps = earlier.length;
      const open = openCalls(recent);
      await standStill(toolsWorld, open, await settleOpenCalls(toolsWorld, open, run.stoodStill?.calls ?? []), keep);
    }
    while (steps < MAX_STEPS) {
      signal.throwIfAborted();
      contextFrom = (await compactIfDue(history, budget)) ?? contextFrom;
      steps += 1;
      streaming = '';
      const answer = await askModel(
        {
          workspaceId: run.workspaceId,
          agentId: run.agentId,
          chain,
          request: { system, tools, messages: history.messages(), maxOutputTokens: config.agents.defaults.maxOutputTokens },
          deadlineAt: run.deadlineAt,
          signal,
          onText: (piece) => {
            streaming += piece;
            world.onText(piece);
          },
          onRestart: () => {
            streaming = '';
          },
          onCharge,
          reserve,
        },
        keep,
      );
      if (answer === undefined) continue;
      lastAnswer = answer;
      usage = addUsage(usage, answer.usage);
      const entry = toEntry(answer, scrub);
      if (answer.toolCalls.length === 0) {
        keep();
        streaming = '';
        return entry;
      }
      await record(history, [entry]);
      streaming = '';
      await standStill(toolsWorld, answer.toolCalls, await runCalls(toolsWorld, answer.toolCalls), keep);
      if (mailWaits) await hearMail(history);
    }
    throw fault('run.too_many_steps', { steps });
  };

  return {
    held,
    drive,
    limitSeconds: run.timeoutMs / 1000,
    /** What had arrived of an unfinished answer, as an entry. */
    partial: (stopReason: 'aborted' | 'error'): AssistantEntry | undefined => {
      const [first] = chain;
      if (streaming === '' || !first) return undefined;
      return { kind: 'assistant', text: scrub(streaming), toolCalls: [], stopReason, provider: first.provider, model: first.model, usage: NO_USAGE };
    },
    finish: async (state: Exclude<TerminalState, 'lost'>, outcome: Pick<RunOutcome, 'text' | 'stopReason' | 'error'>, entries: readonly EntryBody[]) => {
      const model = lastAnswer && { provider: lastAnswer.provider, model: lastAnswer.model };
      await durably(store, finishRun, { ...held, state, outcome: { ...outcome, ...model, usage, steps }, entries, ...spent() }, undefined);
    },
  };
}

/** Tokens left for the conversation once system prompt, tools and the answer have theirs. */
function historyBudget(config: Config, chain: readonly ModelRef[], fixedTokens: number): number {
  const { maxOutputTokens } = config.agents.defaults;
  const contextTokens = Math.min(...chain.map((ref) => contextWindowOf(ref, config)));
  const room = contextTokens - Math.min(maxOutputTokens, contextTokens / 4) - fixedTokens - REQUEST_MARGIN_TOKENS;
  return Math.max(Math.floor(room), Math.floor(contextTokens / 8));
}

async function loadHistory(run: TurnAssignment, { store, recall }: TurnWorld, budget: number): Promise<History> {
  const history = recall({ ...run, budget }) ?? createHistory(budget, run.contextFrom - 1);
  while (history.lastSeq() < run.lastSeq) {
    const page = await store.call(readEntries, { sessionId: run.sessionId, after: history.lastSeq() });
    if (page.length === 0) break;
    history.add(page);
  }
  return history;
}

/** The entries of one step of an earlier attempt and more. */
const RECENT = 200;

function toEntry({ text, toolCalls, stopReason, provider, model, usage }: ModelAnswer, scrub: Scrub): AssistantEntry {
  return { kind: 'assistant', text: scrub(text), toolCalls, stopReason, provider, model, usage };
}
