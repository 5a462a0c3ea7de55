// The list of sandboxes, and which one a choice gets on this machine.

import { fault } from '../../domain/fault-codes.ts';
import type { SandboxChoice, SandboxLevel } from '../../domain/tool.ts';
import type { Sandbox, SandboxProbe } from '../../ports/sandbox.ts';
import type { ToolContext } from '../../ports/tool.ts';
import { probeBwrap } from './bwrap.ts';

/** No sandbox: the command runs with the gateway's own rights. The owner's explicit choice. */
const none: Sandbox = {
  level: 'none',
  wrap: ({ argv, cwd, env }) => ({ file: argv[0] ?? '/bin/sh', args: argv.slice(1), env, cwd }),
};

export type SandboxPicker = (choice: SandboxChoice) => ToolContext['sandbox'];

/** Probes this machine once and answers choices from then on. A level that is missing is refused, never lowered. */
export async function createSandboxPicker(path: string): Promise<SandboxPicker> {
  const probe = await probeBwrap(path);
  return (choice) => pick(choice, probe);
}

function pick(choice: SandboxChoice, probe: SandboxProbe): ToolContext['sandbox'] {
  if (choice === 'none') return { ok: true, sandbox: none };
  if (probe.ok) return { ok: true, sandbox: probe.sandbox };
  if (choice === 'auto') return { ok: true, sandbox: none };
  return { ok: false, refusal: fault('sandbox.unavailable', { level: choice, reason: probe.reason }).message };
}

/** What a choice comes to, for health: the level, or why there is none. */
export function describeSandbox(picked: ToolContext['sandbox']): { readonly level: SandboxLevel | 'refused'; readonly reason?: string } {
  return picked.ok ? { level: picked.sandbox.level } : { level: 'refused', reason: picked.refusal };
}
