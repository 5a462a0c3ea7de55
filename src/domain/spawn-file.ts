// Spawn requests as files hold them, in every shape that agents write, and the answers they look for.

import { isObject, type Json, textIn } from '../kit/json.ts';
import type { ListedCommand } from './command.ts';
import { ROLES, type Role } from './role.ts';
import type { SpawnStatus } from './spawn.ts';
import { slugOf } from './team.ts';

export interface FileRequest {
  /** As its writer called it, or the name of the file. */
  readonly requestId: string;
  readonly requestedBy: string | null;
  readonly label: string | null;
  readonly model: string | null;
  readonly thinking: string | null;
  readonly task: string;
  readonly role: Role | null;
  readonly agentId: string | null;
  readonly timeoutSeconds: number | undefined;
  readonly urgent: boolean;
  readonly commands: readonly ListedCommand[] | undefined;
}

export type ReadRequest = { readonly ok: true; readonly request: FileRequest } | { readonly ok: false; readonly reason: string };

/** The request in a JSON value: nested under `spawn`, flat, without an id, or a cry for help that names a role. */
export function readRequest(value: unknown, fileName: string): ReadRequest {
  if (!isObject(value)) return { ok: false, reason: 'it holds no JSON object' };
  const inner = isObject(value['spawn']) ? value['spawn'] : value;
  const named = textIn(value, 'requestId', 'request_id', 'id') ?? textIn(inner, 'requestId', 'id');
  const needed = textIn(inner, 'role', 'needed') ?? textIn(value, 'role', 'needed');
  const task = textIn(inner, 'task', 'message', 'prompt', 'instructions', 'description') ?? taskOfHelp(value);
  const commands = commandsIn(inner['commands']);
  if (task === null && !commands) return { ok: false, reason: 'it has no task: write { "requestId", "requestedBy", "spawn": { "label", "model", "task" } }' };
  const seconds = Number(textIn(inner, 'runTimeoutSeconds', 'timeoutSeconds', 'timeout') ?? Number.NaN);
  return {
    ok: true,
    request: {
      requestId: named ?? fileName.replace(/\.json$/i, ''),
      requestedBy: textIn(value, 'requestedBy', 'requested_by', 'from', 'parent', 'requester'),
      label: textIn(inner, 'label', 'name', 'taskId') ?? textIn(value, 'bead'),
      model: textIn(inner, 'model'),
      thinking: textIn(inner, 'thinking'),
      task: task ?? '',
      commands,
      role: needed === null ? null : roleIn(needed),
      agentId: textIn(inner, 'agentId', 'agent'),
      timeoutSeconds: seconds > 0 && seconds <= 86_400 ? seconds : undefined,
      urgent: /^(p?[01]\b|urgent|critical|high)/i.test(textIn(value, 'priority') ?? textIn(inner, 'priority') ?? ''),
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
function taskOfHelp(json: Json): string | null {
  const [needed, reason] = [textIn(json, 'needed'), textIn(json, 'reason', 'why', 'context')];
  if (needed === null || reason === null) return null;
  const [from, bead] = [textIn(json, 'from', 'requestedBy'), textIn(json, 'bead', 'taskId')];
  return [`${from ?? 'Somebody of the team'} asks for help: ${needed}.`, ...(bead === null ? [] : [`It is about ${bead}.`]), reason].join('\n');
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
