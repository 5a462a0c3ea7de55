// What is looked at to know whether the gateway is well: each check with its evidence, how bad it is, and what to do.

export type Severity = 'ok' | 'info' | 'warning' | 'critical';

export interface Finding {
  readonly id: string;
  readonly severity: Severity;
  readonly evidence: string;
  readonly fix: string;
}

/** What the store says of the last while. */
export interface StoreMeasures {
  /** Runs that are due and wait for a slot, by lane. */
  readonly waiting: Readonly<Record<string, number>>;
  /** The longest that one of them has waited, in milliseconds. */
  readonly longestWaitMs: number;
  readonly spawnP95Ms: number | null;
  readonly deliveryP95Ms: number | null;
  readonly unsent: number;
  readonly failedSends: number;
  /** Agents at work by their heartbeats, and those of them that are silent. */
  readonly beating: number;
  readonly stale: number;
  /** Boxes with mail that nobody reads, by the age of the oldest in milliseconds. */
  readonly inboxAges: Readonly<Record<string, number>>;
  readonly cronLateMs: number;
  /** Turns of the last ten minutes that ended well, and those that ended for want of a model. */
  readonly answered: number;
  readonly modelFailures: number;
  readonly refusals: readonly { readonly credential: string; readonly model: string; readonly reason: string }[];
}

/** What the process and the machine say. */
export interface HostMeasures {
  readonly storeMs: number;
  readonly diskFreeBytes: number;
  readonly diskBytes: number;
  readonly diskPath: string;
  readonly memoryBytes: number;
  readonly loopP99Ms: number;
  readonly clockAheadMs: number;
  readonly workers: number;
  readonly wantedWorkers: number;
  readonly sandboxes: Readonly<Record<string, { readonly level: string; readonly reason?: string }>>;
  readonly channels: readonly {
    readonly name: string;
    readonly state: string;
    readonly problem: string | null;
    readonly forMs: number;
    readonly isWanted: boolean;
  }[];
  readonly backup: { readonly lastAt: number | null; readonly problem: string | null; readonly everyHours: number };
  readonly uptimeMs: number;
  readonly now: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MB = 1_000_000;
/** A disk with less free than this, or than a part of a small one, is full for all that is not an order of a person. */
const DISK_NEARLY_FULL = { bytes: 200 * MB, part: 0.05 };
const DISK_LOW = { bytes: 1000 * MB, part: 0.1 };

const seconds = (ms: number) => (ms < SECOND ? `${Math.round(ms)} ms` : ms < 2 * MINUTE ? `${(ms / SECOND).toFixed(1)} s` : `${Math.round(ms / MINUTE)} min`);

/** `critical` and `warning` at or above their bounds, `info` from the goal on. */
function graded(value: number, { info = Number.POSITIVE_INFINITY, warning = Number.POSITIVE_INFINITY, critical = Number.POSITIVE_INFINITY }): Severity {
  return value >= critical ? 'critical' : value >= warning ? 'warning' : value >= info ? 'info' : 'ok';
}

/** All checks, those that are well included. */
export function examine(store: StoreMeasures, host: HostMeasures): readonly Finding[] {
  return [...ofMachine(host), ...ofWork(store), ...ofModels(store), ...ofChannels(store, host), ...ofBackups(host), ...ofSandboxes(host)];
}

function ofMachine({ storeMs, diskFreeBytes, diskBytes, diskPath, memoryBytes, loopP99Ms, clockAheadMs, workers, wantedWorkers }: HostMeasures): Finding[] {
  return [
    {
      id: 'store',
      severity: graded(storeMs, { warning: SECOND, critical: 5 * SECOND }),
      evidence: `answers in ${seconds(storeMs)}`,
      fix: 'See what else uses this disk or this database; a store on a network disk is slow',
    },
    {
      id: 'disk',
      severity: diskSeverity(diskFreeBytes, diskBytes),
      evidence: `${Math.round(diskFreeBytes / MB)} MB are free at ${diskPath}`,
      fix: 'Free some space: a full disk stops every order until there is room. Old backups and logs are the first to look at',
    },
    {
      id: 'memory',
      severity: graded(memoryBytes, { warning: 1500 * MB, critical: 4000 * MB }),
      evidence: `${Math.round(memoryBytes / MB)} MB in use`,
      fix: 'clawdbot gateway restart; what runs goes on. If it grows again, report it',
    },
    {
      id: 'event-loop',
      severity: graded(loopP99Ms, { info: 50, warning: 250, critical: 2000 }),
      evidence: `delay p99 ${seconds(loopP99Ms)}`,
      fix: 'The machine is busy: fewer workers (gateway.workers), or fewer runs at once (agents.defaults.maxConcurrent)',
    },
    {
      id: 'clock',
      severity: graded(Math.abs(clockAheadMs), { warning: 5 * SECOND, critical: 5 * MINUTE }),
      evidence: `${seconds(Math.abs(clockAheadMs))} apart from the clock of the store`,
      fix: 'Set the time by NTP: timedatectl set-ntp true',
    },
    {
      id: 'workers',
      severity: wantedWorkers > 0 && workers === 0 ? 'critical' : 'ok',
      evidence: `${workers} of ${wantedWorkers} run`,
      fix: 'They are started again by themselves; see clawdbot logs for why they end',
    },
  ];
}

function diskSeverity(free: number, size: number): Severity {
  const isBelow = ({ bytes, part }: { bytes: number; part: number }) => free < Math.min(bytes, part * size);
  return isBelow(DISK_NEARLY_FULL) ? 'critical' : isBelow(DISK_LOW) ? 'warning' : 'ok';
}

function ofWork({ waiting, longestWaitMs, spawnP95Ms, beating, stale, inboxAges, cronLateMs }: StoreMeasures): Finding[] {
  const depth = Object.values(waiting).reduce((sum, count) => sum + count, 0);
  const lanes = Object.entries(waiting).flatMap(([lane, count]) => (count > 0 ? [`${lane} ${count}`] : []));
  const part = beating === 0 ? 0 : (100 * stale) / beating;
  return [
    {
      id: 'queue',
      severity: graded(depth, { info: 5, warning: 20 }),
      evidence: depth === 0 ? 'nothing waits' : `${depth} runs wait (${lanes.join(', ')}), the longest for ${seconds(longestWaitMs)}`,
      fix: 'More slots (agents.defaults.maxConcurrent, lanes), or stop what is not wanted: clawdbot why <run>',
    },
    {
      id: 'spawn',
      severity: spawnP95Ms === null ? 'ok' : graded(spawnP95Ms, { info: 30 * SECOND, warning: MINUTE }),
      evidence: spawnP95Ms === null ? 'none in the last hour' : `p95 ${seconds(spawnP95Ms)} from request to start`,
      fix: 'More slots for sub-agents: agents.defaults.subagents.maxConcurrent',
    },
    {
      id: 'stale-agents',
      severity: graded(part, { info: 5, warning: 10 }),
      evidence: `${stale} of ${beating} agents at work are silent`,
      fix: 'clawdbot task list shows whose; the gateway starts them again by its own rules',
    },
    {
      id: 'cron',
      severity: graded(cronLateMs, { warning: MINUTE, critical: 10 * MINUTE }),
      evidence: cronLateMs <= 0 ? 'nothing is late' : `a job is late by ${seconds(cronLateMs)}`,
      fix: 'clawdbot cron list shows which; see whether the lane "cron" is full',
    },
    ...Object.entries(inboxAges).map(([box, ageMs]) => ({
      id: `inbox:${box}`,
      severity: graded(ageMs, { info: 10 * MINUTE, warning: HOUR }),
      evidence: `the oldest message has waited for ${seconds(ageMs)}`,
      fix: `clawdbot inbox list ${box}; see that an agent reads this box`,
    })),
  ];
}

function ofModels({ answered, modelFailures, refusals }: StoreMeasures): Finding[] {
  const isDown = modelFailures >= 3 && answered === 0;
  return [
    {
      id: 'model',
      severity: isDown ? 'critical' : modelFailures > answered ? 'warning' : 'ok',
      evidence: `${answered} turns were answered in the last ten minutes, ${modelFailures} failed for want of a model`,
      fix: 'clawdbot models status shows the credentials; see the status page of the provider, or set a fallback: agents.defaults.model.fallbacks',
    },
    ...refusals.map(({ credential, model, reason }) => ({
      id: `credential:${credential}`,
      severity: 'warning' as const,
      evidence: `${model} is refused: ${reason}`,
      fix: 'Renew the credential or its budget with the provider',
    })),
  ];
}

function ofChannels({ deliveryP95Ms, unsent, failedSends }: StoreMeasures, { channels }: HostMeasures): Finding[] {
  return [
    ...channels
      .filter(({ isWanted }) => isWanted)
      .map(({ name, state, problem, forMs }) => ({
        id: `channel:${name}`,
        severity: channelSeverity(state, problem, forMs),
        evidence: `${state} for ${seconds(forMs)}${problem === null ? '' : `: ${problem}`}`,
        fix:
          state === 'refused'
            ? 'Mend the credentials, then: clawdbot channels status. Answers wait until then'
            : 'It connects again by itself; see that this machine reaches the provider',
      })),
    ...(channels.length === 0
      ? []
      : [
          {
            id: 'delivery',
            severity: deliveryP95Ms === null ? ('ok' as const) : graded(deliveryP95Ms, { info: SECOND, warning: 5 * SECOND }),
            evidence: deliveryP95Ms === null ? 'nothing was sent in the last hour' : `p95 ${seconds(deliveryP95Ms)}, ${unsent} wait`,
            fix: 'clawdbot channels outbox shows what waits and why',
          },
          {
            id: 'undelivered',
            severity: failedSends > 0 ? ('warning' as const) : ('ok' as const),
            evidence: `${failedSends} messages of the last hour could not be sent`,
            fix: 'clawdbot channels outbox shows which and why',
          },
        ]),
  ];
}

function channelSeverity(state: string, problem: string | null, forMs: number): Severity {
  if (state === 'refused') return 'critical';
  if (state === 'connected') return problem === null ? 'ok' : 'warning';
  return forMs < 30 * SECOND ? 'info' : 'warning';
}

function ofBackups({ backup: { lastAt, problem, everyHours }, uptimeMs, now }: HostMeasures): Finding[] {
  if (everyHours === 0)
    return [{ id: 'backup', severity: 'info', evidence: 'backups.everyHours is 0: none are made', fix: 'clawdbot config set backups.everyHours 24' }];
  const since = lastAt === null ? uptimeMs : now - lastAt;
  const isOld = since > 2 * everyHours * HOUR;
  const made = lastAt === null ? 'none was made yet' : `the last one is ${seconds(now - lastAt)} old`;
  return [
    {
      id: 'backup',
      severity: isOld || problem !== null ? 'warning' : 'ok',
      evidence: problem === null ? made : `${made}; ${problem}`,
      fix: 'clawdbot backup create says what keeps it from being made',
    },
  ];
}

function ofSandboxes({ sandboxes }: HostMeasures): Finding[] {
  return Object.entries(sandboxes).map(([agentId, { level, reason }]) => ({
    id: `sandbox:${agentId}`,
    severity: level === 'refused' ? ('critical' as const) : level === 'none' ? ('info' as const) : ('ok' as const),
    evidence: `level ${level}${reason === undefined ? '' : `: ${reason}`}`,
    fix: level === 'refused' ? 'apt install bubblewrap' : 'agents.defaults.sandbox.mode all',
  }));
}

/** A state in which the gateway goes on with less. */
export interface DegradedMode {
  readonly mode: 'model down' | 'disk nearly full' | 'channel down';
  readonly stops: string;
  readonly goesOn: string;
  readonly queued: string;
}

export interface Degraded {
  readonly modes: readonly DegradedMode[];
  /** Lanes of which nothing new begins. */
  readonly held: readonly string[];
}

/** What stops, what goes on and what is queued, by what was found. */
export function degradedBy(findings: readonly Finding[]): Degraded {
  const isCritical = (id: string) => findings.some((finding) => finding.id === id && finding.severity === 'critical');
  const isChannelDown = findings.some(({ id, severity }) => id.startsWith('channel:') && (severity === 'critical' || severity === 'warning'));
  const [noModel, noDisk] = [isCritical('model'), isCritical('disk')];
  return {
    modes: [
      ...(noModel
        ? [
            {
              mode: 'model down',
              stops: 'scheduled jobs do not begin',
              goesOn: 'orders of people are tried, with every fallback; chat commands, doors and files work',
              queued: 'jobs wait in their lane and begin when a model answers again',
            } as const,
          ]
        : []),
      ...(noDisk
        ? [
            {
              mode: 'disk nearly full',
              stops: 'scheduled jobs and proofs do not begin, no backup is made',
              goesOn: 'orders of people, as long as there is room',
              queued: 'jobs and proofs wait in their lanes',
            } as const,
          ]
        : []),
      ...(isChannelDown
        ? [
            {
              mode: 'channel down',
              stops: 'nothing comes from or goes to that channel',
              goesOn: 'everything else; alerts go to the inbox of the owner',
              queued: 'answers wait in the outbox; what was said meanwhile is looked up',
            } as const,
          ]
        : []),
    ],
    held: [...new Set([...(noModel ? ['cron'] : []), ...(noDisk ? ['cron', 'proof'] : [])])],
  };
}
