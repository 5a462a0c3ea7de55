// A turn that another runtime drives: what it says and does is recorded as if it were our own loop, its tools are ours.

import { chargeOf, worstCase } from '../../domain/budget.ts';
import { modelChain } from '../../domain/model.ts';
import type { RunOutcome, TerminalState } from '../../domain/run.ts';
import { askedModel, roleOfAgent } from '../../domain/team.ts';
import { type AssistantEntry, addUsage, type EntryBody, type EntryUsage, NO_USAGE, type ToolCall } from '../../domain/transcript.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { uuidOf } from '../../kit/id.ts';
import type { ModelEndpoint } from '../../ports/model.ts';
import type { Runtime } from '../../ports/runtime.ts';
import type { TurnAssignment } from '../runs/claim.ts';
import { finishRun, recordStep, releaseRun, suspendRun } from '../runs/lease-ops.ts';
import { readEntries } from '../sessions/ops.ts';
import { durably } from './durably.ts';
import { buildSystemPrompt } from './prompt.ts';
import { BudgetSpent, createSpending } from './spending.ts';
import { runTool, toolNamed } from './tools-step.ts';
import type { StopReason, TurnWorld } from './turn.ts';

const AGAIN = 'You were interrupted in the middle of this. Find out what has been done already before you repeat anything, then go on:';
const WAIT_MS = 500;
/** A provider name in the transcript that says who drove the turn. */
const BY = 'claude-code';

/** Drives the run to its end. Never throws for what the runtime or its tools did. */
export async function takeRuntimeTurn(run: TurnAssignment, runtime: Runtime, world: TurnWorld): Promise<void> {
  const { store, config, context, scrub, clock } = world;
  const { signal } = context;
  const held = { runId: run.runId, fence: run.fence };
  const role = run.role ?? roleOfAgent(config, run.agentId);
  const chain = modelChain(config, run.agentId, askedModel(config, role, run.input.model ?? run.modelOverride));
  const [ref] = chain;
  if (!ref) throw new Error('an agent has no model');
  const { onCharge, spent, reserve } = createSpending(run, held, { store, config, clock, signal });
  let usage: EntryUsage = NO_USAGE;
  let steps = 0;
  let streamed = '';
  let pending: AssistantEntry | undefined;
  /** Runs whose results a tool has told since the last step. */
  const tells: string[] = [];

  const record = async (entries: readonly EntryBody[]) =>
    void (await durably(store, recordStep, { ...held, entries, tells: tells.splice(0), ...spent() }, signal));
  const finish = async (state: Exclude<TerminalState, 'lost'>, outcome: Pick<RunOutcome, 'text' | 'stopReason' | 'error'>, entries: readonly EntryBody[]) =>
    void (await durably(
      store,
      finishRun,
      { ...held, state, outcome: { ...outcome, provider: ref.provider, model: ref.model, usage, steps }, entries, ...spent() },
      undefined,
    ));
  const setAside = async () => {
    const most = worstCase(ref, { input: 0, output: config.agents.defaults.maxOutputTokens }, config);
    if (most) await reserve(ref, most);
  };

  /** A tool that would stand still is asked again until it has its answer: the process that called it cannot be let go. */
  const callTool = async (call: ToolCall): Promise<{ text: string; isError: boolean }> => {
    const stoodStill = { calls: [call.id], since: clock.now() };
    world.onPhase('start', call, call.input, false);
    for (;;) {
      const outcome = await runTool(toolNamed(world.tools, call.name), call, { ...context, stoodStill });
      if (!outcome.waits) {
        tells.push(...(outcome.tells ?? []));
        const text = scrub(outcome.text);
        world.onPhase('result', call, { text, ...outcome.details }, outcome.isError);
        return { text, isError: outcome.isError };
      }
      await clock.sleep(WAIT_MS, signal);
      signal.throwIfAborted();
    }
  };

  try {
    await setAside();
    const entries = await allEntries(world, run);
    const isKnown = entries.some(({ body }) => body.kind === 'assistant' && body.provider === BY);
    const order = entries.findLast(({ runId, body }) => runId === run.runId && body.kind === 'user')?.body;
    const text = order?.kind === 'user' ? order.text : run.input.message;
    const names = new Map<string, string>();
    const system = await buildSystemPrompt({
      config,
      agentId: run.agentId,
      sessionKey: run.sessionKey,
      workspace: context.workspace,
      model: `${ref.provider}/${ref.model}`,
      sandbox: context.sandbox.ok ? context.sandbox.sandbox.level : 'refused',
      host: world.host,
      tools: world.tools.map(({ spec }) => spec),
      role,
      extra: run.input.extraSystemPrompt,
      readFile: world.readFile,
    });
    const events = runtime.run({
      prompt: run.attempt > 1 ? `${AGAIN}\n\n${text}` : text,
      system,
      model: ref.model,
      endpoint: await endpointOf(world, run, ref.provider),
      conversation: uuidOf(`${BY} ${run.sessionId}`),
      isKnown: isKnown || run.attempt > 1,
      cwd: context.workspace,
      tools: world.tools.map(({ spec }) => spec),
      callTool,
      signal,
      runId: run.runId,
    });
    for await (const event of events) {
      if (event.kind === 'text') {
        streamed += event.piece;
        world.onText(event.piece);
      } else if (event.kind === 'said') {
        if (pending) await record([pending]);
        steps += 1;
        streamed = '';
        const charge = chargeOf(ref, event.usage, config);
        onCharge(charge);
        const own = { ...event.usage, cost: charge.micros / 1e6 };
        usage = addUsage(usage, own);
        for (const { id, name } of event.calls) names.set(id, name);
        pending = {
          kind: 'assistant',
          text: scrub(event.text),
          toolCalls: event.calls,
          stopReason: event.calls.length > 0 ? 'tool_use' : 'stop',
          provider: BY,
          model: ref.model,
          usage: own,
        };
      } else if (event.kind === 'result') {
        const before = pending ? [pending] : [];
        pending = undefined;
        await record([
          ...before,
          { kind: 'tool_result', callId: event.callId, toolName: names.get(event.callId) ?? '', text: scrub(event.text), isError: event.isError },
        ]);
        await setAside();
      } else if (event.ok) {
        const last: AssistantEntry = pending ?? {
          kind: 'assistant',
          text: scrub(event.text),
          toolCalls: [],
          stopReason: 'stop',
          provider: BY,
          model: ref.model,
          usage: NO_USAGE,
        };
        return await finish('succeeded', { text: last.text, stopReason: 'stop' }, [last]);
      } else {
        signal.throwIfAborted();
        return await finish(
          'failed',
          { text: pending?.text ?? '', stopReason: 'error', error: { code: 'model.invalid', message: `${runtime.name}: ${event.problem ?? 'it failed'}` } },
          pending ? [pending] : [],
        );
      }
    }
    signal.throwIfAborted();
  } catch (error) {
    const stopped = signal.aborted ? (signal.reason as StopReason) : undefined; // only the worker's runner aborts it
    if (stopped === 'stale' || isFault(error, 'lease.stale') || isFault(error, 'store.closed')) return;
    if (stopped === 'drain') return void (await durably(store, releaseRun, held, undefined));
    if (error instanceof BudgetSpent && (await durably(store, suspendRun, { ...held, wait: error.wait }, undefined))) return;
    const state = stopped === 'abort' ? 'cancelled' : stopped === 'timeout' ? 'timed_out' : 'failed';
    const text = scrub(pending?.text ?? streamed);
    const said: EntryBody[] =
      text === ''
        ? []
        : [{ kind: 'assistant', text, toolCalls: [], stopReason: stopped === 'abort' ? 'aborted' : 'error', provider: BY, model: ref.model, usage: NO_USAGE }];
    await finish(
      state,
      { text, stopReason: stopped ?? 'error', ...(stopped === undefined && { error: { code: 'gateway.unexpected', message: messageOf(error) } }) },
      said,
    );
  }
}

async function allEntries({ store }: TurnWorld, run: TurnAssignment) {
  const entries = [];
  for (let after = 0; ; ) {
    const page = await store.call(readEntries, { sessionId: run.sessionId, after });
    if (page.length === 0) return entries;
    entries.push(...page);
    after = page.at(-1)?.seq ?? after;
  }
}

/** Undefined where the runtime signs in by itself. */
async function endpointOf({ models, log }: TurnWorld, { agentId }: TurnAssignment, provider: string): Promise<ModelEndpoint | undefined> {
  try {
    const [endpoint] = await models.endpointsFor(provider, agentId);
    return endpoint;
  } catch (error) {
    log.info({ provider, problem: messageOf(error) }, 'claude uses its own sign-in');
    return undefined;
  }
}
