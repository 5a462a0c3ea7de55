// Spawn requests as files hold them, in every shape that agents write, and the answers they look for.

import type { ListedCommand } from './command.ts';
import { ROLES, type Role } from './role.ts';
import type { SpawnStatus } from './spawn.ts';
import { slugOf } from './team.ts';

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object' && !Array.isArray(value);

export interface FileRequest {
  /** As its writer called it, or the name of the file. */
  readonly requestId: string;
  readonly requestedBy: string | null;
  readonly label: string | null;
  readonly model: string | undefined;
  readonly thinking: string | undefined;
  readonly task: string;
  readonly role: Role | null;
  readonly agentId: string | undefined;
  readonly timeoutSeconds: number | undefined;
  readonly urgent: boolean;
  readonly commands: readonly ListedCommand[] | undefined;
}

export type ReadRequest = { readonly ok: true; readonly request: FileRequest } | { readonly ok: false; readonly reason: string };

function textOf(json: Json, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = json[name];
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
    if (typeof value === 'number') return String(value);
  }
  return undefined;
}

/** The request in a JSON value: nested under `spawn`, flat, without an id, or a cry for help that names a role. */
export function readRequest(value: unknown, fileName: string): ReadRequest {
  if (!isObject(value)) return { ok: false, reason: 'it holds no JSON object' };
  const inner = isObject(value['spawn']) ? value['spawn'] : value;
  const named = textOf(value, 'requestId', 'request_id', 'id') ?? textOf(inner, 'requestId', 'id');
  const needed = textOf(inner, 'role', 'needed') ?? textOf(value, 'role', 'needed');
  const task = textOf(inner, 'task', 'message', 'prompt', 'instructions', 'description') ?? taskOfHelp(value);
  const commands = commandsIn(inner['commands']);
  if (task === undefined && !commands)
    return { ok: false, reason: 'it has no task: write { "requestId", "requestedBy", "spawn": { "label", "model", "task" } }' };
  const seconds = Number(textOf(inner, 'runTimeoutSeconds', 'timeoutSeconds', 'timeout') ?? Number.NaN);
  return {
    ok: true,
    request: {
      requestId: named ?? fileName.replace(/\.json$/i, ''),
      requestedBy: textOf(value, 'requestedBy', 'requested_by', 'from', 'parent', 'requester') ?? null,
      label: textOf(inner, 'label', 'name', 'taskId') ?? textOf(value, 'bead') ?? null,
      model: textOf(inner, 'model'),
      thinking: textOf(inner, 'thinking'),
      task: task ?? '',
      commands,
      role: needed === undefined ? null : roleIn(needed),
      agentId: textOf(inner, 'agentId', 'agent'),
      timeoutSeconds: seconds > 0 && seconds <= 86_400 ? seconds : undefined,
      urgent: /^(p?[01]\b|urgent|critical|high)/i.test(textOf(value, 'priority') ?? textOf(inner, 'priority') ?? ''),
    },
  };
}

/** `[{ argv: [...] }]`, or lists of words. */
function commandsIn(value: unknown): readonly ListedCommand[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > 50) return undefined;
  const list = value.map((one): ListedCommand | undefined => {
    const argv: unknown = isObject(one) ? one['argv'] : one;
    if (!Array.isArray(argv) || argv.length === 0 || !argv.every((word) => typeof word === 'string')) return undefined;
    return { argv, ...(isObject(one) && typeof one['cwd'] === 'string' && { cwd: one['cwd'] }) };
  });
  return list.every((one) => one !== undefined) ? list : undefined;
}

/** `{ from, needed, reason, bead, priority }`: somebody is stuck and says whom he needs. */
function taskOfHelp(json: Json): string | undefined {
  const [needed, reason] = [textOf(json, 'needed'), textOf(json, 'reason', 'why', 'context')];
  if (needed === undefined || reason === undefined) return undefined;
  const [from, bead] = [textOf(json, 'from', 'requestedBy'), textOf(json, 'bead', 'taskId')];
  return [`${from ?? 'Somebody of the team'} asks for help: ${needed}.`, ...(bead === undefined ? [] : [`It is about ${bead}.`]), reason].join('\n');
}

const LOOSE: readonly (readonly [RegExp, Role])[] = [
  [/\bcmd\b|command/, 'worker-cmd'],
  [/valid|\bqa\b/, 'validator'],
  [/review/, 'reviewer'],
  [/research|investigat/, 'researcher'],
  [/architect|stor(y|ies)/, 'story-architect'],
  [/coordinat/, 'coordinator'],
  [/manager/, 'task-manager'],
  [/worker|implement|develop|engineer|coder/, 'worker-impl'],
];

/** The role that somebody meant, or null. */
function roleIn(written: string): Role | null {
  const slug = slugOf(written);
  return ROLES.find((role) => role === slug || `${role}s` === slug) ?? LOOSE.find(([words]) => words.test(written.toLowerCase()))?.[1] ?? null;
}

/** A name that may be a file name, whatever its writer put into it. */
export function fileNameOf(id: string): string {
  const safe = id.replace(/[/\\\u0000-\u001f\u007f]/g, '_').replace(/^\.+/, '_');
  return safe.slice(0, 180) || 'unnamed';
}

export type ResponseStatus = 'spawned' | 'completed' | 'error' | 'denied';

/** What those who wait read of a spawn. */
export function responseStatus(status: SpawnStatus, runState: string | null): ResponseStatus {
  if (status === 'denied' || status === 'expired') return 'denied';
  if (status === 'cancelled') return 'error';
  if (status !== 'settled') return 'spawned';
  return runState === 'succeeded' ? 'completed' : 'error';
}
