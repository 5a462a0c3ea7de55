// A runtime that drives the model loop in a process of its own: it gets an order and the gateway's tools, and tells what it does.

import type { ToolSpec } from '../domain/tool.ts';
import type { EntryUsage, ToolCall } from '../domain/transcript.ts';
import type { ModelEndpoint } from './model.ts';

export interface RuntimeRequest {
  readonly prompt: string;
  readonly system: string;
  readonly model: string;
  /** Where it asks the model; undefined where it signs in by itself. */
  readonly endpoint: ModelEndpoint | undefined;
  /** Names the conversation: the same one goes on where it was left. */
  readonly conversation: string;
  /** Whether it is expected to be there already. */
  readonly isKnown: boolean;
  readonly cwd: string;
  readonly tools: readonly ToolSpec[];
  readonly callTool: (call: ToolCall) => Promise<{ readonly text: string; readonly isError: boolean }>;
  readonly signal: AbortSignal;
  readonly runId: string;
}

export type RuntimeEvent =
  | { readonly kind: 'text'; readonly piece: string }
  | { readonly kind: 'said'; readonly text: string; readonly calls: readonly ToolCall[]; readonly usage: Omit<EntryUsage, 'cost'> }
  | { readonly kind: 'result'; readonly callId: string; readonly text: string; readonly isError: boolean }
  | { readonly kind: 'end'; readonly ok: boolean; readonly text: string; readonly problem?: string };

export interface Runtime {
  readonly name: string;
  /** Ends with an `end` event. Stops when the signal aborts. */
  readonly run: (request: RuntimeRequest) => AsyncGenerator<RuntimeEvent>;
}
