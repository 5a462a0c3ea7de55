// Which commands of agents run at once, which are asked about, and which are refused.

import { matchesGlob } from 'node:path';

/** From the loosest to the strictest. */
export const EXEC_SECURITY = ['full', 'allowlist', 'deny'] as const;
export const EXEC_ASK = ['off', 'on-miss', 'always'] as const;
export type ExecSecurity = (typeof EXEC_SECURITY)[number];
export type ExecAsk = (typeof EXEC_ASK)[number];

export interface ExecPolicy {
  readonly security: ExecSecurity;
  readonly ask: ExecAsk;
  /** What holds when a person is asked and does not answer. */
  readonly askFallback: ExecSecurity;
  /** Globs over absolute paths of programs. */
  readonly allowlist: readonly string[];
}

export type ExecVerdict = 'run' | 'ask' | 'refuse';

/** @param program absolute path of the one program the command starts, undefined when that cannot be told */
export function judgeExec({ security, ask, allowlist }: ExecPolicy, program: string | undefined): ExecVerdict {
  if (security === 'deny') return 'refuse';
  if (ask === 'always') return 'ask';
  if (security === 'full' || isListed(allowlist, program)) return 'run';
  return ask === 'on-miss' ? 'ask' : 'refuse';
}

/** What becomes of a question nobody answered. */
export function judgeUnanswered({ askFallback, allowlist }: ExecPolicy, program: string | undefined): boolean {
  return askFallback === 'full' || (askFallback === 'allowlist' && isListed(allowlist, program));
}

function isListed(allowlist: readonly string[], program: string | undefined): boolean {
  return program !== undefined && allowlist.some((pattern) => matchesGlob(program, pattern));
}

/** The later of two in a list that goes from the loosest to the strictest. */
export function stricter<T>(order: readonly T[], a: T, b: T | undefined): T {
  return b !== undefined && order.indexOf(b) > order.indexOf(a) ? b : a;
}

/**
 * The first word of a command that is nothing but a program and plain arguments. A shell that chains, substitutes, redirects or sets
 * variables could start anything: of such a command no program can be told.
 */
export function plainProgram(command: string): string | undefined {
  if (/[;&|<>()`$\\\n\r{}*?[\]~!#]/.test(command)) return undefined;
  const [word = ''] = command.trim().split(/\s+/);
  return /^[\w./+-]+$/.test(word) ? word : undefined;
}
