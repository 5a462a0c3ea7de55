// A model provider as the turn loop sees it.

import type { Config } from '../domain/config.ts';
import type { ToolCall } from '../domain/transcript.ts';

export type ModelPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly mimeType: string; readonly data: string }
  | { readonly type: 'tool_call'; readonly call: ToolCall }
  | { readonly type: 'tool_result'; readonly callId: string; readonly text: string; readonly isError: boolean };

export interface ModelMessage {
  readonly role: 'user' | 'assistant';
  readonly parts: readonly ModelPart[];
}

export interface ModelTool {
  readonly name: string;
  readonly about: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface ModelRequest {
  readonly model: string;
  readonly system: string;
  readonly tools: readonly ModelTool[];
  /** Alternating, beginning with the user; every tool call is answered in the next message. */
  readonly messages: readonly ModelMessage[];
  readonly maxOutputTokens: number;
}

export interface ModelReply {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly stopReason: 'stop' | 'tool_use' | 'length';
  readonly usage: { readonly input: number; readonly output: number; readonly cacheRead: number; readonly cacheWrite: number };
}

export interface ModelCallOptions {
  readonly signal: AbortSignal;
  /** Each piece of text as it arrives. */
  readonly onText: (piece: string) => void;
}

export interface ModelClient {
  /**
   * One streamed call. Nothing is retried here.
   * @throws Fault `model.*`, with `retryAfterMs` in its details where the provider told one
   */
  readonly call: (request: ModelRequest, options: ModelCallOptions) => Promise<ModelReply>;
}

/** What a client needs to reach its provider. */
export interface ModelEndpoint {
  readonly provider: string;
  readonly api: 'anthropic-messages' | 'openai-completions';
  readonly baseUrl: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly idleMs: number;
  readonly credential: Credential;
}

export interface Credential {
  /** Names the credential in logs and refusals; never the secret. */
  readonly id: string;
  readonly kind: 'api_key' | 'token';
  readonly secret: string;
}

export interface Models {
  /** The client of an endpoint. Clients of one endpoint share their pooled connections. */
  readonly clientFor: (endpoint: ModelEndpoint) => Promise<ModelClient>;
  /**
   * The endpoints of a provider, one per credential that is good now, best first. OAuth tokens are refreshed here.
   * @throws Fault `model.no_credential`, `model.unknown_provider`
   */
  readonly endpointsFor: (provider: string, agentId: string) => Promise<readonly ModelEndpoint[]>;
}

export interface Passage {
  readonly provider: string;
  /** What shares one fate: model and credential. */
  readonly circuit: string;
  readonly config: Config;
  readonly signal: AbortSignal;
  /** Asked after the call: how long its first piece took, ms. */
  readonly firstMs: () => number;
}

/** What stands before a provider's door. */
export interface ProviderGates {
  /**
   * Makes a call when the provider takes one more.
   * @throws Fault `model.circuit_open` without calling while the circuit is broken; whatever the call throws
   */
  readonly pass: <T>(passage: Passage, call: () => Promise<T>) => Promise<T>;
}
