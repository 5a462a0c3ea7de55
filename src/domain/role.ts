// Who may spawn whom: one policy as data. What is not listed is denied.

export const ROLES = [
  'person-manager',
  'story-architect',
  'coordinator',
  'validator',
  'task-manager',
  'worker-impl',
  'worker-cmd',
  'reviewer',
  'researcher',
] as const;
export type Role = (typeof ROLES)[number];
/** The owner's own session and everybody who acts for the owner; a sub-agent that was given no role; one with a role. */
export type Spawner = 'owner' | 'plain' | Role;

/** `yes`, at most so many open at once, or a request that somebody above must grant. */
export type SpawnRight = 'yes' | 'request' | { readonly atMost: number };

const BOTH_READERS = (atMost: number) => ({ reviewer: { atMost }, researcher: { atMost } }) as const;

const RIGHTS: Readonly<Record<Role, Readonly<Partial<Record<Role, SpawnRight>>>>> = {
  'person-manager': { 'story-architect': 'yes', coordinator: 'yes', ...BOTH_READERS(3) },
  'story-architect': BOTH_READERS(6),
  coordinator: { validator: 'request', 'task-manager': 'yes', ...BOTH_READERS(3) },
  validator: { 'worker-cmd': 'yes', ...BOTH_READERS(2) },
  'task-manager': { 'worker-impl': 'yes', 'worker-cmd': 'yes' },
  'worker-impl': { 'worker-cmd': 'request' },
  'worker-cmd': {},
  reviewer: {},
  researcher: {},
};

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/** What a spawner may ask for; undefined is denied. `wanted` is null for a sub-agent without a role. */
export function spawnRight(spawner: Spawner, wanted: Role | null): SpawnRight | undefined {
  if (spawner === 'owner') return 'yes';
  if (spawner === 'plain') return 'request';
  return wanted === null ? undefined : RIGHTS[spawner][wanted];
}
