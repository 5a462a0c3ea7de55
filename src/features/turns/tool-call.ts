// A run that is one call of one tool, asked for by an operator: the same tools, sandbox and limits as in a turn, no model.

import { fault } from '../../domain/fault-codes.ts';
import type { RunOutcome, TerminalState } from '../../domain/run.ts';
import { INTERRUPTED } from '../../domain/tool.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import { isFault } from '../../kit/fault.ts';
import type { ToolAssignment } from '../runs/claim.ts';
import { finishRun, releaseRun } from '../runs/lease-ops.ts';
import { durably } from './durably.ts';
import { runTool, toolNamed } from './tools-step.ts';
import type { StopReason, TurnWorld } from './turn.ts';

/** Drives the call to its end. Never throws for what the tool did. */
export async function takeToolCall(run: ToolAssignment, { store, tools, context, scrub }: TurnWorld): Promise<void> {
  const held = { runId: run.runId, fence: run.fence };
  const finish = (state: Exclude<TerminalState, 'lost'>, outcome: Partial<RunOutcome>) =>
    durably(store, finishRun, { ...held, state, outcome: { text: '', stopReason: 'stop', usage: NO_USAGE, steps: 0, ...outcome }, entries: [] }, undefined);
  try {
    const { name = '', args = {} } = run.input.tool ?? {};
    const tool = toolNamed(tools, name);
    if (!tool) {
      const { code, message } = fault('tool.unknown', { tool: name });
      return void (await finish('failed', { stopReason: 'error', error: { code, message } }));
    }
    const lost = run.attempt > 1 && !tool.spec.idempotent;
    const called = lost
      ? { text: INTERRUPTED, isError: true, details: { status: 'interrupted' } }
      : await runTool(tool, { id: run.runId, name, input: args }, context);
    const outcome = called.waits ? { text: `${name} would have to wait for ${called.waits.for}: ask again later`, isError: true } : called;
    const stopped = context.signal.aborted ? (context.signal.reason as StopReason) : undefined; // only the worker's runner aborts it
    if (stopped === 'drain' || stopped === 'stale') return void (await durably(store, releaseRun, held, context.signal));
    const text = scrub(outcome.text);
    const state = stopped === 'timeout' ? 'timed_out' : stopped === 'abort' ? 'cancelled' : 'succeeded';
    await finish(state, { text, tool: { ...outcome, text }, ...(stopped && { stopReason: stopped }) });
  } catch (error) {
    if (isFault(error, 'lease.stale') || isFault(error, 'store.closed')) return;
    throw error;
  }
}
