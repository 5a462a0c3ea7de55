// What the agents' tools share whose work is in the store, and how they answer.

import { z } from 'zod';
import type { Config } from '../../domain/config.ts';
import type { ToolOutcome } from '../../domain/tool.ts';
import type { Clock } from '../../kit/clock.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import type { Store } from '../../ports/store.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';

export interface AgentToolWorld {
  readonly store: Store;
  readonly config: Config;
  readonly clock: Clock;
  readonly version: string;
  readonly programPath: string;
}

/** An answer as JSON text, as existing agents know it. */
export function answer(value: Readonly<Record<string, unknown>>): ToolOutcome {
  return { text: JSON.stringify(value, null, 2), isError: false, details: value };
}

/** A refusal that the model can act on; anything else goes on as an error. */
export function refuse(error: unknown, expected: boolean): ToolOutcome {
  if (!expected) throw error;
  return answer({ status: 'error', error: messageOf(error) });
}

/** A tool whose input is read by a schema, and whose faults are answers that the model can act on. */
export function actingOn<I>(input: z.ZodType<I>, act: (asked: I, context: ToolContext) => Promise<Readonly<Record<string, unknown>>>): Tool['run'] {
  return async (given, context) => {
    const parsed = input.safeParse(withoutEmpty(given));
    if (!parsed.success) return answer({ status: 'error', error: z.prettifyError(parsed.error) });
    try {
      return answer(await act(parsed.data, context));
    } catch (error) {
      return refuse(error, isFault(error));
    }
  };
}

/** Without what models fill in for fields they mean to leave empty. */
export function withoutEmpty(input: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries((input ?? {}) as Record<string, unknown>).filter(([, value]) => value !== null && value !== ''));
}
