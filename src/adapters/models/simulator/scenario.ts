// Scenario files: rules that answer a conversation by what was asked and what the tools really returned.

import { z } from 'zod';

const pattern = z.string().transform((source, context) => {
  try {
    return new RegExp(source, 'is');
  } catch (error) {
    context.addIssue({ code: 'custom', message: `not a regular expression: ${String(error)}` });
    return z.NEVER;
  }
});

const Rule = z.strictObject({
  when: z
    .strictObject({
      user: pattern.optional().describe('Matches the latest user text.'),
      result: pattern.optional().describe('Matches the text of the tool results just returned.'),
      noResult: pattern.optional().describe('Must not match them.'),
      tool: z.string().optional().describe('Name of the tool that returned them.'),
      step: z.int().min(0).optional().describe('Replies already given to this user text.'),
      minStep: z.int().min(0).optional(),
      model: pattern.optional(),
    })
    .default({}),
  /** The rule is used at most this many times. */
  times: z.int().min(1).optional(),
  text: z.string().default(''),
  tools: z.array(z.strictObject({ name: z.string(), input: z.record(z.string(), z.unknown()) })).default([]),
  fail: z
    .strictObject({ status: z.int(), type: z.string().default('api_error'), message: z.string().default('simulated'), retryAfter: z.number().optional() })
    .optional(),
  /** Characters per streamed chunk, pause before each, and where the stream breaks. */
  stream: z
    .strictObject({
      chunk: z.int().min(1).default(24),
      firstMs: z.number().min(0).default(0),
      delayMs: z.number().min(0).default(0),
      cutAfter: z.int().min(0).optional(),
      stallAfter: z.int().min(0).optional(),
    })
    .prefault({}),
});

const ScenarioSchema = z.strictObject({ name: z.string(), about: z.string().default(''), rules: z.array(Rule).min(1) });

export type ScenarioFile = z.input<typeof ScenarioSchema>;
export type Scenario = z.infer<typeof ScenarioSchema>;
type Rule = z.infer<typeof Rule>;

/** What a request says, in terms a rule can match. */
export interface Conversation {
  readonly model: string;
  readonly user: string;
  /** Assistant messages since the latest user text. */
  readonly step: number;
  readonly results: readonly { readonly tool: string; readonly text: string }[];
  readonly inputTokens: number;
}

export interface Play {
  readonly text: string;
  readonly tools: readonly { readonly name: string; readonly input: Readonly<Record<string, unknown>> }[];
  readonly fail: Rule['fail'];
  readonly stream: Rule['stream'];
}

/** @throws ZodError that names the bad key */
export function parseScenario(value: unknown): Scenario {
  return ScenarioSchema.parse(value);
}

/** A function that answers conversations by the scenario, counting the uses of limited rules. */
export function createPlayer(scenario: Scenario): (conversation: Conversation) => Play {
  const used = new Map<Rule, number>();
  return (conversation) => {
    for (const rule of scenario.rules) {
      if (rule.times !== undefined && (used.get(rule) ?? 0) >= rule.times) continue;
      const groups = match(rule, conversation);
      if (!groups) continue;
      used.set(rule, (used.get(rule) ?? 0) + 1);
      const fill = (text: string) =>
        text.replace(/\{\{(\w+)(?:\.(\d+))?\}\}/g, (whole, name: string, index?: string) => groups[name]?.[Number(index ?? 0)] ?? whole);
      return {
        text: fill(rule.text),
        tools: rule.tools.map(({ name, input }) => ({ name, input: fillDeep(input, fill) as Record<string, unknown> })), // an object stays an object
        fail: rule.fail,
        stream: rule.stream,
      };
    }
    return {
      text: `The scenario "${scenario.name}" has no rule for this conversation.`,
      tools: [],
      fail: undefined,
      stream: { chunk: 24, firstMs: 0, delayMs: 0 },
    };
  };
}

function match({ when }: Rule, { model, user, step, results }: Conversation): Readonly<Record<string, readonly string[]>> | undefined {
  const result = results.map(({ text }) => text).join('\n');
  if (when.step !== undefined && when.step !== step) return undefined;
  if (when.minStep !== undefined && step < when.minStep) return undefined;
  if (when.model && !when.model.test(model)) return undefined;
  if (when.tool !== undefined && !results.some(({ tool }) => tool === when.tool)) return undefined;
  if (when.noResult?.test(result)) return undefined;
  if (when.result && results.length === 0) return undefined;
  const inUser = when.user ? when.user.exec(user) : [user];
  const inResult = when.result ? when.result.exec(result) : [result];
  return inUser && inResult ? { user: inUser, result: inResult } : undefined;
}

function fillDeep(value: unknown, fill: (text: string) => string): unknown {
  if (typeof value === 'string') return fill(value);
  if (Array.isArray(value)) return value.map((item) => fillDeep(item, fill));
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fillDeep(inner, fill)]));
  return value;
}

/** What the simulator plays when no file is given: enough to try every door. */
export const GREETER: ScenarioFile = {
  name: 'greeter',
  about: 'Says what it was told; runs a command when asked "run: <command>".',
  rules: [
    { when: { user: 'run:\\s*(.+)', step: 0 }, text: 'I will run it.', tools: [{ name: 'exec', input: { command: '{{user.1}}' } }] },
    { when: { result: '(.*)' }, text: 'The command said:\n{{result.1}}' },
    { when: { user: 'read:\\s*(\\S+)', step: 0 }, tools: [{ name: 'read', input: { path: '{{user.1}}' } }] },
    { text: 'This is the simulator speaking, no model was asked. You said: {{user}}' },
  ],
};
