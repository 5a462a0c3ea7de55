// What a session is set to by its owner: levels, policies, hosts. Unset keys follow the configuration.

import { z } from 'zod';
import { QUEUE_MODES } from './queue-mode.ts';

const oneOf = <const T extends readonly [string, ...string[]]>(...values: T) => z.enum(values);

export const SessionSettings = z.object({
  thinkingLevel: oneOf('off', 'minimal', 'low', 'medium', 'high').optional(),
  verboseLevel: oneOf('off', 'on', 'full').optional(),
  reasoningLevel: oneOf('off', 'on', 'stream').optional(),
  responseUsage: oneOf('off', 'tokens', 'full').optional(),
  elevatedLevel: oneOf('off', 'on', 'ask', 'full').optional(),
  execHost: oneOf('sandbox', 'gateway', 'node').optional(),
  execSecurity: oneOf('deny', 'allowlist', 'full').optional(),
  execAsk: oneOf('off', 'on-miss', 'always').optional(),
  execNode: z.string().min(1).optional(),
  sendPolicy: oneOf('allow', 'deny').optional(),
  groupActivation: oneOf('mention', 'always').optional(),
  queueMode: oneOf(...QUEUE_MODES).optional(),
  queueDebounceMs: z.int().min(0).max(600_000).optional(),
  queueCap: z.int().min(1).max(1000).optional(),
  queueDrop: oneOf('old', 'new', 'summarize').optional(),
});
export type SessionSettings = z.infer<typeof SessionSettings>;

/** The words that are valid for a level, as clients show them: `off|minimal|low`. Empty for free text. */
export function validWords(name: keyof SessionSettings): string {
  const schema = SessionSettings.shape[name].unwrap();
  return schema instanceof z.ZodEnum ? schema.options.join('|') : '';
}
