// Turns durable events and live text into the `agent` and `chat` events that existing clients follow.

import type { RunEnded, SealedEvent } from '../../domain/event.ts';
import type { WorkerToGateway } from '../../domain/worker-frame.ts';
import { injectedMessage } from '../../features/sessions/views.ts';
import type { Clock } from '../../kit/clock.ts';

type Broadcast = (event: string, payload: unknown, options: { readonly dropIfSlow: boolean }) => void;
type Delta = Extract<WorkerToGateway, { kind: 'delta' }>;
type ToolPhase = Extract<WorkerToGateway, { kind: 'tool' }>;

interface Follow {
  seq: number;
  text: string;
  attempt: number;
  lastChatAt: number;
}

const CHAT_DELTA_EVERY_MS = 150;
const MAX_ALIASES = 10_000;
const MAX_ENDED = 1000;

export function createRunEvents({ broadcast, clock }: { readonly broadcast: Broadcast; readonly clock: Clock }) {
  const follows = new Map<string, Follow>();
  const aliases = new Map<string, string>();
  /** Runs that ended a moment ago: live text that comes late is void. */
  const ended = new Set<string>();
  const keyOf = (runKey: string, sessionKey: string) => aliases.get(runKey) ?? sessionKey;

  const follow = (runKey: string): Follow => {
    let state = follows.get(runKey);
    if (!state) {
      state = { seq: 0, text: '', attempt: 0, lastChatAt: 0 };
      follows.set(runKey, state);
    }
    return state;
  };
  const agent = (runKey: string, sessionKey: string, state: Follow, stream: string, data: unknown, dropIfSlow = false) => {
    state.seq += 1;
    broadcast('agent', { runId: runKey, stream, data, sessionKey: keyOf(runKey, sessionKey), seq: state.seq, ts: clock.now() }, { dropIfSlow });
  };
  const chat = (runKey: string, sessionKey: string, state: Follow, fields: Readonly<Record<string, unknown>>, dropIfSlow = false) => {
    broadcast('chat', { runId: runKey, sessionKey: keyOf(runKey, sessionKey), seq: state.seq, ...fields }, { dropIfSlow });
  };
  const message = (text: string) => ({ role: 'assistant', content: [{ type: 'text', text }], timestamp: clock.now() });

  const onDelta = ({ runKey, sessionKey, attempt, text }: Delta) => {
    if (ended.has(runKey)) return;
    const state = follow(runKey); // live text may overtake the event of the run's start
    if (attempt < state.attempt) return; // an attempt that is no longer the run's
    if (attempt > state.attempt) Object.assign(state, { attempt, text: '' });
    state.text += text;
    agent(runKey, sessionKey, state, 'assistant', { text: state.text, delta: text }, true);
    if (clock.now() - state.lastChatAt < CHAT_DELTA_EVERY_MS) return;
    state.lastChatAt = clock.now();
    chat(runKey, sessionKey, state, { state: 'delta', message: message(state.text) }, true);
  };

  /** Tool calls begin a new answer: what was streamed before them is a finished message of its own. */
  const onTool = ({ runKey, sessionKey, phase, name, callId, detail, isError, quiet }: ToolPhase) => {
    const state = follows.get(runKey);
    if (!state) return;
    if (phase === 'start') state.text = '';
    if (quiet) return;
    const data = phase === 'start' ? { phase, name, toolCallId: callId, args: detail } : { phase, name, toolCallId: callId, result: detail, isError };
    agent(runKey, sessionKey, state, 'tool', data, true);
  };

  const onEvent = ({ runKey, sessionKey, body, at }: SealedEvent) => {
    if (runKey === null || sessionKey === null) return;
    if (body.kind === 'run.started') {
      const state = follow(runKey);
      ended.delete(runKey);
      if (body.attempt > 1) Object.assign(state, { attempt: body.attempt, text: '' });
      else agent(runKey, sessionKey, state, 'lifecycle', { phase: 'start', startedAt: at });
    } else if (body.kind === 'run.step' && body.entries.some(({ kind }) => kind === 'compaction')) {
      agent(runKey, sessionKey, follow(runKey), 'compaction', { phase: 'end', willRetry: false });
    } else if (body.kind === 'run.ended') {
      end(runKey, sessionKey, follow(runKey), body, at);
      follows.delete(runKey);
      aliases.delete(runKey);
      ended.add(runKey);
      const [oldest] = ended;
      if (ended.size > MAX_ENDED && oldest !== undefined) ended.delete(oldest);
    }
  };

  const end = (runKey: string, sessionKey: string, state: Follow, ended: RunEnded, at: number) => {
    const { run, state: outcome, text, error, stopReason, collectedBy, collected } = ended;
    // The answer was shown under the run that collected this message: clients need only hear that this one is over.
    if (collectedBy !== undefined && outcome === 'succeeded') chat(runKey, sessionKey, state, { state: 'final', collectedBy });
    else if (run === 'command') chat(runKey, sessionKey, state, { state: 'final', message: injectedMessage(text, at) });
    else if (outcome === 'succeeded') {
      if (text !== state.text)
        agent(runKey, sessionKey, state, 'assistant', { text, delta: text.startsWith(state.text) ? text.slice(state.text.length) : text });
      agent(runKey, sessionKey, state, 'lifecycle', { phase: 'end', endedAt: at });
      chat(runKey, sessionKey, state, { state: 'final', message: message(text), ...(collected && { collected }) });
    } else if (outcome === 'cancelled') {
      agent(runKey, sessionKey, state, 'lifecycle', { phase: 'end', endedAt: at, aborted: true });
      chat(runKey, sessionKey, state, { state: 'aborted', stopReason: stopReason ?? 'rpc', ...(text !== '' && { message: message(text) }) });
    } else {
      agent(runKey, sessionKey, state, 'lifecycle', { phase: 'error', error: error ?? outcome, endedAt: at });
      chat(runKey, sessionKey, state, { state: 'error', errorMessage: error ?? outcome });
    }
  };

  return {
    onEvent,
    onDelta,
    onTool,
    /** The session name the client used is the one it looks for in events. */
    alias: (runKey: string, written: string) => {
      aliases.set(runKey, written);
      const [oldest] = aliases.keys();
      if (aliases.size > MAX_ALIASES && oldest !== undefined) aliases.delete(oldest);
    },
  };
}

export type RunEvents = ReturnType<typeof createRunEvents>;
