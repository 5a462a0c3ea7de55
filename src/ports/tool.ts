// A tool as the turn loop calls it.

import type { ToolOutcome, ToolSpec, ToolWait } from '../domain/tool.ts';
import type { Log } from '../kit/log.ts';
import type { Blobs } from './blob.ts';
import type { Sandbox } from './sandbox.ts';

export interface WantedCommand {
  readonly command: string;
  /** Of a command that no shell reads. */
  readonly argv?: readonly string[];
  readonly cwd: string;
  /** What the agent adds to the environment. */
  readonly env: Readonly<Record<string, string>>;
}
export type Permission =
  | { readonly ok: true }
  | { readonly ok: false; readonly refusal: string }
  /** A person is asked: the call is to be made again when there is an answer. */
  | { readonly ok: false; readonly waits: ToolWait };

/** Where and for whom a tool runs. */
export interface ToolContext {
  readonly workspaceId: string;
  readonly agentId: string;
  readonly runId: string;
  readonly sessionKey: string;
  /** Absolute path of the agent's workspace. */
  readonly workspace: string;
  /** Where file tools may go: the workspace, or everywhere when the owner switched the sandbox off. */
  readonly fileRoot: string;
  /** Folders no tool may touch: the gateway's own state. */
  readonly forbidden: readonly string[];
  /** The sandbox for commands, or why there is none. */
  readonly sandbox: { readonly ok: true; readonly sandbox: Sandbox } | { readonly ok: false; readonly refusal: string };
  /** Names the call: the same in every attempt of the run. */
  readonly callId: string;
  /** Whether a command may run now. */
  readonly mayRun: (wanted: WantedCommand, callId: string) => Promise<Permission>;
  /** When the run began to stand still for this call, epoch ms, if it did. */
  readonly waitingSince?: number;
  readonly signal: AbortSignal;
  readonly blobs: Blobs;
  readonly log: Log;
}

export interface Tool {
  readonly spec: ToolSpec;
  /** Must not throw for what the model did wrong: that is an outcome with isError. */
  readonly run: (input: Readonly<Record<string, unknown>>, context: ToolContext) => Promise<ToolOutcome>;
}
