// The card that /status and session_status answer: model, tokens, context, queue.

import { type Config, defaultAgentId } from '../../domain/config.ts';
import { modelChain } from '../../domain/model.ts';
import { agentIdOf } from '../../domain/session.ts';
import type { Store } from '../../ports/store.ts';
import { getSession } from '../sessions/ops.ts';
import { laneLoads } from './ops.ts';

interface CardFacts {
  readonly store: Store;
  readonly workspaceId: string;
  readonly config: Config;
  readonly version: string;
  readonly key: string;
}

export async function statusCard({ store, workspaceId, config, version, key }: CardFacts): Promise<string> {
  const session = await store.call(getSession, { workspaceId, key });
  const { contextTokens } = config.agents.defaults;
  const lanes = (await store.call(laneLoads, { workspaceId })).filter(({ queued, active }) => queued + active > 0);
  const used = session?.context_tokens ?? 0;
  return [
    `Clawdbot Gateway ${version}`,
    `Model: ${firstModel(config, key, session?.model_override ?? null)}`,
    `Tokens: ${session?.input_tokens ?? 0} in, ${session?.output_tokens ?? 0} out`,
    `Context: ${used} of ${contextTokens} (${Math.round((100 * used) / contextTokens)} %)`,
    `Session: ${key}${session ? `, ${session.id}` : ', new'}`,
    `Queue: ${lanes.length === 0 ? 'empty' : lanes.map(({ name, active, queued }) => `${name} ${active} running, ${queued} waiting`).join('; ')}`,
  ].join('\n');
}

/** The model that a session's turns ask first. */
export function firstModel(config: Config, key: string, override: string | null): string {
  const [first] = modelChain(config, agentIdOf(key) ?? defaultAgentId(config), override);
  return first ? `${first.provider}/${first.model}` : 'none';
}
