// Lanes bound how many runs of a kind are active at once. Their limits come from the configuration.

import type { Config } from './config.ts';

export type LaneName = 'main' | 'subagent' | 'cron' | 'nested' | 'proof' | 'tools';

/** Higher goes first; orders of people and programs leave room below for what the gateway starts itself. */
export const PRIORITY = { interactive: 40, background: 0 } as const;

export function laneLimits(config: Config): Readonly<Record<LaneName, number>> {
  const { defaults } = config.agents;
  return {
    main: defaults.maxConcurrent,
    subagent: defaults.subagents.maxConcurrent,
    cron: config.cron.maxConcurrentRuns,
    nested: 1,
    proof: 2,
    tools: 8,
  };
}

/** The lane a client may name; anything else is the main lane. */
export function laneNamed(name: string | undefined): LaneName {
  return name === 'subagent' || name === 'cron' || name === 'nested' ? name : 'main';
}
