// A run of listed commands without any model: each command is a step like an agent's, durable as soon as it is there.

import { type CommandList, EXEC_LISTED, showArgv } from '../../domain/command.ts';
import type { EntryBody, ToolCall, ToolResultEntry } from '../../domain/transcript.ts';
import { NO_USAGE } from '../../domain/transcript.ts';
import { isFault } from '../../kit/fault.ts';
import type { TurnAssignment } from '../runs/claim.ts';
import { finishRun, recordStep, releaseRun } from '../runs/lease-ops.ts';
import { readEntries } from '../sessions/ops.ts';
import { durably } from './durably.ts';
import { runCalls, settleOpenCalls } from './tools-step.ts';
import type { StopReason, TurnWorld } from './turn.ts';

const NONE = { provider: 'none', model: 'none', usage: NO_USAGE } as const;

/** Runs the commands in their order, up to the first that fails. Never throws for what a command did. */
export async function takeCommands(run: TurnAssignment, { list }: CommandList, world: TurnWorld): Promise<void> {
  const { store, context } = world;
  const held = { runId: run.runId, fence: run.fence };
  const results: ToolResultEntry[] = [];
  const record = async (entries: readonly EntryBody[]) => void (await durably(store, recordStep, { ...held, entries }, context.signal));
  const toolsWorld = {
    ...world,
    record: async (result: ToolResultEntry) => {
      await record([result]);
      results.push(result);
    },
  };
  const callOf = (i: number): ToolCall => ({ id: `${run.runId}-${i}`, name: EXEC_LISTED, input: { i } });
  const finish = async (text: string, error?: string) => {
    const isStopped = context.signal.aborted ? (context.signal.reason as StopReason) : undefined; // only the worker's runner aborts it
    const state = isStopped === 'abort' ? 'cancelled' : isStopped === 'timeout' ? 'timed_out' : error === undefined ? 'succeeded' : 'failed';
    const outcome = {
      text,
      stopReason: isStopped ?? (error === undefined ? 'stop' : 'error'),
      usage: NO_USAGE,
      steps: results.length,
      ...(error !== undefined && { error: { code: 'tool.failed', message: error } }),
    };
    const said: EntryBody = { kind: 'assistant', text, toolCalls: [], stopReason: 'stop', ...NONE };
    await durably(store, finishRun, { ...held, state, outcome, entries: [said] }, undefined);
  };

  try {
    if (run.attempt > 1) {
      const before = (await store.call(readEntries, { sessionId: run.sessionId, after: 0 })).filter(({ runId }) => runId === run.runId).map(({ body }) => body);
      for (const body of before) if (body.kind === 'tool_result') results.push(body);
      const asked = before.flatMap((body) => (body.kind === 'assistant' ? body.toolCalls : []));
      await settleOpenCalls(
        toolsWorld,
        asked.filter(({ id }) => !results.some(({ callId }) => callId === id)),
        [],
      );
    }
    for (let i = results.length; i < list.length && results.every(({ isError }) => !isError); i++) {
      context.signal.throwIfAborted();
      const call = callOf(i);
      await record([{ kind: 'assistant', text: '', toolCalls: [call], stopReason: 'tool_use', ...NONE }]);
      const waits = await runCalls(toolsWorld, [call]);
      if (waits)
        return void (await finish('', `command ${i} needs the answer of a person, and a run without a model cannot wait: allow it in exec-approvals.json`));
    }
    const failed = results.findIndex(({ isError }) => isError);
    const lines = results.map(({ text }) => text);
    const left = list.slice(results.length).map(({ argv }) => showArgv(argv));
    const text = ['Run by the gateway without a model.', ...lines, ...(left.length > 0 ? [`Not run: ${left.join('; ')}`] : [])].join('\n\n');
    await finish(text, failed < 0 ? undefined : `command ${failed} failed`);
  } catch (error) {
    if (isFault(error, 'lease.stale') || isFault(error, 'store.closed')) return;
    const reason = context.signal.aborted ? (context.signal.reason as StopReason) : undefined; // only the worker's runner aborts it
    if (reason === 'drain') return void (await durably(store, releaseRun, held, undefined));
    if (reason === 'abort' || reason === 'timeout') return finish(results.map(({ text }) => text).join('\n\n'), 'stopped');
    if (reason !== 'stale') throw error;
  }
}
