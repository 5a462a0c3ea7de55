// The frames between a gateway and its workers. Hints and live text only: the store holds the truth.

import type { Observation } from '../kit/metrics.ts';
import type { Config } from './config.ts';

/** What a worker must know before it takes work. Secrets travel here, never in its environment. */
export interface WorkerSettings {
  readonly workspaceId: string;
  readonly workerId: string;
  readonly stateDir: string;
  /** Folders of the gateway, beside the state folder, that no agent may look into. */
  readonly forbidden: readonly string[];
  readonly config: Config;
  readonly secrets: readonly string[];
  /** API keys found in the gateway's environment, by provider. */
  readonly providerKeys: Readonly<Record<string, string>>;
  readonly home: string;
  readonly logDir: string;
}

/** Of a worker that its gateway started: it reaches the store over the gateway's socket. */
export interface LocalWorkerSettings extends WorkerSettings {
  readonly storeSocket: string;
  readonly storeCredential: string;
}

export type GatewayToWorker =
  | { readonly kind: 'configure'; readonly settings: LocalWorkerSettings }
  | { readonly kind: 'abort'; readonly runId: string }
  | { readonly kind: 'drain'; readonly graceMs: number }
  /** Is anybody there? */
  | { readonly kind: 'ping' };

export type WorkerToGateway =
  | { readonly kind: 'ready' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'delta'; readonly runKey: string; readonly sessionKey: string; readonly attempt: number; readonly n: number; readonly text: string }
  | {
      readonly kind: 'tool';
      readonly runKey: string;
      readonly sessionKey: string;
      readonly phase: 'start' | 'result';
      readonly name: string;
      readonly callId: string;
      readonly detail: unknown;
      readonly isError: boolean;
      /** The session does not show its tool calls to clients. */
      readonly quiet: boolean;
    }
  | { readonly kind: 'stats'; readonly observations: readonly Observation[] };
