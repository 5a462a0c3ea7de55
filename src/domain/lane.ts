// Lanes bound how many runs of a kind are active at once, and decide who is next: fair between trees of work, by priority with ageing.

import type { Config } from './config.ts';
import { ROLES } from './role.ts';
import { rolePolicy } from './team.ts';

export type LaneName = 'main' | 'subagent' | 'cron' | 'nested' | 'proof' | 'tools';

/** Higher goes first. */
export const PRIORITY = { interactive: 40, urgent: 30, spawn: 20, cron: 10, background: 0 } as const;
export type PriorityName = keyof typeof PRIORITY;

/** Limits of the lanes, and of roles as `role:<name>`. */
export function laneLimits(config: Config): Readonly<Record<string, number>> {
  const { defaults } = config.agents;
  const byPolicy = ROLES.map((role) => [role, rolePolicy(config, role).limits?.atOnce] as const);
  const roles = [...byPolicy, ...Object.entries(config.lanes.roles)].flatMap(([role, slots]) =>
    slots === undefined ? [] : [[`role:${role}`, slots] as const],
  );
  return {
    main: defaults.maxConcurrent,
    subagent: defaults.subagents.maxConcurrent,
    cron: config.cron.maxConcurrentRuns,
    nested: config.lanes.nested,
    proof: config.lanes.proof,
    tools: 8,
    ...Object.fromEntries(roles),
  };
}

/** The lane a client may name; anything else is the main lane. */
export function laneNamed(name: string | undefined): LaneName {
  return name === 'subagent' || name === 'cron' || name === 'nested' ? name : 'main';
}

/*
 * Who is next. Every queued run carries a tag; the lowest goes first. A tree's runs stand SPACING apart, and a new tree begins at the
 * lane's clock, which is the tag of the run that was taken last: so trees take turns, however many runs one of them has waiting.
 * A lower priority begins further back. The clock moves with every run that is taken, so nobody is overtaken for ever.
 */
const SPACING = 1000;
/** How far the clock moves with each run taken: SPACING / CLOCK_STEP newcomers go before the next run of a tree that waits. */
export const CLOCK_STEP = 100;
const HANDICAP: readonly (readonly [priority: number, tag: number])[] = [
  [PRIORITY.interactive, 0],
  [PRIORITY.urgent, 500],
  [PRIORITY.spawn, 1000],
  [PRIORITY.cron, 3000],
  [PRIORITY.background, 5000],
];

/** The tag of a run that comes into a lane. `latestOfTree` is the highest tag of its tree's queued runs there, if any. */
export function fairTag({ clock, latestOfTree, priority }: { clock: number; latestOfTree: number | null; priority: number }): number {
  const handicap = HANDICAP.find(([least]) => priority >= least)?.[1] ?? HANDICAP[HANDICAP.length - 1]?.[1] ?? 0;
  return Math.max(clock + handicap, latestOfTree === null ? 0 : latestOfTree + SPACING);
}

/** A run that has begun before and goes on: it goes before everything that has not begun. */
export const RESUMED_TAG = 0;

/** How far back the demand of other trees is looked at. */
export const DEMAND_WINDOW_MS = 5000;

interface Stay {
  readonly queuedAt: number;
  readonly endedAt: number | null;
}

/** How many slots these runs wanted on average within the window: the time they waited counts as much as the time they ran. */
export function slotsWanted(runs: readonly Stay[], now: number): number {
  const since = now - DEMAND_WINDOW_MS;
  const busy = runs.reduce((sum, { queuedAt, endedAt }) => sum + Math.max(0, (endedAt ?? now) - Math.max(queuedAt, since)), 0);
  return busy / DEMAND_WINDOW_MS;
}

/**
 * Slots of a lane that one tree may hold, so that others find a slot without waiting for its runs to end:
 * what the others wanted of late and one more stays free. A tree alone may have nearly all, and each among several its share.
 */
export function treeLimit(slots: number, wantedByOthers: number, openTrees: number): number {
  const reserved = wantedByOthers > 0 ? Math.ceil(wantedByOthers + 1) : slots >= 4 ? 1 : 0;
  const share = openTrees === 0 ? 1 : Math.ceil(slots / (openTrees + 1));
  return Math.max(share, slots - reserved);
}

/** Queued runs of a lane above which a priority is refused: the lowest class goes first, and people last. */
export function queueBound(priority: number, longestQueue: number): number {
  if (priority >= PRIORITY.urgent) return longestQueue;
  if (priority >= PRIORITY.spawn) return Math.floor(longestQueue / 2);
  return Math.floor(longestQueue / 4);
}
