// A sandbox turns a command into the argv that runs it with less than the gateway's rights.

import type { SandboxLevel } from '../domain/tool.ts';

export interface SandboxRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Absolute path that the command may write. */
  readonly workspace: string;
  /** Further absolute paths that it may read. */
  readonly binds: readonly string[];
  /** Absolute paths that must not be seen, even inside the workspace. */
  readonly hidden: readonly string[];
  readonly network: 'none' | 'host';
  readonly env: Readonly<Record<string, string>>;
}

export interface SandboxedCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Folder to start in; inside the sandbox the command's own cwd holds. */
  readonly cwd: string;
}

export interface Sandbox {
  readonly level: SandboxLevel;
  readonly wrap: (request: SandboxRequest) => SandboxedCommand;
}

export type SandboxProbe = { readonly ok: true; readonly sandbox: Sandbox } | { readonly ok: false; readonly reason: string };
