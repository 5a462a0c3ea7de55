// Parts of a workspace that the gateway takes over one by one, and how far each is.

export const WORKSPACE_PARTS = ['cron', 'spawn-queue', 'inbox', 'heartbeats', 'progress'] as const;
export type WorkspacePart = (typeof WORKSPACE_PARTS)[number];

/** `observe` reports what would be done and touches nothing. */
export const PHASES = ['off', 'observe', 'on'] as const;
export type Phase = (typeof PHASES)[number];

export type Phases = Readonly<Record<WorkspacePart, Phase>>;

/** Where nobody has decided: schedules run, and files of a team that is at work already are only looked at. */
export function phasesFrom(written: unknown, hasTraffic: boolean): Phases {
  const chosen = (written !== null && typeof written === 'object' ? written : {}) as Partial<Record<string, Phase>>; // looked at below
  const usual = hasTraffic ? 'observe' : 'on';
  const of = (part: WorkspacePart, otherwise: Phase): Phase => {
    const phase = chosen[part];
    return phase !== undefined && PHASES.includes(phase) ? phase : otherwise;
  };
  return {
    cron: of('cron', 'on'),
    'spawn-queue': of('spawn-queue', usual),
    inbox: of('inbox', usual),
    heartbeats: of('heartbeats', usual),
    progress: of('progress', usual),
  };
}
