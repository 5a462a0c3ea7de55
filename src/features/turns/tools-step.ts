// Runs the tool calls of one step: side by side where all of them allow it, each result durable as soon as it is there.

import { INTERRUPTED, type ToolOutcome, type ToolWait } from '../../domain/tool.ts';
import type { ToolCall, ToolResultEntry } from '../../domain/transcript.ts';
import type { Wait } from '../../domain/wait.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import type { Observation } from '../../kit/metrics.ts';
import type { Scrub } from '../../kit/scrub.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';

/** Where tools run, before it is said which call they run for. */
export interface StepContext extends Omit<ToolContext, 'callId' | 'waitingSince'> {
  readonly stoodStill: Pick<Wait, 'calls' | 'since'> | null;
}

export interface ToolsWorld {
  readonly tools: readonly Tool[];
  readonly context: StepContext;
  readonly clock: Clock;
  readonly scrub: Scrub;
  readonly observe: (observation: Observation) => void;
  readonly onPhase: (phase: 'start' | 'result', call: ToolCall, detail: unknown, isError: boolean) => void;
  /** Makes one result durable. `tells` are the runs whose results it tells. */
  readonly record: (result: ToolResultEntry, tells?: readonly string[]) => Promise<void>;
}

/** What some calls of a step wait for, and which calls have not done their work. */
export interface StepWait {
  readonly waits: readonly ToolWait[];
  readonly calls: readonly string[];
}

/** Runs new calls. Stops between calls when the signal aborts: what was not recorded stays open. Answers what the step waits for, if it does. */
export async function runCalls(world: ToolsWorld, calls: readonly ToolCall[]): Promise<StepWait | undefined> {
  const { signal } = world.context;
  const together = calls.every(({ name }) => toolNamed(world.tools, name)?.spec.parallel ?? true);
  if (together) {
    const waits = await Promise.all(calls.map((call) => runCall(world, call)));
    const waiting = calls.filter((_, i) => waits[i] !== undefined);
    return waiting.length === 0 ? undefined : { waits: waits.filter((wait) => wait !== undefined), calls: waiting.map(({ id }) => id) };
  }
  for (const [i, call] of calls.entries()) {
    signal.throwIfAborted();
    const wait = await runCall(world, call);
    if (wait) return { waits: [wait], calls: calls.slice(i).map(({ id }) => id) };
  }
  return undefined;
}

/** Settles calls without a result: those known not to have begun and idempotent tools run, of the others the outcome is told as unknown. */
export async function settleOpenCalls(world: ToolsWorld, calls: readonly ToolCall[], notBegun: readonly string[]): Promise<StepWait | undefined> {
  const again = calls.filter(({ id, name }) => notBegun.includes(id) || toolNamed(world.tools, name)?.spec.idempotent);
  for (const call of calls) {
    if (!again.includes(call)) await world.record(toEntry(call, { text: INTERRUPTED, isError: true, details: { status: 'interrupted' } }));
  }
  return runCalls(world, again);
}

async function runCall(world: ToolsWorld, call: ToolCall): Promise<ToolWait | undefined> {
  const { tools, context, clock, scrub, observe, onPhase, record } = world;
  const since = clock.elapsed();
  onPhase('start', call, call.input, false);
  const outcome = await runTool(toolNamed(tools, call.name), call, context);
  if (outcome.waits) return outcome.waits;
  observe({ kind: 'tool', name: call.name, outcome: outcome.isError ? 'error' : 'ok', seconds: (clock.elapsed() - since) / 1000 });
  if (context.signal.aborted && outcome.isError && context.signal.reason === 'drain') return undefined; // handed back: the next attempt tells it as interrupted
  const entry = toEntry(call, { ...outcome, text: scrub(outcome.text) });
  await record(entry, outcome.tells);
  onPhase('result', call, { text: entry.text, ...entry.details }, entry.isError);
  return undefined;
}

/** Calls the tool; what it throws is an outcome too. */
export async function runTool(tool: Tool | undefined, call: ToolCall, { stoodStill, ...context }: StepContext): Promise<ToolOutcome> {
  if (!tool) return { text: `Tool ${call.name} not found`, isError: true };
  if (typeof call.input['_invalid'] === 'string')
    return { text: `The input of ${call.name} was not a JSON object. Call it again with valid input.`, isError: true };
  try {
    return await tool.run(call.input, { ...context, callId: call.id, ...(stoodStill?.calls.includes(call.id) && { waitingSince: stoodStill.since }) });
  } catch (error) {
    context.log.warn({ tool: call.name, error: messageOf(error) }, 'a tool failed unexpectedly');
    return { text: `${call.name} failed: ${messageOf(error)}`, isError: true };
  }
}

export function toolNamed(tools: readonly Tool[], name: string): Tool | undefined {
  return tools.find(({ spec }) => spec.name === name);
}

function toEntry({ id, name }: ToolCall, { text, isError, details }: ToolOutcome): ToolResultEntry {
  return { kind: 'tool_result', callId: id, toolName: name, text, isError, ...(details && { details }) };
}
